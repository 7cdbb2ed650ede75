"""Job specifications: one frozen, closed, torch-free type per kind of job.

The same object is the HTTP body, the job record and, resolved, the checkpoint's metadata.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from core.config import (
    Closed,
    EngineName,
    FileName,
    Fraction,
    Name,
    Positive,
    Precision,
    Real,
    Reference,
    Seed,
    Switch,
)

SourceFormat = Literal[
    "coco_wholebody_133",
    "mediapipe_holistic",
    "mp_data",
    "pose_format",
    "openpose_json",
    "mmpose_json",
    "mediapipe_tasks",
    "asl_signs",
]
"""The layouts that an import can read (docs/formats.md)."""

WantedFormat = Literal["auto", SourceFormat]
"""A layout that a source must have; `auto` looks and decides."""


class SplitConfig(Closed):
    """How clips are divided into train and test."""

    by: Literal["given", "signer", "session", "random"] = "given"
    """`given`: as the source says (all `train` where it says nothing); `signer`, `session`: whole signers
    or sessions go to test; `random`: stratified by label."""
    test: tuple[Name, ...] = ()
    """Signers or sessions that go to test, by name."""
    test_fraction: Fraction = 0.2
    """Share that goes to test where `test` is empty."""
    seed: Seed = 0
    """Seed of the draw."""
    allow_overlap: Switch = False
    """Accept a split with one signer or one clip on both sides. Scores on it are inflated; a random split
    of a corpus with named signers always has this, and is refused without it."""


class ImportSpec(Closed):
    """Read pose files, normalise them and pack them into a corpus."""

    kind: Literal["import"] = "import"
    name: FileName
    """Name of the new corpus; no slashes."""
    source: Reference
    """An upload's id (`upl_...`), or a file or folder below a configured corpus root."""
    format: WantedFormat = "auto"
    """How the source is laid out; `auto` looks and decides."""
    profile: Literal["wlasl", "msasl", "slr500", "nmfs_csl"] = "wlasl"
    """Whose confidence thresholds normalisation uses."""
    image_width: Positive | None = None
    """Frame width in pixels, where the source does not say."""
    image_height: Positive | None = None
    """Frame height in pixels, where the source does not say."""
    split: SplitConfig = SplitConfig()
    """Division into train and test."""


class ClipSelection(Closed):
    """Which clips of a corpus to use."""

    splits: tuple[Name, ...] = ()
    """Only these splits; empty means all."""
    signers: tuple[Name, ...] = ()
    """Only these signers; empty means all."""
    exclude_signers: tuple[Name, ...] = ()
    """Not these signers."""
    exclude_labels: tuple[Name, ...] = ()
    """Not these glosses."""


class PretrainSpec(Closed):
    """Pretrain an encoder on a corpus; labels are not looked at."""

    kind: Literal["pretrain"] = "pretrain"
    name: FileName = "encoder"
    """Name of the encoder to make, without slashes; names get versions."""
    corpus: Reference
    """A corpus' id (`cor_...`) or name; without the service, the path of a packed corpus."""
    recipe: Name = "stc"
    """A recipe's name (see `/v1/recipes`)."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Fields of the recipe to change, nested as in `PretrainConfig`: `{"run": {"seed": 1}}`."""
    clips: ClipSelection = ClipSelection(splits=("train",))
    """Clips to learn from."""


class EvaluateSpec(Closed):
    """Score features on a labelled corpus with a probe that changes nothing but itself."""

    kind: Literal["evaluate"] = "evaluate"
    corpus: Reference
    """A corpus' id (`cor_...`) or name; without the service, the path of a packed corpus."""
    encoder: Reference | None = None
    """An encoder's id (`enc_...`) or name; without the service, a path. Not needed for `keypoints`."""
    features: Literal["encoder", "untrained", "keypoints"] = "encoder"
    """`encoder`: its features; `untrained`: those of the same network with fresh weights; `keypoints`: the
    resampled pose itself. The latter two are baselines."""
    protocol: Literal["knn", "linear", "retrieval"] = "knn"
    """`knn`: weighted k-nearest neighbours; `linear`: logistic regression on frozen features; `retrieval`:
    each test clip searches the train clips for its own gloss (recall at 1, 5, 10; mean average precision)."""
    folds: Literal["split", "each_signer", "each_session"] = "split"
    """`split`: fit on `train`, score on `test`; the others leave one signer or session out in turn."""
    clips: ClipSelection = ClipSelection()
    """Clips that take part."""
    num_neighbours: Positive = 20
    """Neighbours of the kNN protocol."""
    temperature: Annotated[Real, Field(gt=0)] = 0.07
    """Weight of a neighbour is exp(similarity / temperature)."""
    l2_penalty: Annotated[Real, Field(ge=0)] = 1e-3
    """Penalty on the linear probe's weights (mean-loss convention)."""
    seed: Seed = 0
    """Seed of the untrained network."""
    precision: Precision = "fp32"
    """Of the encoder's products; `bf16` is faster where the device multiplies it, and moves features by about
    a hundredth. `auto` takes it there."""
    engine: EngineName = "auto"
    """How the encoder is computed: see `run.engine` of a recipe."""

    @model_validator(mode="after")
    def _an_encoder_where_one_is_needed(self) -> Self:
        if self.features != "keypoints" and self.encoder is None:
            raise ValueError(
                f"features {self.features!r} need `encoder`; name one, or set features to 'keypoints'"
            )
        return self


JobSpec = Annotated[ImportSpec | PretrainSpec | EvaluateSpec, Field(discriminator="kind")]
"""What a job is asked to do."""
