"""Job specifications: one frozen, closed, torch-free type per kind of job.

The same object is the HTTP body, the job record and, resolved, the checkpoint's metadata. What the service
does with each kind is declared in `core/jobs/kinds.py`.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from core.specs.fields import (
    Closed,
    EngineName,
    FileName,
    Name,
    Position,
    Positive,
    Precision,
    ProperFraction,
    Real,
    Reference,
    Seed,
    Switch,
    Whole,
)
from core.specs.fine_tuning import FineTuneConfig

SourceFormat = Literal[
    "coco_wholebody_133",
    "mediapipe_holistic",
    "mp_data",
    "pose_format",
    "openpose_json",
    "mmpose_json",
    "mediapipe_tasks",
    "asl_signs",
    "pose_pickle",
    "benchmark_lists",
    "wlasl",
    "msasl",
    "nla_slr",
    "dsta_slr",
    "uni_sign",
]
"""The layouts that an import can read (docs/reference/formats.md)."""

WantedFormat = Literal["auto", SourceFormat]
"""A layout that a source must have; `auto` looks and decides."""

# Choices that the command line offers too; the fields that take them explain them.
SplitBy = Literal["given", "signer", "session", "random"]
ProfileName = Literal["wlasl", "msasl", "slr500", "nmfs_csl"]
Features = Literal["encoder", "untrained", "keypoints"]
Protocol = Literal["knn", "linear", "retrieval", "fine_tune"]
Folds = Literal["split", "each_signer", "each_session"]
AuditedFolds = Literal[Folds, "random"]


class JobSpec(Closed):
    """What a job is asked to do; each kind of job has a subclass with its own `kind`."""

    kind: str


class SplitConfig(Closed):
    """How clips are divided into train and test."""

    by: SplitBy = "given"
    """`given`: as the source says (all `train` where it says nothing); `signer`, `session`: whole signers
    or sessions go to test; `random`: stratified by label."""
    test: tuple[Name, ...] = ()
    """Signers or sessions that go to test, by name."""
    test_fraction: ProperFraction = 0.2
    """Share that goes to test where `test` is empty."""
    seed: Seed = 0
    """Seed of the draw."""
    allow_overlap: Switch = False
    """Accept a split with one signer or one clip on both sides. Scores on it are inflated; a random split
    of a corpus with named signers always has this, and is refused without it."""

    @model_validator(mode="after")
    def _test_is_of_signers_or_sessions(self) -> Self:
        if self.test and self.by not in ("signer", "session"):
            raise ValueError(
                f"split.test (--test) names {', '.join(map(repr, self.test))}, but split.by (--split-by) is "
                f"{self.by!r}; set it to 'signer' or 'session', or leave split.test empty"
            )
        return self


class ImportSpec(JobSpec):
    """Read pose files, normalise them and pack them into a corpus."""

    kind: Literal["import"] = "import"
    name: FileName
    """Name of the new corpus; no slashes."""
    source: Reference
    """An upload's id (`upl_...`), or a file or folder below a configured corpus root."""
    format: WantedFormat = "auto"
    """How the source is laid out; `auto` looks and decides."""
    profile: ProfileName | None = None
    """Whose confidence thresholds normalisation uses; without it those of the benchmark that the source is
    from, and of WLASL where it is from none."""
    image_width: Positive | None = None
    """Frame width in pixels, where the source does not say."""
    image_height: Positive | None = None
    """Frame height in pixels, where the source does not say."""
    override_image_size: Switch = False
    """For benchmarks: use `image_width` and `image_height` even where the source states another size, as
    loaders with a hard-coded size do."""
    benchmark_classes: Positive | None = None
    """For benchmarks: only the first so many classes (WLASL 100, 300, 1000; MS-ASL 100, 200, 500)."""
    exclude_clips: tuple[Name, ...] = ()
    """For benchmarks: clips to leave out, by name."""
    exclude_train_positions: tuple[Position, ...] = ()
    """For benchmarks: clips to leave out, by their place in the training list of the chosen classes; the
    first is at 0."""
    drop_last_frame: Switch = False
    """For benchmarks: leave out each video's last frame, as loaders do that count frames one short."""
    unmirror_frames: Switch = False
    """The frames were mirrored before keypoints were looked for: undo it. x becomes width - x, and left and
    right hands and arms exchange their names."""
    split: SplitConfig = SplitConfig()
    """Division into train and test."""

    @model_validator(mode="after")
    def _a_whole_frame_size(self) -> Self:
        sides = {"width": self.image_width, "height": self.image_height}
        missing = [f"image_{side} (--image-{side})" for side, pixels in sides.items() if pixels is None]
        if len(missing) == 1:
            raise ValueError(f"{missing[0]} is missing; give both sides of the frame, or neither")
        if missing and self.override_image_size:
            raise ValueError(
                f"override_image_size (--override-image-size) needs {' and '.join(missing)}; give both, or "
                "leave it out"
            )
        if min(self.image_width or 2, self.image_height or 2) < 2:
            raise ValueError(
                f"a frame of {self.image_width} x {self.image_height} pixels is below 2 x 2; give its true "
                "size"
            )
        return self


class ImportEncoderSpec(JobSpec):
    """Make an encoder of a checkpoint that the paper's released code wrote."""

    kind: Literal["import_encoder"] = "import_encoder"
    name: FileName
    """Name of the encoder to make, without slashes; names get versions."""
    source: Reference
    """An upload's id (`upl_...`), or a file below a configured corpus root. Its weights are read; nothing in
    it is run."""


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


