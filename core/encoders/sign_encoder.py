"""Encoder of one stream: maps a clip's points to hand, trunk and fused features (paper, section III-A)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from core.encoders.part_network import PartNetwork
from core.encoders.pass_context import PassContext, number_places
from core.encoders.pooling import pooling
from core.encoders.temporal_transformer import TemporalTransformer
from core.pose.skeleton import HAND, LEFT_HAND, REPAIRED_TRUNK_PART, RIGHT_HAND, TRUNK, TRUNK_PART
from core.specs.pretraining import EncoderConfig


@dataclass(frozen=True)
class Features:
    """Features of a batch, (B, feature_width) each; `fused` is the sum of the others.

    The trunk of a clip that has none is 0. `hand_frames` is the hand network's feature of each frame, right
    hand first; `hand_tokens` is the same after the transformer, which sees all frames.
    """

    fused: Float[Tensor, "B C"]
    hand: Float[Tensor, "B C"]
    trunk: Float[Tensor, "B C"]
    hand_frames: Float[Tensor, "B 2 T C"]
    hand_tokens: Float[Tensor, "B 2 T C"]


class SignEncoder(nn.Module):
    """Part networks, transformers and attention pooling; both hands share one part network."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.feature_width
        self.hand_network = PartNetwork(HAND, config)
        repaired = config.pooled_trunk_graph == "repaired"
        self.trunk_network = PartNetwork(REPAIRED_TRUNK_PART if repaired else TRUNK_PART, config)
        self.hand_transformer = _transformer(2 * width, config.hand_feed_forward_width, config)
        self.trunk_transformer = _transformer(width, config.trunk_feed_forward_width, config)
        self.hand_pooling = pooling(width, num_segments=config.num_time_segments)
        self.trunk_pooling = pooling(width, num_segments=config.num_time_segments)
        number_places(self)

    def forward(
        self,
        points: Float[Tensor, "B T 49 2"],
        hand_visible: Bool[Tensor, "B T 2"],
        context: PassContext = PassContext(),  # noqa: B008 - frozen
        has_trunk: Bool[Tensor, " B"] | None = None,
    ) -> Features:
        """Encode joint or motion points (section III-A); `hand_visible`: frames with right and left hand.

        `has_trunk`: clips that have a trunk; None: all.

        In training each hand has its own batch statistics, the right hand first. Points may have a higher
        precision than the weights, so that motion is computed before rounding. Features have the weights'
        precision.
        """
        context = context.for_clips(num_frames=points.shape[1])
        hands = torch.stack([points[:, :, RIGHT_HAND], points[:, :, LEFT_HAND]])  # (2, B, T, 21, 2)
        hands = self.hand_network(hands, context)  # (2, B, T, C)
        trunk = self.trunk_network(points[None, :, :, TRUNK], context)[0]  # (B, T, C)
        related = self.hand_transformer(hands.permute(1, 2, 0, 3).flatten(2), context)  # (B, T, 2C)
        hand_tokens = torch.stack(related.chunk(2, dim=-1), dim=1)  # (B, 2, T, C), right then left
        trunk_tokens = self.trunk_transformer(trunk, context).unsqueeze(1)  # (B, 1, T, C)
        hand_feature = self.hand_pooling(hand_tokens, hand_visible.transpose(1, 2))  # (B, C)
        trunk_feature = only_where(has_trunk, self.trunk_pooling(trunk_tokens))  # (B, C)
        fused = hand_feature + trunk_feature
        return Features(fused, hand_feature, trunk_feature, hands.transpose(0, 1), hand_tokens)


def only_where(shown: Bool[Tensor, " B"] | None, rows: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
    """Return the rows with 0 for those that are not `shown`; None: all are."""
    return rows if shown is None else torch.where(shown.unsqueeze(1), rows, torch.zeros_like(rows))


def initialise(network: nn.Module) -> None:
    """Initialise parameters of two or more dimensions with Xavier-uniform; others keep PyTorch's defaults."""
    for parameter in network.parameters():
        if parameter.dim() >= 2:
            nn.init.xavier_uniform_(parameter)


def _transformer(width: int, feed_forward_width: int, config: EncoderConfig) -> TemporalTransformer:
    return TemporalTransformer(
        width,
        num_blocks=config.num_transformer_blocks,
        num_attention_heads=config.num_attention_heads,
        feed_forward_width=feed_forward_width,
        dropout=config.transformer_dropout,
    )
