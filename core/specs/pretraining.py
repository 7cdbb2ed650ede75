"""What a pretraining run consists of: frozen, closed, torch-free.

The docstring under a field is its OpenAPI description. Defaults are those of the paper's released training
code, that is, of the recipe `stc`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.specs.fields import (
    NOT_AUGMENTATION,
    Augmentation,
    Closed,
    Fraction,
    Name,
    Positive,
    Real,
    Switch,
    Whole,
)
from core.specs.run import RunConfig


class ViewConfig(Closed):
    """How a view (an augmented copy) of a clip is drawn (paper, section III-B)."""

    # Every field is marked `Augmentation` or `NOT_AUGMENTATION`, which `without_augmentation` goes by.
    num_frames: Annotated[Positive, NOT_AUGMENTATION] = 64
    """Frames of a view after the temporal resize."""
    max_source_frames: Annotated[Positive, NOT_AUGMENTATION] = 300
    """Frames of a clip beyond this are not looked at."""
    crop_fraction_min: Annotated[Real, Field(gt=0, le=1), Augmentation(off=1.0)] = 0.1
    """Least share of a clip's frames that a temporal crop keeps."""
    crop_fraction_max: Annotated[Real, Field(gt=0, le=1), Augmentation(off=1.0)] = 1.0
    """Largest share of a clip's frames that a temporal crop keeps."""
    min_crop_frames: Annotated[Positive, NOT_AUGMENTATION] = 32
    """A crop keeps at least this many frames, where the clip has them."""
    spatial_probability: Annotated[Fraction, Augmentation(off=0.0)] = 1.0
    """How often a view gets a spatial augmentation at all."""
    occlusion_probability: Annotated[Fraction, NOT_AUGMENTATION] = 0.5
    """How often the spatial augmentation is joint corruption; otherwise it is a shear."""
    num_occluded_joints: Annotated[Whole, Field(ge=0, le=49), NOT_AUGMENTATION] = 25
    """Joints corrupted together, for the whole view."""
    occlusion_zero_probability: Annotated[Fraction, NOT_AUGMENTATION] = 0.5
    """How often corrupted joints are zeroed; otherwise a random matrix multiplies them."""
    occlusion_matrix_range: Annotated[Real, Field(ge=0), NOT_AUGMENTATION] = 1.0
    """That matrix's entries are uniform in plus or minus this."""
    shear_range: Annotated[Real, Field(ge=0), NOT_AUGMENTATION] = 1.0
    """Shear coefficients are uniform in plus or minus this."""
    rotation_range: Annotated[Real, Field(ge=0), Augmentation(off=0.0)] = 0.0
    """Every view is turned by an angle uniform in plus or minus this, in radians. The paper's text says that
    views are rotated; the released code turns none."""
    scale_range: Annotated[Real, Field(ge=0, lt=1), Augmentation(off=0.0)] = 0.0
    """Every view is scaled by a factor uniform in 1 plus or minus this. As for rotation."""
    parts_move_apart: Annotated[Switch, NOT_AUGMENTATION] = False
    """Each hand and the trunk draw a rotation and a scale of their own, instead of one for all."""
    spatial_centre: Annotated[Literal["corner", "centre"], NOT_AUGMENTATION] = "corner"
    """What stays in its place when points are multiplied by matrices: the corner of the image and of a hand's
    crop, as in the released code, or their centre. Missing and zeroed joints are at (0, 0) either way."""
    hand_swap_probability: Annotated[Fraction, Augmentation(off=0.0)] = 0.5
    """How often right and left hand change places."""
    hand_swap_mirrors_trunk: Annotated[Switch, NOT_AUGMENTATION] = False
    """A swap also mirrors the trunk, which makes a left-handed signer of a right-handed one. The released
    code leaves the trunk as it is."""
    trunk_scale_range: Annotated[Real, Field(ge=0, lt=1), Augmentation(off=0.0)] = 0.0
    """The trunk is scaled about the image centre by a factor uniform in 1 plus or minus this. Not in the
    paper: it hides who is signing where, which would otherwise tell two clips apart too easily."""
    trunk_shift_range: Annotated[Real, Field(ge=0), Augmentation(off=0.0)] = 0.0
    """The trunk is shifted by this share of the image at most, along each axis. Not in the paper."""

    @model_validator(mode="after")
    def _crop_range_is_ordered(self) -> Self:
        if self.crop_fraction_min > self.crop_fraction_max:
            raise ValueError(
                f"crop_fraction_min {self.crop_fraction_min} is above "
                f"crop_fraction_max {self.crop_fraction_max}"
            )
        return self

    def without_augmentation(self) -> "ViewConfig":
        """The same views with nothing drawn: whole clips, points where they are, hands as they are."""
        fields = type(self).model_fields.items()
        marks = [(name, mark) for name, field in fields for mark in field.metadata]
        off = {name: mark.off for name, mark in marks if isinstance(mark, Augmentation)}
        return self.model_copy(update=off)


