"""Job specifications: one frozen pydantic model per kind of job; those that import are in `import_jobs`.

The same object is the HTTP body, the job record and, resolved, the checkpoint's metadata. What the service
does with each kind is declared in `core/jobs/kinds.py`. These modules do not import torch.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.specs.fields import (
    Closed,
    EngineName,
    FileName,
    JsonObject,
    Name,
    Names,
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
from core.specs.overrides_schema import OverridesSchema

# Choices that are also command-line options; the fields of these types explain them.
Features = Literal["encoder", "untrained", "keypoints", "placed_keypoints"]
Protocol = Literal["knn", "linear", "dictionary", "retrieval", "fine_tune"]
Folds = Literal["split", "each_signer", "each_session"]
OF_KEYPOINTS = ("keypoints", "placed_keypoints")
"""Features that need no encoder."""
AuditedFolds = Literal[Folds, "random"]


DEFAULT_RECIPE = "signforge"
"""It trains in minutes without a GPU; `stc` needs GPUs and days. Stored jobs name theirs, also by default."""


class JobSpec(Closed):
    """Base class of job specifications; each kind of job has a subclass with its own `kind`."""

    kind: str


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


class MoreClips(Closed):
    """A further corpus to pretrain on."""

    corpus: Reference
    """A corpus' id (`cor_...`) or name; without the service, the path of a packed corpus."""
    clips: ClipSelection = ClipSelection(splits=("train",))
    """Clips to train on."""
    weight: Annotated[Real, Field(ge=0.001, le=1000)] = 1.0
    """How often each clip is drawn while each of the first corpus is drawn once. With 2, each comes twice in
    an epoch; with 0.5, every second one, drawn anew for each epoch."""


class PretrainSpec(JobSpec):
    """Pretrain an encoder on one corpus or several, without labels."""

    kind: Literal["pretrain"] = "pretrain"
    name: FileName = "encoder"
    """Name of the new encoder, without slashes. A name that exists gets a new version."""
    corpus: Reference
    """A corpus' id (`cor_...`) or name; without the service, the path of a packed corpus."""
    recipe: Name = DEFAULT_RECIPE
    """A recipe's name (see `/v1/recipes`)."""
    start: Reference | None = Field(default=None, exclude_if=lambda start: start is None)
    """An encoder to start from instead of random weights: its id (`enc_...`) or name; without the service, a
    path. Its network must be the recipe's; projection heads and queues start anew."""
    overrides: Annotated[JsonObject, OverridesSchema()] = Field(default_factory=dict)
    """Recipe fields to override, nested as in `PretrainConfig`: `{"run": {"seed": 1}}`."""
    clips: ClipSelection = ClipSelection(splits=("train",))
    """Clips to train on."""
    also: Annotated[tuple[MoreClips, ...], Field(max_length=100)] = Field(
        default=(), exclude_if=lambda also: not also
    )
    """Further corpora to train on, in the same batches. The quality of a run is watched on the first."""


class EvaluateSpec(JobSpec):
    """Evaluate features on a labelled corpus: with a probe on the frozen encoder, or by fine-tuning a copy of
    it (docs/reference/protocols.md)."""

    kind: Literal["evaluate"] = "evaluate"
    corpus: Reference
    """A corpus' id (`cor_...`) or name; without the service, the path of a packed corpus."""
    encoder: Reference | None = None
    """An encoder's id (`enc_...`) or name; without the service, a path. Not needed for keypoints."""
    features: Features = "encoder"
    """`encoder`: features of the encoder. `untrained`: features of the same network with random weights.
    `keypoints`: the resampled pose itself. `placed_keypoints`: the same, with each hand about its own points
    and in one size; often the stronger one, above all for hands without a body. All but the first are
    baselines."""
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
        if self.features not in OF_KEYPOINTS and self.encoder is None:
            raise ValueError(
                f"features {self.features!r} need `encoder`, which is missing; set it, or set features to "
                "'keypoints'"
            )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.protocol == "fine_tune" and self.features in OF_KEYPOINTS:
            raise ValueError(
                f"protocol 'fine_tune' trains a network, but features is {self.features!r}; set features to "
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
