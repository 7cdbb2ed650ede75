"""Configuration of pretraining: views, encoder, losses and optimiser. This module does not import torch.

The docstring under a field is its OpenAPI description. Defaults are those of the paper's released training
code, that is, of the recipe `stc`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.specs.fields import (
    Closed,
    Fraction,
    Name,
    Positive,
    Real,
    Switch,
    Whole,
)
from core.specs.run import RunConfig
from core.specs.views import ViewConfig


class EncoderConfig(Closed):
    """Network architecture: inputs, widths and depths of each stream's network (paper, section III-A).

    Fields from `streams` to `embedding_pieces` are our repairs and ablations; their defaults are as released.
    """

    streams: tuple[Literal["joint", "motion"], ...] = ("joint", "motion")
    """Streams of the encoder; `motion` alone or `joint` alone is an ablation."""
    motion_difference: Literal["forward", "backward"] = "forward"
    """Motion of a frame. `forward`: next frame minus this frame, 0 in the last frame, as in the released
    code. `backward`: this frame minus the previous one, 0 in the first frame, as in the paper's text."""
    trunk_origin: Literal["image", "shoulders"] = "image"
    """Coordinates of the trunk. `image`: fractions of the frame. `shoulders`: relative to the midpoint of the
    shoulders, in shoulder widths (means over the view), which removes the signer's position and size."""
    hand_origin: Literal["crop", "points"] = "crop"
    """Coordinates of the hands. `crop`: fractions of their crop, as in the released code. `points`: relative
    to the mean of the hand's points in each frame, in one size, so place and size are not learned."""
    missing_hands: Literal["zero", "masked"] = "zero"
    """Coordinates of a hand that was not detected. `zero`: its points are at (0, 0), so the motion jumps when
    a hand appears or disappears. `masked`: hands are relative to the centre of their crop; the points of a
    missing hand are at that centre, and its motion is 0."""
    pooled_trunk_graph: Literal["released", "repaired"] = "released"
    """Graph over the trunk's sub-parts. `released`: arms and nose are not linked, because no node has a
    distance. `repaired`: they are linked."""
    sub_part_readout: Literal["max", "joined"] = "max"
    """How a frame's sub-parts become one feature: `max` takes the maximum, `joined` keeps them separate."""
    coordinate_shortcut: Switch = False
    """Concatenate the frame's coordinates with the features of the sub-parts."""
    num_time_segments: Positive = 1
    """Equal time segments of a view that are pooled apart and joined. 1 loses the order of frames."""
    embedding_pieces: Literal["pooled", "pooled_and_halves"] = "pooled"
    """Pieces of an embedding. `pooled`: fused, hand and trunk features. `pooled_and_halves`: also the hand
    network's frames and the hands' points in each half of a clip (docs/reference/encoder-files.md)."""
    input_norm_eps: Annotated[Real, Field(gt=0)] = 0.1
    """Epsilon of the input batch norm. The released code uses 0.1 here and 1e-5 in every other batch norm."""
    graph_block_widths: Annotated[tuple[Positive, ...], Field(min_length=1)] = (128, 128, 256)
    """Output channels of the graph-convolution blocks on joints."""
    pooled_block_widths: Annotated[tuple[Positive, ...], Field(min_length=1)] = (512, 512)
    """Output channels of the graph-convolution blocks on sub-parts."""
    feature_width: Annotated[Whole, Field(ge=8)] = 512
    """Channels of a body part's feature, and of the hand, trunk and fused features."""
    num_temporal_blocks: Annotated[Whole, Field(ge=0)] = 2
    """Number of temporal-convolution blocks after the graph blocks."""
    graph_dropout: Fraction = 0.05
    """Dropout inside graph-convolution blocks."""
    output_dropout: Fraction = 0.25
    """Dropout after a part network's last 1x1 convolution."""
    num_transformer_blocks: Annotated[Whole, Field(ge=0)] = 3
    """Number of post-norm transformer blocks over time."""
    num_attention_heads: Positive = 8
    """Number of attention heads of a transformer block."""
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
            raise ValueError(
                f"streams is {list(self.streams)}, but must list 'joint' or 'motion' or both, each once"
            )
        return self


class NeighbourConfig(Closed):
    """Similarity distillation from teacher to student over nearest neighbours (paper, eq. 5 to 9)."""

    num_neighbours: Positive
    """Number of past samples that the teacher is most similar to; the loss compares both over these."""
    teacher_temperature: Annotated[Real, Field(gt=0)] = 0.05
    """Temperature of the teacher's softmax."""
    student_temperature: Annotated[Real, Field(gt=0)] = 0.1
    """Temperature of the student's softmax."""


