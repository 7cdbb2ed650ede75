"""A network as the engine compiles it: prints how far its gradient is from that of the plain one, and the
gradient's digest when it is computed once and again.
"""

import hashlib
import json
import sys

import torch
from torch import nn

from core.encoders.part_network import PartNetwork
from core.encoders.pass_context import PassContext, number_places
from core.encoders.pooling import AttentionPooling
from core.encoders.temporal_transformer import TemporalTransformer
from core.pose.skeleton import TRUNK_PART
from core.training.engine import Engine
from tests.core.small import SMALL

_CLIPS, _FRAMES = 4, 8


class Trunk(nn.Module):
    """The smallest part with every kind of layer: compiling takes as long as there are operations."""

    def __init__(self) -> None:
        super().__init__()
        dropping = {"graph_dropout": 0.1, "graph_block_widths": (4,), "pooled_block_widths": (4,)}
        config = SMALL.encoder.model_copy(update=dropping)
        self.part = PartNetwork(TRUNK_PART, config)
        self.transformer = TemporalTransformer(
            config.feature_width, num_blocks=1, num_attention_heads=2, feed_forward_width=16, dropout=0.1
        )
        self.pooling = AttentionPooling(config.feature_width)
        number_places(self)

    def forward(self, points: torch.Tensor, context: PassContext) -> torch.Tensor:
        """One feature a clip."""
        context = context.for_clips(num_frames=points.shape[2])
        tokens = self.transformer(self.part(points, context)[0], context)
        return self.pooling(tokens.unsqueeze(1))


def compare() -> dict[str, object]:
    """Take the same step plainly, and twice compiled."""
    engine = Engine("compiled", "fp32", torch.device("cpu"))
    network = Trunk().train()
    points = torch.rand(1, _CLIPS, _FRAMES, TRUNK_PART.num_joints, 2)

    def gradient() -> torch.Tensor:
        network.zero_grad()
        features = network(points, engine.context(0, step=1))
        (features * features.roll(1, 0)).sum().backward()
        return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])

    plain = gradient()
    engine.prepare(nn.ModuleDict({"trunk": network}))
    compiled = [gradient(), gradient()]
    return {
        "difference": float((compiled[0] - plain).norm() / plain.norm()),
        "digests": [hashlib.sha256(each.numpy().tobytes()).hexdigest() for each in compiled],
    }


if __name__ == "__main__":
    torch.manual_seed(0)
    sys.stdout.write(json.dumps(compare()))
