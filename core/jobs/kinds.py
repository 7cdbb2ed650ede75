"""The registry of job kinds. All other lists of kinds are derived from it when they are needed.

A new kind needs a specification, a program and one `register(JobKind(...))`. Processes of the service must
register it before they start: the API, the workers, their supervisors and the command line. A worker claims
only jobs of kinds that it knows.
"""

from collections.abc import Mapping
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from core.errors import SpecError
from core.jobs.job_kind import Artifact, Example, JobKind, RefersTo, Resolution
from core.specs.import_jobs import ImportEncoderSpec, ImportSpec
from core.specs.jobs import EvaluateSpec, JobSpec, LeakAuditSpec, PretrainSpec
from core.specs.near_names import hint
from core.specs.recipes import resolve, spell_out

_UPLOAD = "upl_019e3c0a5b8c7d21a4f60b7c9d1e2f30"


def _scored(spec: Mapping[str, Any]) -> str:
    """An evaluation is called after its protocol and what that scores."""
    scored = spec["encoder"] if spec["features"] == "encoder" else spec["features"]
    return f"{spec['protocol']} of {scored}"


IMPORT = JobKind(
    spec_type=ImportSpec,
    program="core.corpora.importing",
    noun="import",
    makes=Artifact.CORPUS,
    references={"source": RefersTo(Artifact.UPLOAD)},
    examples={
        "import": Example(
            "Pack an uploaded file into a corpus",
            {
                "name": "my-signs",
                "source": _UPLOAD,
                "format": "mediapipe_holistic",
                "split": {"by": "signer", "test_fraction": 0.25},
            },
        )
    },
)
PRETRAIN = JobKind(
    spec_type=PretrainSpec,
    program="core.training.pretrain",
    noun="pretraining",
    makes=Artifact.ENCODER,
    references={
        "corpus": RefersTo(Artifact.CORPUS, clips="clips"),
        "also": RefersTo(Artifact.CORPUS, clips="clips", of_each="corpus"),
        "start": RefersTo(Artifact.ENCODER),
    },
    resolution=Resolution(resolve, spell_out, estimate="api.submission.estimates:estimate"),
    examples={
        "pretrain": Example(
            "Pretrain a small encoder, with another seed than the recipe's",
            {
                "name": "my-encoder",
                "corpus": "my-signs",
                "recipe": "smoke",
                "overrides": {"run": {"seed": 1}},
            },
        )
    },
)
EVALUATE = JobKind(
    spec_type=EvaluateSpec,
    program="core.evaluation.evaluate",
    noun="evaluation",
    makes=Artifact.EVALUATION,
    references={
        "corpus": RefersTo(Artifact.CORPUS, clips="clips"),
        "test_corpus": RefersTo(Artifact.CORPUS, clips="test_clips", shares_glosses_with="corpus"),
        "encoder": RefersTo(Artifact.ENCODER),
    },
    title=_scored,
    examples={
        "evaluate": Example(
            "Score it with weighted k-nearest neighbours",
            {"corpus": "my-signs", "encoder": "my-encoder", "protocol": "knn"},
        ),
        "fine_tune": Example(
            "Fine-tune it with five labels per gloss, under three seeds",
            {
                "corpus": "my-signs",
                "encoder": "my-encoder",
                "protocol": "fine_tune",
                "labels_per_gloss": 5,
                "num_seeds": 3,
            },
        ),
    },
)
IMPORT_ENCODER = JobKind(
    spec_type=ImportEncoderSpec,
    program="core.exchange.importing",
    noun="encoder import",
    makes=Artifact.ENCODER,
    references={"source": RefersTo(Artifact.UPLOAD)},
    examples={
        "import_encoder": Example(
            "Make an encoder of an uploaded file, such as a checkpoint of the paper's released code",
            {"name": "released", "source": _UPLOAD},
        )
    },
)
LEAK_AUDIT = JobKind(
    spec_type=LeakAuditSpec,
    program="core.evaluation.leak_audit.run",
    noun="leak audit",
    references={"corpus": RefersTo(Artifact.CORPUS, clips="clips")},
    examples={
        "leak_audit": Example(
            "Look for leaks between signers left out in turn",
            {"corpus": "my-signs", "folds": "each_signer"},
        )
    },
)

KINDS: dict[str, JobKind] = {
    kind.name: kind for kind in (IMPORT, PRETRAIN, EVALUATE, IMPORT_ENCODER, LEAK_AUDIT)
}
"""By name."""


def register(kind: JobKind) -> None:
    """Add a kind of job to this process.

    Raises:
        ValueError: there is one of that name, or one of its examples has a name that is taken.
    """
    if kind.name in KINDS:
        raise ValueError(f"There is a kind of job {kind.name!r} already; give this one another name.")
    taken = {name for known in KINDS.values() for name in known.examples}
    if doubled := sorted(taken.intersection(kind.examples)):
        raise ValueError(
            f"There is an example {doubled[0]!r} already; give that of {kind.name!r} another name."
        )
    KINDS[kind.name] = kind


def find(name: str) -> JobKind:
    """Return the kind of job called `name`.

    Raises:
        SpecError: there is none; the message lists those there are.
    """
    if name not in KINDS:
        raise SpecError(
            f"There is no kind of job {name!r}.{hint(name, KINDS, list_all=True)}", pointer="/kind"
        )
    return KINDS[name]


def programs() -> dict[str, str]:
    """Kind of job -> module that does it."""
    return {name: kind.program for name, kind in KINDS.items()}


def makers(artifact: Artifact) -> list[str]:
    """The kinds of job that make such artifacts."""
    return [name for name, kind in KINDS.items() if kind.makes == artifact]


def fields_referring_to(artifact: Artifact) -> dict[str, bool]:
    """The fields of specifications, of whatever kind, that refer to such artifacts, and which are lists."""
    return {
        field: reference.of_each is not None
        for kind in KINDS.values()
        for field, reference in kind.references.items()
        if reference.to == artifact
    }


def title_of(kind: str, spec: Mapping[str, Any]) -> str:
    """What lists call a job; its kind, if this process does not know that."""
    return KINDS[kind].title_of(spec) if kind in KINDS else kind


def spec_adapter() -> TypeAdapter[JobSpec]:
    """Reads specifications of all kinds, which `kind` tells apart."""
    return _adapter(tuple(kind.spec_type for kind in KINDS.values()))


@cache
def _adapter(types: tuple[type[JobSpec], ...]) -> TypeAdapter[JobSpec]:
    union: Any = reduce(or_, types)
    return TypeAdapter(Annotated[union, Field(discriminator="kind")])