class ContrastConfig(Closed):
    """Losses: momentum contrast, consistency and knowledge transfer (paper, sections III-B to III-D)."""

    key_momentum: Fraction = 0.999
    """Momentum of the key encoder: the fraction of its old weights that it keeps at each step."""
    fused_queue_length: Positive = 16384
    """Length of the key queue of fused embeddings, per stream."""
    part_queue_length: Positive = 8192
    """Length of the key queues of hand embeddings and of trunk embeddings, per stream."""
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
    """Embedding spaces with an InfoNCE loss. The released code uses all three, the paper's text hand and
    trunk."""
    consistency_between: Literal["neighbours", "channels"] = "neighbours"
    """What the hand-trunk consistency loss compares. `neighbours`: similarities to the nearest past samples,
    as in the released code. `channels`: the channels of the embeddings, as in the paper's text, without
    `num_neighbours`."""
    transfer_space: Literal["fused", "hand_and_trunk"] = "fused"
    """Embeddings whose similarities the joint-motion transfer loss compares. `fused`: as in the released
    code. `hand_and_trunk`: the sum of hand and trunk embeddings, as in the paper's text."""
    instance_weight: Annotated[Real, Field(ge=0)] = 1.0
    """Weight of the InfoNCE losses."""
    consistency_weight: Annotated[Real, Field(ge=0)] = 1.0
    """Weight of the hand-trunk consistency losses."""
    transfer_weight: Annotated[Real, Field(ge=0)] = 1.0
    """Weight of the joint-motion transfer losses."""
    neighbour_share: Fraction = 0.0
    """Share of the InfoNCE losses whose positive is the past key nearest to the sample's key, instead of that
    key (NNCLR)."""
    prototype_weight: Annotated[Real, Field(ge=0)] = 0.0
    """Weight of predicting the key's prototypes from the query, in each space of InfoNCE (after SwAV)."""
    num_prototypes: Annotated[Whole, Field(ge=2)] = 64
    """Number of learned prototypes of each space, with a `prototype_weight`."""
    hidden_hands_weight: Annotated[Real, Field(ge=0)] = 0.0
    """Weight of predicting the hands' points in frames where `views.hidden_hand_frames` hides them (masked
    pose prediction)."""

    @model_validator(mode="after")
    def _neighbours_fit_the_queue(self) -> Self:
        neighbours, length = self.consistency.num_neighbours, self.part_queue_length
        if self.consistency_between == "neighbours" and neighbours > length:
            raise ValueError(
                f"consistency.num_neighbours {neighbours} is above its queue's length {length} "
                "(part_queue_length); lower it, or raise the length"
            )
        return self


class OptimiserConfig(Closed):
    """Optimiser and learning-rate schedule (paper, section IV-B)."""

    algorithm: Literal["sgd", "adamw"] = "sgd"
    """`sgd`: stochastic gradient descent with momentum. `adamw`: AdamW, which needs a learning rate about 100
    times smaller."""
    learning_rate: Annotated[Real, Field(gt=0)] = 0.01
    """Learning rate after warm-up."""
    sgd_momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.9
    """Momentum of `sgd` (not of the key encoder)."""
    weight_decay: Annotated[Real, Field(ge=0)] = 1e-4
    """L2 penalty."""
    schedule: Literal["steps", "cosine"] = "steps"
    """Learning-rate schedule. `steps`: multiply by `decay` at each milestone. `cosine`: cosine decay to zero
    at the last step."""
    milestones: tuple[Positive, ...] = (100,)
    """Epochs at which the learning rate is multiplied by `decay`."""
    decay: Annotated[Real, Field(gt=0, le=1)] = 0.1
    """Factor applied to the learning rate at each milestone."""
    warmup_steps: Annotated[Whole, Field(ge=0)] = 0
    """Number of steps of linear learning-rate warm-up from zero."""


class PretrainConfig(Closed):
    """Full configuration of a pretraining run, as in a recipe and in a checkpoint."""

    recipe: Name
    """Name of the recipe that this configuration is based on."""
    views: ViewConfig = ViewConfig()
    """Augmentation."""
    encoder: EncoderConfig = EncoderConfig()
    """Network."""
    contrast: ContrastConfig = ContrastConfig()
    """Losses and queues."""
    optimiser: OptimiserConfig = OptimiserConfig()
    """Optimiser and learning-rate schedule."""
    run: RunConfig = RunConfig()
    """Length, seed, device and checkpoints."""

    @property
    def transfers(self) -> bool:
        """Whether there are two streams, between which knowledge is transferred."""
        return len(self.encoder.streams) > 1

    @property
    def spaces(self) -> tuple[str, ...]:
        """Embedding spaces that some loss uses; the others have no projection head and no queue."""
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
                f"length {length}; lower it, or raise contrast.{'fused' if fused else 'part'}_queue_length"
            )
        return self

    @model_validator(mode="after")
    def _predicted_hands_are_hidden(self) -> Self:
        if self.contrast.hidden_hands_weight > 0 and self.views.hidden_hand_frames == 0:
            raise ValueError(
                f"contrast.hidden_hands_weight is {self.contrast.hidden_hands_weight}, but "
                "views.hidden_hand_frames is 0, so no hand is hidden; raise it, for example to 0.3"
            )
        return self

    @model_validator(mode="after")
    def _batch_fits_the_queues(self) -> Self:
        shortest = min(self.contrast.fused_queue_length, self.contrast.part_queue_length)
        if self.run.batch_size > shortest:
            raise ValueError(
                f"run.batch_size {self.run.batch_size} is above the shortest queue's length {shortest}; "
                "lower it, or raise contrast.fused_queue_length and contrast.part_queue_length"
            )
        return self
