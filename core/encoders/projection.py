"""Projection heads, used only in pretraining (paper, section III-B)."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from core.encoders.sign_encoder import Features
from core.specs.pretraining import EncoderConfig

SPACES = ("fused", "hand", "trunk")
"""The embedding spaces of a stream."""


class ProjectionHeads(nn.Module):
    """One two-layer MLP head per embedding space; its output has unit length."""

    def __init__(self, config: EncoderConfig, spaces: Sequence[str] = SPACES) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {
                space: nn.Sequential(
                    nn.Linear(config.feature_width, config.projection_width),
                    nn.ReLU(),
                    nn.Linear(config.projection_width, config.embedding_width),
                )
                for space in spaces
            }
        )

    def forward(self, features: Features) -> dict[str, Float[Tensor, "B D"]]:
        """Return each space's unit embeddings."""
        return {
            space: functional.normalize(head(getattr(features, space)), dim=1)
            for space, head in self.heads.items()
        }