class PretrainSpec(JobSpec):
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


class EvaluateSpec(JobSpec):
    """Score features on a labelled corpus with a probe that changes nothing but itself, or fine-tune a copy
    of the encoder on it (docs/reference/protocols.md)."""

    kind: Literal["evaluate"] = "evaluate"
    corpus: Reference
    """A corpus' id (`cor_...`) or name; without the service, the path of a packed corpus."""
    encoder: Reference | None = None
    """An encoder's id (`enc_...`) or name; without the service, a path. Not needed for `keypoints`."""
    features: Features = "encoder"
    """`encoder`: its features; `untrained`: those of the same network with fresh weights; `keypoints`: the
    resampled pose itself. The latter two are baselines."""
    protocol: Protocol = "knn"
    """`knn`: weighted k-nearest neighbours; `linear`: logistic regression on frozen features; `retrieval`:
    each test clip searches the train clips for its own gloss (recall at 1, 5, 10; mean average precision);
    `fine_tune`: a copy of the whole encoder is trained with a classifier, anew for each fold and seed."""
    folds: Folds = "split"
    """`split`: fit on `train`, score on `test`; the others leave one signer or session out in turn."""
    clips: ClipSelection = ClipSelection()
    """Clips that take part."""
    test_corpus: Reference | None = None
    """Another corpus to score on (id or name; without the service, a path): fitted on `clips`, scored on
    `test_clips`, on the glosses that both corpora name alike. For folds `split` only."""
    test_clips: ClipSelection = ClipSelection()
    """Clips of `test_corpus` to score on."""
    train_on_val: Switch = False
    """With folds `split`: also fit on the split `val`, as some benchmarks' published protocols do. Otherwise
    fine-tuning chooses its epoch there, and the other protocols leave it aside."""
    allow_identical_clips: Switch = False
    """Score although the same clip stands on two sides; such scores are inflated. Refused without it."""
    label_fraction: Annotated[Real, Field(gt=0, le=1)] = 1.0
    """Share of each gloss' fitting clips whose labels are used (also of `val`), drawn by seed."""
    labels_per_gloss: Positive | None = None
    """Use the labels of so many fitting clips of each gloss instead, or of all where it has fewer."""
    every_gloss: Switch = True
    """A `label_fraction` leaves each gloss at least one clip. Off, rare glosses may have none."""
    num_seeds: Annotated[Whole, Field(ge=1, le=100)] = 1
    """Repeat with `seed`, `seed` + 1 and so on, and report means and deviations."""
    fine_tune: FineTuneConfig = FineTuneConfig()
    """For the protocol `fine_tune`."""
    num_neighbours: Positive = 20
    """Neighbours of the kNN protocol."""
    temperature: Annotated[Real, Field(gt=0)] = 0.07
    """Weight of a neighbour is exp(similarity / temperature)."""
    l2_penalty: Annotated[Real, Field(ge=0)] = 1e-3
    """Penalty on the linear probe's weights (mean-loss convention)."""
    seed: Seed = 0
    """Seed of the untrained network, of the choice of labels, and of fine-tuning."""
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

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.protocol == "fine_tune" and self.features == "keypoints":
            raise ValueError(
                "protocol 'fine_tune' trains a network; set features to 'encoder', or to 'untrained' to "
                "train from scratch"
            )
        if self.label_fraction < 1 and self.labels_per_gloss is not None:
            raise ValueError("label_fraction and labels_per_gloss exclude each other; set one of them")
        if self.num_seeds > 1 and not self.draws:
            raise ValueError(
                f"num_seeds is {self.num_seeds}, but nothing here is drawn, so every seed gives the same; "
                "set it to 1 (bootstrap intervals are there all the same), or use fewer labels"
            )
        if self.folds != "split" and (self.test_corpus is not None or self.train_on_val):
            field = "train_on_val" if self.test_corpus is None else "test_corpus"
            raise ValueError(f"{field} is for folds 'split', these are {self.folds!r}; change one of them")
        if self.test_corpus is None and self.test_clips != ClipSelection():
            raise ValueError("test_clips chooses clips of test_corpus; name one, or leave it out")
        return self

    @property
    def draws(self) -> bool:
        """Whether the seed plays a part."""
        fewer_labels = self.label_fraction < 1 or self.labels_per_gloss is not None
        return self.protocol == "fine_tune" or self.features == "untrained" or fewer_labels


class LeakAuditSpec(JobSpec):
    """Look for what makes scores on a corpus better than they are: copies, shared signers, posture."""

    kind: Literal["leak_audit"] = "leak_audit"
    corpus: Reference
    """A corpus' id (`cor_...`) or name; without the service, the path of a packed corpus."""
    folds: AuditedFolds = "split"
    """What stands on the two sides: `split`: the corpus' splits, every two of them; `each_signer` and
    `each_session`: one left out in turn, and the others; `random`: what a random split would do."""
    test_fraction: ProperFraction = 0.2
    """Share of clips that a random split tests."""
    clips: ClipSelection = ClipSelection()
    """Clips that take part."""
    copy_distance: Annotated[Real, Field(ge=0)] = 0.06
    """Two clips are one recording up to this distance of their points, laid over one another, in spreads
    of their part. Noise of half a percent of the image gives 0.05, another take 0.07 or more."""
    probe_glosses: Annotated[Whole, Field(ge=2)] = 100
    """Of more glosses, so many are drawn to probe posture on."""
    seed: Seed = 0
    """Seed of the random split and of what is drawn."""
