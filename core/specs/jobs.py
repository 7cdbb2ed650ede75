"""Job specifications: one frozen pydantic model per kind of job. This module does not import torch.

The same object is the HTTP body, the job record and, resolved, the checkpoint's metadata. What the service
does with each kind is declared in `core/jobs/kinds.py`.
"""

from typing import Annotated, Literal, Self

from pydantic import FailFast, Field, model_validator

from core.specs.archive_encodings import ArchiveEncoding
from core.specs.fields import (
    Closed,
    EngineName,
    FileName,
    JsonObject,
    Name,
    Names,
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
from core.specs.finding_codes import FindingCode
from core.specs.fine_tuning import FineTuneConfig
from core.specs.overrides_schema import OverridesSchema
from core.specs.source_formats import ColumnRole, ProfileName, Sides, VectorPart, WantedFormat

# Choices that are also command-line options; the fields of these types explain them.
SplitBy = Literal["given", "signer", "session", "random"]
Features = Literal["encoder", "untrained", "keypoints"]
Protocol = Literal["knn", "linear", "dictionary", "retrieval", "fine_tune"]
Folds = Literal["split", "each_signer", "each_session"]
AuditedFolds = Literal[Folds, "random"]


DEFAULT_RECIPE = "signforge"
"""It trains in minutes without a GPU; `stc` needs GPUs and days. Stored jobs name theirs, also by default."""


class JobSpec(Closed):
    """Base class of job specifications; each kind of job has a subclass with its own `kind`."""

    kind: str


class SplitConfig(Closed):
    """How clips are divided into train and test."""

    by: SplitBy = "given"
    """`given`: the split in the source, or all `train` if the source has none. `signer`, `session`: whole
    signers or sessions are held out for test. `random`: random clips, stratified by label."""
    test: Names = ()
    """Names of the signers or sessions in the test split."""
    test_fraction: ProperFraction = 0.2
    """Fraction that is drawn for the test split if `test` is empty."""
    seed: Seed = 0
    """Random seed of the draw."""
    allow_overlap: Switch = False
    """Accept a split in which a signer or a clip is in both train and test. Scores on such a split are
    inflated. A random split of a corpus with named signers always overlaps, so it needs this option."""

    @model_validator(mode="after")
    def _test_is_of_signers_or_sessions(self) -> Self:
        if self.test and self.by not in ("signer", "session"):
            raise ValueError(
                f"split.test (--test) is {', '.join(map(repr, self.test))}, but split.by (--split-by) is "
                f"{self.by!r}; set split.by to 'signer' or 'session', or leave split.test empty"
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
    """Format of the source; `auto` detects it."""
    profile: ProfileName | None = None
    """Benchmark whose confidence thresholds are used for normalisation. The default is the benchmark of the
    source, or WLASL if the source is not a benchmark."""
    image_width: Positive | None = None
    """Frame width in pixels. It is used even if the files state another size, except for benchmarks."""
    image_height: Positive | None = None
    """Frame height in pixels, likewise."""
    override_image_size: Switch = False
    """For benchmarks: use `image_width` and `image_height` even if the source states another size, as loaders
    with a hard-coded size do."""
    benchmark_classes: Positive | None = None
    """For benchmarks: import only the first N classes (WLASL 100, 300, 1000; MS-ASL 100, 200, 500)."""
    exclude_clips: Names = ()
    """For benchmarks: names of clips to exclude."""
    exclude_train_positions: Annotated[tuple[Position, ...], FailFast()] = ()
    """For benchmarks: clips to exclude, by their index in the training list of the selected classes, counted
    from 0."""
    drop_last_frame: Switch = False
    """For benchmarks: drop the last frame of each video. Some loaders do so because they count one frame too
    few."""
    unmirror_frames: Switch = False
    """Undo the mirroring of frames that were flipped before pose estimation: x becomes width - x, and left
    and right hands and arms are swapped."""
    sides: Sides = "as_stored"
    """Which points are left: `exchange_hands` exchanges the left and the right hand, `exchange_all` also the
    arms. Positions stay as they are."""
    part_order: Annotated[tuple[VectorPart, ...], FailFast()] = ()
    """Format `mp_data`: the order of the parts in a frame's vector, if it is not pose, face, left hand, right
    hand. A face that the vectors lack may be named or not."""
    labels: Name | None = None
    """Table of labels in the source: its path in the source, or its name. The default is `labels.csv`."""
    columns: dict[ColumnRole, Name] = Field(default_factory=dict)
    """Names of the table's columns, if they are not the usual ones: `{"clip": "id", "gloss": "text"}`."""
    archive_encoding: ArchiveEncoding | None = None
    """Encoding of file names in an archive that does not state it. By default it is guessed, and the import
    is refused if several are possible."""
    accept: Annotated[tuple[FindingCode, ...], FailFast()] = ()
    """Codes of findings for which the import is not refused (docs/reference/findings.md)."""
    split: SplitConfig = SplitConfig()
    """Train/test split."""

    @model_validator(mode="after")
    def _whole_options(self) -> Self:
        sides = {"width": self.image_width, "height": self.image_height}
        missing = [f"image_{side} (--image-{side})" for side, pixels in sides.items() if pixels is None]
        if len(missing) == 1:
            raise ValueError(f"{missing[0]} is missing; give both width and height, or neither")
        if missing and self.override_image_size:
            raise ValueError(
                f"override_image_size (--override-image-size) needs {' and '.join(missing)}; give both, or "
                "omit override_image_size"
            )
        if self.part_order and (
            len(set(self.part_order)) < len(self.part_order)
            or not {"pose", "left_hand", "right_hand"} <= set(self.part_order)
        ):
            raise ValueError(
                f"part_order (--part-order) is {','.join(self.part_order)}; name pose, left_hand, "
                "right_hand, and face if there is one, each once"
            )
        if self.columns and "clip" not in self.columns:
            raise ValueError(
                f"columns (--columns) states {', '.join(self.columns)}, but not which column names the clip; "
                "add clip=COLUMN"
            )
        if min(self.image_width or 2, self.image_height or 2) < 2:
            raise ValueError(
                f"the frame size {self.image_width} x {self.image_height} pixels is below 2 x 2; give the "
                "true size"
            )
        return self


class ImportEncoderSpec(JobSpec):
    """Convert a checkpoint of the paper's released code into an encoder."""

    kind: Literal["import_encoder"] = "import_encoder"
    name: FileName
    """Name of the new encoder, without slashes. A name that exists gets a new version."""
    source: Reference
    """An upload's id (`upl_...`), or a file below a configured corpus root. Only weights are read; no code in
    the file is run."""


class ClipSelection(Closed):
    """Which clips of a corpus to use."""

    splits: Names = ()
    """Use only these splits; empty means all."""
    signers: Names = ()
    """Use only these signers; empty means all."""
    exclude_signers: Names = ()
    """Exclude these signers."""
    exclude_labels: Names = ()
    """Exclude these glosses."""


class PretrainSpec(JobSpec):
    """Pretrain an encoder on a corpus, without labels."""

    kind: Literal["pretrain"] = "pretrain"
    name: FileName = "encoder"
    """Name of the new encoder, without slashes. A name that exists gets a new version."""
    corpus: Reference
    """A corpus' id (`cor_...`) or name; without the service, the path of a packed corpus."""
    recipe: Name = DEFAULT_RECIPE
    """A recipe's name (see `/v1/recipes`)."""
    overrides: Annotated[JsonObject, OverridesSchema()] = Field(default_factory=dict)
    """Recipe fields to override, nested as in `PretrainConfig`: `{"run": {"seed": 1}}`."""
    clips: ClipSelection = ClipSelection(splits=("train",))
    """Clips to train on."""


class EvaluateSpec(JobSpec):
    """Evaluate features on a labelled corpus: with a probe on the frozen encoder, or by fine-tuning a copy of
    it (docs/reference/protocols.md)."""

    kind: Literal["evaluate"] = "evaluate"
    corpus: Reference
    """A corpus' id (`cor_...`) or name; without the service, the path of a packed corpus."""
    encoder: Reference | None = None
    """An encoder's id (`enc_...`) or name; without the service, a path. Not needed for `keypoints`."""
    features: Features = "encoder"
    """`encoder`: features of the encoder. `untrained`: features of the same network with random weights.
    `keypoints`: the resampled pose itself. The latter two are baselines."""
    protocol: Protocol = "knn"
    """`knn`: weighted k-nearest neighbours. `linear`: linear probe (logistic regression on frozen features).
    `dictionary`: each test clip ranks all glosses by their nearest train clip; test signers must not be in
    train. `retrieval`: each test clip is a query for train clips of its gloss (recall at k; mean average
    precision). `fine_tune`: a copy of the whole encoder is trained with a classifier, from the start for each
    fold and seed."""
    folds: Folds = "split"
    """`split`: fit on `train`, score on `test`. `each_signer`, `each_session`: leave-one-out
    cross-validation over signers or sessions."""
    clips: ClipSelection = ClipSelection()
    """Clips to evaluate with."""
    test_corpus: Reference | None = None
    """Another corpus to score on (id or name; without the service, a path). The probe is fitted on `clips`
    and scored on `test_clips`, on the glosses with the same name in both corpora. Only with folds `split`."""
    test_clips: ClipSelection = ClipSelection()
    """Clips of `test_corpus` to score on."""
    train_on_val: Switch = False
    """With folds `split`: also fit on the split `val`, as some benchmarks' published protocols do. Otherwise
    fine-tuning selects its epoch on `val`, and the other protocols do not use it."""
    allow_identical_clips: Switch = False
    """Accept folds in which two of train, val and test contain an identical clip. Scores on such folds are
    inflated. Without this option the job is rejected."""
    label_fraction: Annotated[Real, Field(gt=0, le=1)] = 1.0
    """Fraction of labels to use: drawn from the training clips of each gloss (also from `val`), by `seed`."""
    labels_per_gloss: Positive | None = None
    """Number of training clips per gloss whose labels are used, instead of `label_fraction`. A gloss with
    fewer clips uses all of them."""
    every_gloss: Switch = True
    """With `label_fraction`, keep at least one clip of each gloss. If off, rare glosses may have none."""
    num_seeds: Annotated[Whole, Field(ge=1, le=100)] = 1
    """Number of repetitions, with `seed`, `seed` + 1 and so on; means and standard deviations are
    reported."""
    fine_tune: FineTuneConfig = FineTuneConfig()
    """Settings of the protocol `fine_tune`."""
    num_neighbours: Positive = 20
    """Number of neighbours (k) of the kNN protocol."""
    temperature: Annotated[Real, Field(gt=0)] = 0.07
    """Temperature of the kNN protocol: the weight of a neighbour is exp(similarity / temperature)."""
    l2_penalty: Annotated[Real, Field(ge=0)] = 1e-3
    """L2 penalty on the linear probe's weights (mean-loss convention)."""
    seed: Seed = 0
    """Random seed of the untrained network, of the choice of labels, and of fine-tuning."""
    precision: Precision = "fp32"
    """Precision of the encoder's matrix products. `bf16` is faster on devices with bf16 instructions and
    changes features by about 0.01. `auto` uses bf16 on such devices if the network is wide enough to gain."""
    engine: EngineName = "auto"
    """Implementation that computes the encoder: see `run.engine` of a recipe."""

    @model_validator(mode="after")
    def _an_encoder_where_one_is_needed(self) -> Self:
        if self.features != "keypoints" and self.encoder is None:
            raise ValueError(
                f"features {self.features!r} need `encoder`, which is missing; set it, or set features to "
                "'keypoints'"
            )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.protocol == "fine_tune" and self.features == "keypoints":
            raise ValueError(
                "protocol 'fine_tune' trains a network, but features is 'keypoints'; set features to "
                "'encoder', or to 'untrained' to train from scratch"
            )
        if self.label_fraction < 1 and self.labels_per_gloss is not None:
            raise ValueError("label_fraction and labels_per_gloss cannot be combined; set only one of them")
        if self.num_seeds > 1 and not self.draws:
            raise ValueError(
                f"num_seeds is {self.num_seeds}, but this evaluation draws nothing at random, so every seed "
                "gives the same scores; set num_seeds to 1 (bootstrap intervals are reported anyway), or use "
                "fewer labels"
            )
        if self.folds != "split" and (self.test_corpus is not None or self.train_on_val):
            field = "train_on_val" if self.test_corpus is None else "test_corpus"
            raise ValueError(f"{field} needs folds 'split', but folds is {self.folds!r}; change one of them")
        if self.test_corpus is None and self.test_clips != ClipSelection():
            raise ValueError(
                "test_clips selects clips of test_corpus, which is missing; set it, or omit test_clips"
            )
        return self

    @property
    def draws(self) -> bool:
        """Whether the evaluation depends on the seed."""
        fewer_labels = self.label_fraction < 1 or self.labels_per_gloss is not None
        return self.protocol == "fine_tune" or self.features == "untrained" or fewer_labels


class LeakAuditSpec(JobSpec):
    """Check a corpus for data leakage that inflates scores: copies, shared signers, posture."""

    kind: Literal["leak_audit"] = "leak_audit"
    corpus: Reference
    """A corpus' id (`cor_...`) or name; without the service, the path of a packed corpus."""
    folds: AuditedFolds = "split"
    """The sets of clips to compare. `split`: every pair of the corpus' splits. `each_signer`,
    `each_session`: each signer or session against the others. `random`: the two sides of a random split."""
    test_fraction: ProperFraction = 0.2
    """Fraction of clips in the test side of a random split."""
    clips: ClipSelection = ClipSelection()
    """Clips to audit."""
    copy_distance: Annotated[Real, Field(ge=0)] = 0.06
    """Distance threshold below which two clips count as copies of one recording: root mean square distance of
    the aligned points, divided by the spread of their body part. Noise of 0.5 % of the image gives 0.05,
    another take 0.07 or more."""
    probe_glosses: Annotated[Whole, Field(ge=2)] = 100
    """Largest number of glosses to probe posture on; of more, this many are drawn at random."""
    seed: Seed = 0
    """Random seed of the random split and of the glosses to probe."""