class EncoderConfig(Closed):
    """What an encoder sees, and the widths and depths of each stream's network (paper, section III-A).

    The fields from `streams` to `num_time_segments` are repairs and ablations of ours; their defaults are
    what the released code does.
    """

    streams: tuple[Literal["joint", "motion"], ...] = ("joint", "motion")
    """Streams that there are; `motion` alone or `joint` alone is an ablation."""
    motion_difference: Literal["forward", "backward"] = "forward"
    """`forward`: a frame's motion leads to the next frame, and the last is 0, as in the released code;
    `backward`: it comes from the frame before, and the first is 0, as in the paper's text."""
    trunk_origin: Literal["image", "shoulders"] = "image"
    """`image`: the trunk in fractions of the frame; `shoulders`: about the middle of the shoulders, in
    shoulder widths (means over the view), so that it does not matter where and how large a signer is."""
    missing_hands: Literal["zero", "masked"] = "zero"
    """`zero`: a hand that is not there has its points at (0, 0), which is a place, and jumps to and from it;
    `masked`: hands are seen about the centre of their crop, a missing one is there, and does not move."""
    pooled_trunk_graph: Literal["released", "repaired"] = "released"
    """`released`: arms and nose are not linked, because no node has a distance; `repaired`: they are."""
    sub_part_readout: Literal["max", "joined"] = "max"
    """How a frame's sub-parts become one feature: their maximum, or side by side, so that it is known whose
    is whose."""
    coordinate_shortcut: Switch = False
    """The frame's coordinates stand beside the sub-parts' features in the read-out."""
    num_time_segments: Positive = 1
    """Attention pools within each of so many equal segments of a view, which are then joined; 1 pools over
    the whole view, which forgets what came first."""
    input_norm_eps: Annotated[Real, Field(gt=0)] = 0.1
    """Epsilon of the input batch norm. The released code uses 0.1, every other batch norm 1e-5."""
    graph_block_widths: Annotated[tuple[Positive, ...], Field(min_length=1)] = (128, 128, 256)
    """Output channels of the graph-convolution blocks on joints."""
    pooled_block_widths: Annotated[tuple[Positive, ...], Field(min_length=1)] = (512, 512)
    """Output channels of the graph-convolution blocks on sub-parts."""
    feature_width: Annotated[Whole, Field(ge=8)] = 512
    """Channels of a part's feature, and of the hand, trunk and fused features."""
    num_temporal_blocks: Annotated[Whole, Field(ge=0)] = 2
    """Temporal-convolution blocks after the graph blocks."""
    graph_dropout: Fraction = 0.05
    """Dropout inside graph-convolution blocks."""
    output_dropout: Fraction = 0.25
    """Dropout after a part network's last 1x1 convolution."""
    num_transformer_blocks: Annotated[Whole, Field(ge=0)] = 3
    """Post-norm transformer blocks over time."""
    num_attention_heads: Positive = 8
    """Attention heads of a transformer block."""
    hand_feed_forward_width: Positive = 1536
    """Hidden width of the hand transformer's feed-forward part."""
    trunk_feed_forward_width: Positive = 1024
    """Hidden width of the trunk transformer's feed-forward part."""
    transformer_dropout: Fraction = 0.1
    """Dropout on attention, its projection and the feed-forward output."""
    projection_width: Positive = 512
    """Hidden width of a projection head."""
    embedding_width: Positive = 128
    """Width of a projected embedding."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if self.feature_width % self.num_attention_heads:
            raise ValueError(
                f"feature_width {self.feature_width} is not a multiple of num_attention_heads "
                f"{self.num_attention_heads}; change one of them"
            )
        return self

    @model_validator(mode="after")
    def _streams_are_some(self) -> Self:
        if not self.streams or len(set(self.streams)) != len(self.streams):
            raise ValueError(f"streams {list(self.streams)} must name joint or motion or both, each once")
        return self


class NeighbourConfig(Closed):
    """Agreement about the nearest past samples, from a teacher to a student (paper, eq. 5 to 9)."""

    num_neighbours: Positive
    """Past samples the teacher is most similar to, over which both are compared."""
    teacher_temperature: Annotated[Real, Field(gt=0)] = 0.05
    """Temperature of the teacher's softmax."""
    student_temperature: Annotated[Real, Field(gt=0)] = 0.1
    """Temperature of the student's softmax."""


