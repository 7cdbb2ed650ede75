"""What the API sends and takes about everything that is not a job."""

from datetime import datetime
from typing import Any, Literal, Self

from api.schemas.base import Sent
from core.jobs.tables.artifacts import EncoderRow, EvaluationRow, without_tables
from core.jobs.tables.jobs import JobRow, WorkerRow
from core.specs.recipes import Recipe


class UploadResponse(Sent):
    """A file that was sent, waiting to be imported."""

    id: str
    """`upl_...`; name it as `source` of an import."""
    filename: str
    """What it was called."""
    size_bytes: int
    """Its size."""
    sha256: str
    """Its digest, in hexadecimal."""
    created_at: datetime
    """When it arrived."""


class CorpusResponse(Sent):
    """A packed corpus."""

    id: str
    """`cor_...`"""
    name: str
    """Unique among your corpora; jobs take it in place of the id."""
    job_id: str
    """The import that made it."""
    digest: str
    """Digest of its content."""
    summary: dict[str, Any]
    """Clips, frames, glosses, signers, clips per split, and what the import met on the way."""
    created_at: datetime
    """When it was made."""


class EvaluationResponse(Sent):
    """Scores of features on a corpus by a protocol."""

    id: str
    """`evl_...`"""
    job_id: str
    """The job that made it."""
    encoder_id: str | None
    """Whose features; null for the raw pose."""
    corpus_id: str
    """On which corpus."""
    features: str
    """`encoder`, or a baseline: `untrained` or `keypoints`."""
    protocol: str
    """`knn`, `linear`, `retrieval` or `fine_tune`."""
    folds: str
    """What was left out for testing."""
    scores: dict[str, Any]
    """Top-1 and top-5, per instance and per class, or for `retrieval` recall at 1, 5 and 10 and mean average
    precision; with 95 % intervals, deviations over seeds, the number of clips and classes, and each fold's.
    One evaluation alone also has the tables `per_class` and `confusions`; lists leave them out."""
    created_at: datetime
    """When it was made."""

    @classmethod
    def in_list(cls, row: EvaluationRow) -> Self:
        """The evaluation of one row, without tables."""
        whole = cls.model_validate(row)
        return whole.model_copy(update={"scores": without_tables(whole.scores)})


class EncoderResponse(Sent):
    """A trained encoder."""

    id: str
    """`enc_...`"""
    name: str
    """Jobs take it in place of the id, meaning the newest version."""
    version: int
    """Counts from 1 within a name."""
    job_id: str
    """The job that trained or imported it."""
    corpus_id: str | None
    """What it was trained on; null where it was imported."""
    checkpoint_id: str | None
    """The checkpoint it was taken from; null where it was imported."""
    sha256: str
    """Digest of the file to download, in hexadecimal."""
    size_bytes: int
    """Size of that file."""
    created_at: datetime
    """When it was made."""
    links: dict[str, str]
    """Where to go from here."""

    @classmethod
    def of(cls, row: EncoderRow, **more: Any) -> Self:
        """The encoder of one row."""
        here = f"/v1/encoders/{row.id}"
        links = {"self": here, "download": f"{here}/download", "card": f"{here}/card"}
        own = {name: getattr(row, name) for name in EncoderResponse.model_fields if name != "links"}
        return cls(**own, links={**links, "job": f"/v1/jobs/{row.job_id}"}, **more)


class EncoderDetailResponse(EncoderResponse):
    """A trained encoder with its card and scores."""

    card: dict[str, Any]
    """What it is, how it was made, and how to use it."""
    evaluations: list[EvaluationResponse]
    """Its scores, newest first."""


class RecipeResponse(Sent):
    """A named full configuration."""

    name: str
    """Name it as `recipe` of a pretraining job."""
    summary: str
    """What it is for."""
    hardware: str
    """What it was measured on."""
    hours: str
    """How long it takes there."""
    expected: str
    """The score to expect."""
    config: dict[str, Any]
    """Every field that `overrides` may change."""

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        """One recipe."""
        return cls(
            name=recipe.config.recipe,
            summary=recipe.summary,
            hardware=recipe.hardware,
            hours=recipe.hours,
            expected=recipe.expected,
            config=recipe.config.model_dump(mode="json"),
        )


class RecipeList(Sent):
    """All recipes."""

    data: list[RecipeResponse]
    """The recipes."""


class AuditEntryResponse(Sent):
    """A request that changed something, or was refused."""

    id: str
    """`aud_...`"""
    created_at: datetime
    """When."""
    owner: str | None
    """Whose API key it came with; null where none was accepted, or looked at before the body was refused."""
    api_key_id: str | None
    """That API key."""
    action: str
    """Id of the operation, as in this document."""
    resource: str
    """What was made, or the path that was asked for."""
    request_id: str
    """The id under which the service's log knows the request."""
    status: int
    """How it was answered; 499 if the client went away before it was."""
    client_address: str | None
    """From where."""


class WorkerResponse(Sent):
    """A worker, and when it was last heard of."""

    name: str
    """Its name, as in a job's attempts."""
    host: str
    """The machine it runs on."""
    process_id: int
    """Its process there."""
    busy: bool
    """Whether it has a job."""
    job_id: str | None
    """Its job, if that is yours."""
    seen_at: datetime
    """When it last reported."""
    device: str
    """`cuda`, or `cpu`, whose devices are its cores."""
    num_devices: int
    """How many a job may use."""
    capabilities: dict[str, Any]
    """Names, memory and versions."""

    @classmethod
    def of(cls, row: WorkerRow, job: JobRow | None, owner: str) -> Self:
        """The worker of one row with the job it holds, as `owner` may see it."""
        return cls(
            name=row.name,
            host=row.host,
            process_id=row.process_id,
            busy=job is not None,
            job_id=job.id if job is not None and job.owner == owner else None,
            seen_at=row.seen_at,
            device=row.device,
            num_devices=row.num_devices,
            capabilities=row.capabilities,
        )


class WorkerList(Sent):
    """All workers."""

    data: list[WorkerResponse]
    """The workers."""


class HealthResponse(Sent):
    """The process is up."""

    status: Literal["ok"] = "ok"
    """Always `ok`."""


class Check(Sent):
    """Whether one thing the service needs is there."""

    ok: bool
    """Whether it is."""
    detail: str
    """What was looked at, and what to do where it is not."""


class ReadyResponse(Sent):
    """Whether the service can take and run jobs."""

    ready: bool
    """Whether every check is ok."""
    checks: dict[str, Check]
    """`database`, `migrations`, `broker` and `storage`."""
