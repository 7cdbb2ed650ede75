"""Literal implementation of one stream's encoder with its projection heads, with released tensor names.

"Body" in a name is the trunk, as in the released checkpoints.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.pose.skeleton import HAND, LEFT_HAND, RIGHT_HAND, TRUNK, TRUNK_PART
from core.specs.pretraining import EncoderConfig

from .part_network import PartNetwork
from .transformer import Transformer


class Embed(nn.Module):
    """The two part networks; the hand network is called once for each hand."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.st_gcn_hand = PartNetwork(HAND, config)
        self.st_gcn_body = PartNetwork(TRUNK_PART, config)

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = points.permute(0, 3, 1, 2)  # (N, 2, T, 49)
        right = self.st_gcn_hand(x[..., RIGHT_HAND])
        left = self.st_gcn_hand(x[..., LEFT_HAND])
        trunk = self.st_gcn_body(x[..., TRUNK])
        return right.permute(0, 2, 1), left.permute(0, 2, 1), trunk.permute(0, 2, 1)  # (N, T, C) each


class Projection(nn.Module):
    """Attention pooling over tokens, and the three heads."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.weight_hand = nn.Linear(config.feature_width, 1)
        self.weight_body = nn.Linear(config.feature_width, 1)
        self.fc = _head(config)
        self.hand_fc = _head(config)
        self.body_fc = _head(config)

    def pool(self, hands: Tensor, trunk: Tensor, visible: Tensor) -> dict[str, Tensor]:
        """Return features by space; `visible` (N, T, 2) is the visibility of right and left hand by frame."""
        right, left = hands.chunk(2, dim=-1)
        tokens = torch.cat([right, left], dim=1)  # (N, 2T, C)
        hidden = ~torch.cat([visible[..., 0], visible[..., 1]], dim=1)  # (N, 2T)
        scores = self.weight_hand(tokens).masked_fill(hidden.unsqueeze(-1), -1e9)
        hand_feature = (scores.softmax(dim=1) * tokens).sum(dim=1)
        trunk_feature = (self.weight_body(trunk).softmax(dim=1) * trunk).sum(dim=1)
        return {"fused": hand_feature + trunk_feature, "hand": hand_feature, "trunk": trunk_feature}

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        heads = {"fused": self.fc, "hand": self.hand_fc, "trunk": self.body_fc}
        return {space: functional.normalize(head(features[space]), dim=1) for space, head in heads.items()}


class Encoder(nn.Module):
    """Encoder from points (N, T, 49, 2) and hand visibility (N, T, 2) to unit embeddings by space."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.embed = Embed(config)
        self.GCN_Tran_Hand = _transformer(2 * config.feature_width, config.hand_feed_forward_width, config)
        self.GCN_Tran_Body = _transformer(config.feature_width, config.trunk_feed_forward_width, config)
        self.proj = Projection(config)
        for parameter in self.parameters():
            if parameter.dim() >= 2:
                nn.init.xavier_uniform_(parameter)

    def features(self, points: Tensor, visible: Tensor) -> dict[str, Tensor]:
        """Return fused, hand and trunk features, (N, C) each, before the heads."""
        right, left, trunk = self.embed(points)
        hands = self.GCN_Tran_Hand(torch.cat([right, left], dim=-1))
        return self.proj.pool(hands, self.GCN_Tran_Body(trunk), visible)

    def forward(self, points: Tensor, visible: Tensor) -> dict[str, Tensor]:
        return self.proj(self.features(points, visible))


def _head(config: EncoderConfig) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(config.feature_width, config.projection_width),
        nn.ReLU(inplace=True),
        nn.Linear(config.projection_width, config.embedding_width),
    )


def _transformer(width: int, hidden_width: int, config: EncoderConfig) -> Transformer:
    return Transformer(
        width,
        hidden_width=hidden_width,
        num_blocks=config.num_transformer_blocks,
        num_heads=config.num_attention_heads,
        dropout=config.transformer_dropout,
    )