class ContrastConfig(Closed):
    """Momentum contrast, consistency and transfer (paper, sections III-B to III-D)."""

    key_momentum: Fraction = 0.999
    """Share of its old weights that the key encoder keeps at each step."""
    fused_queue_length: Positive = 16384
    """Past fused keys kept per stream."""
    part_queue_length: Positive = 8192
    """Past hand keys, and past trunk keys, kept per stream."""
    temperature: Annotated[Real, Field(gt=0)] = 0.07
    """InfoNCE temperature."""
    consistency: NeighbourConfig = NeighbourConfig(num_neighbours=1024)
    """Hand-trunk consistency."""
    transfer: NeighbourConfig = NeighbourConfig(num_neighbours=8192)
    """Joint-motion knowledge transfer."""
    instance_spaces: Annotated[tuple[Literal["fused", "hand", "trunk"], ...], Field(min_length=1)] = (
        "fused",
        "hand",
        "trunk",
    )
    """Embedding spaces that have an InfoNCE term. The released code has all three, the paper's text hand and
    trunk."""
    consistency_between: Literal["neighbours", "channels"] = "neighbours"
    """What hand and trunk agree about: their similarities to the nearest past samples, as in the released
    code, or the channels of their embeddings, as in the paper's text (`num_neighbours` is not used then)."""
    transfer_space: Literal["fused", "hand_and_trunk"] = "fused"
    """Joint and motion agree about similarities of fused embeddings, as in the released code, or of the sums
    of hand and trunk embeddings, as in the paper's text."""
    instance_weight: Annotated[Real, Field(ge=0)] = 1.0
    """Weight of the InfoNCE terms."""
    consistency_weight: Annotated[Real, Field(ge=0)] = 1.0
    """Weight of the hand-trunk consistency terms."""
    transfer_weight: Annotated[Real, Field(ge=0)] = 1.0
    """Weight of the joint-motion transfer terms."""

    @model_validator(mode="after")
    def _neighbours_fit_the_queue(self) -> Self:
        neighbours, length = self.consistency.num_neighbours, self.part_queue_length
        if self.consistency_between == "neighbours" and neighbours > length:
            raise ValueError(
                f"consistency.num_neighbours {neighbours} is above its queue's length {length}; lower it"
            )
        return self


class OptimiserConfig(Closed):
    """How weights are moved, and the schedule (paper, section IV-B)."""

    algorithm: Literal["sgd", "adamw"] = "sgd"
    """`sgd`: stochastic gradient descent with momentum; `adamw`: AdamW, which wants a learning rate about a
    hundred times smaller."""
    learning_rate: Annotated[Real, Field(gt=0)] = 0.01
    """Learning rate after warm-up."""
    sgd_momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.9
    """Momentum of `sgd` (not of the key encoder)."""
    weight_decay: Annotated[Real, Field(ge=0)] = 1e-4
    """L2 penalty."""
    schedule: Literal["steps", "cosine"] = "steps"
    """`steps`: multiply by `decay` at each milestone; `cosine`: to zero at the last step."""
    milestones: tuple[Positive, ...] = (100,)
    """Epochs at which the learning rate is multiplied by `decay`."""
    decay: Annotated[Real, Field(gt=0, le=1)] = 0.1
    """Factor at each milestone."""
    warmup_steps: Annotated[Whole, Field(ge=0)] = 0
    """Steps over which the learning rate rises linearly from zero."""


class PretrainConfig(Closed):
    """A pretraining run, fully resolved: what a recipe is, and what a checkpoint records."""

    recipe: Name
    """The recipe it started from."""
    views: ViewConfig = ViewConfig()
    """Augmentation."""
    encoder: EncoderConfig = EncoderConfig()
    """Network."""
    contrast: ContrastConfig = ContrastConfig()
    """Losses and queues."""
    optimiser: OptimiserConfig = OptimiserConfig()
    """Optimisation."""
    run: RunConfig = RunConfig()
    """Length, seed, device and checkpoints."""

    @property
    def transfers(self) -> bool:
        """Whether there are two streams, which learn from each other."""
        return len(self.encoder.streams) > 1

    @property
    def spaces(self) -> tuple[str, ...]:
        """Embedding spaces that any loss looks at; the others have no head and no queue."""
        used = {*self.contrast.instance_spaces, "hand", "trunk"}
        if self.transfers and self.contrast.transfer_space == "fused":
            used.add("fused")
        return tuple(space for space in ("fused", "hand", "trunk") if space in used)

    @model_validator(mode="after")
    def _neighbours_fit_the_queue(self) -> Self:
        contrast = self.contrast
        fused = contrast.transfer_space == "fused"
        length = contrast.fused_queue_length if fused else contrast.part_queue_length
        if self.transfers and contrast.transfer.num_neighbours > length:
            raise ValueError(
                f"contrast.transfer.num_neighbours {contrast.transfer.num_neighbours} is above its queue's "
                f"length {length}; lower it"
            )
        return self

    @model_validator(mode="after")
    def _batch_fits_the_queues(self) -> Self:
        shortest = min(self.contrast.fused_queue_length, self.contrast.part_queue_length)
        if self.run.batch_size > shortest:
            raise ValueError(
                f"run.batch_size {self.run.batch_size} is above the shortest queue {shortest}; lower it, or "
                "raise contrast.fused_queue_length and contrast.part_queue_length"
            )
        return self
