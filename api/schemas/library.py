"""Response bodies about uploads, corpora, encoders, evaluations, recipes, workers, audits and health."""

from datetime import datetime
from typing import Any, Literal, Self

from api.schemas.base import Sent
from core.jobs.tables.artifacts import EncoderRow, EvaluationRow, without_tables
from core.jobs.tables.jobs import JobRow, WorkerRow
from core.specs.pretraining import PretrainConfig
from core.specs.recipes import Recipe


class UploadResponse(Sent):
    """An uploaded file, ready to be imported."""

    id: str
    """`upl_...`. Use it as `source` of an import."""
    filename: str
    """Name of the file."""
    size_bytes: int
    """Size of the file."""
    sha256: str
    """Digest of the file, in hexadecimal."""
    created_at: datetime
    """When the upload was complete."""


class CorpusResponse(Sent):
    """A packed corpus."""

    id: str
    """`cor_...`"""
    name: str
    """Name of the corpus, unique among your corpora. Jobs accept it instead of the id."""
    job_id: str
    """The job that imported the corpus."""
    digest: str
    """Digest of the corpus's content."""
    summary: dict[str, Any]
    """Clips, frames, glosses, signers, clips per split, and the import's report of problems."""
    created_at: datetime
    """When the corpus was created."""


class EvaluationResponse(Sent):
    """Scores of an encoder or baseline on a corpus by one protocol."""

    id: str
    """`evl_...`"""
    job_id: str
    """The job that made the evaluation."""
    encoder_id: str | None
    """The evaluated encoder. Null for the `keypoints` baseline, which is the raw pose."""
    corpus_id: str
    """The corpus it was evaluated on."""
    features: str
    """`encoder`, or a baseline: `untrained` or `keypoints`."""
    protocol: str
    """`knn`, `linear`, `dictionary`, `retrieval` or `fine_tune`."""
    folds: str
    """What each cross-validation fold holds out for testing."""
    scores: dict[str, Any]
    """Top-1, top-5, top-10 and top-20 accuracy, mean reciprocal rank and DCG, per instance and per class. For
    `retrieval`: recall at 1, 5, 10 and 20, mean reciprocal rank and mean average precision. A k that all
    ranks reach is left out. Each with 95 % confidence intervals, standard deviations across seeds, the number
    of clips and classes, and the scores of each fold. A single evaluation also has the tables `per_class`,
    `per_signer`, `per_clip` (the rank of each test clip's gloss) and `confusions`, which lists omit."""
    created_at: datetime
    """When it was made."""

    @classmethod
    def of(cls, row: EvaluationRow) -> Self:
        """The response body of one row, with all tables. The row's session must be open."""
        return cls.model_validate(row).model_copy(update={"scores": row.all_scores})

    @classmethod
    def in_list(cls, row: EvaluationRow) -> Self:
        """The response body of one row, without tables."""
        whole = cls.model_validate(row)
        return whole.model_copy(update={"scores": without_tables(whole.scores)})


class EncoderResponse(Sent):
    """A trained encoder."""

    id: str
    """`enc_...`"""
    name: str
    """Name of the encoder. Jobs accept it instead of the id, for the newest version."""
    version: int
    """Version within the name, from 1."""
    job_id: str
    """The job that trained or imported the encoder."""
    corpus_id: str | None
    """The corpus it was trained on. Null if it was imported."""
    checkpoint_id: str | None
    """The checkpoint it was exported from. Null if it was imported."""
    sha256: str
    """Digest of the file to download, in hexadecimal."""
    size_bytes: int
    """Size of that file."""
    created_at: datetime
    """When the encoder was created."""
    links: dict[str, str]
    """URLs of related resources."""

    @classmethod
    def of(cls, row: EncoderRow, **more: Any) -> Self:
        """The response body of one row."""
        here = f"/v1/encoders/{row.id}"
        links = {"self": here, "download": f"{here}/download", "card": f"{here}/card"}
        own = {name: getattr(row, name) for name in EncoderResponse.model_fields if name != "links"}
        return cls(**own, links={**links, "job": f"/v1/jobs/{row.job_id}"}, **more)


class EncoderDetailResponse(EncoderResponse):
    """A trained encoder with its card and scores."""

    card: dict[str, Any]
    """The encoder's card: what it is, how it was trained, and how to use it."""
    evaluations: list[EvaluationResponse]
    """The encoder's scores, newest first."""


class RecipeResponse(Sent):
    """A recipe: a named full configuration of pretraining."""

    name: str
    """Name of the recipe. Use it as `recipe` of a pretraining job."""
    summary: str
    """Purpose of the recipe."""
    hardware: str
    """Hardware on which it was measured."""
    hours: str
    """Duration on that hardware."""
    expected: str
    """The score to expect."""
    config: PretrainConfig
    """Every field that `overrides` may change."""

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        """The response body of one recipe."""
        return cls(
            name=recipe.config.recipe,
            summary=recipe.summary,
            hardware=recipe.hardware,
            hours=recipe.hours,
            expected=recipe.expected,
            config=recipe.config,
        )


class RecipeList(Sent):
    """All recipes."""

    data: list[RecipeResponse]
    """The recipes."""


class AuditEntryResponse(Sent):
    """A changing request, successful or refused."""

    id: str
    """`aud_...`"""
    created_at: datetime
    """When the request was handled."""
    owner: str | None
    """Owner of the request's API key. Null if no key was accepted, or if the request was refused before its
    key was checked."""
    api_key_id: str | None
    """Id of that API key."""
    action: str
    """`operationId` in this document."""
    resource: str
    """The created resource, or the path of the request."""
    request_id: str
    """Id of the request in the service's log."""
    status: int
    """HTTP status of the response. 499 if the client disconnected before it."""
    client_address: str | None
    """IP address of the client."""


class WorkerResponse(Sent):
    """A worker, its devices and its last heartbeat."""

    name: str
    """Name of the worker, as in a job's attempts."""
    host: str
    """Host name of its machine."""
    process_id: int
    """Id of its process on that machine."""
    busy: bool
    """Whether it runs a job."""
    job_id: str | None
    """The job it runs. Null if it is idle or the job is not yours."""
    seen_at: datetime
    """Time of its last heartbeat."""
    device: str
    """`cuda` or `cpu`. The devices of `cpu` are its cores."""
    num_devices: int
    """Number of devices that a job may use."""
    capabilities: dict[str, Any]
    """Device names, memory, software versions, and the job kinds that it knows."""

    @classmethod
    def of(cls, row: WorkerRow, job: JobRow | None, owner: str) -> Self:
        """The response body of one row. The job that the worker holds is included if `owner` owns it."""
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
    """The API process is up."""

    status: Literal["ok"] = "ok"
    """Always `ok`."""
    version: str
    """Version of signforge that the API runs."""


class Check(Sent):
    """Result of one readiness check."""

    ok: bool
    """Whether the check passed."""
    detail: str
    """The result in words, with the setting to correct if it failed."""


class ReadyResponse(Sent):
    """Whether the service can take and run jobs."""

    ready: bool
    """Whether every check passed."""
    checks: dict[str, Check]
    """`database`, `migrations`, `broker` and `storage`."""
