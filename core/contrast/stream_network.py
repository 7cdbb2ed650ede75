"""Network of one stream in pretraining: its encoder, and the heads that only the losses need."""

import torch
from torch import Tensor, nn

from core.augment.views import View
from core.encoders.pass_context import PassContext
from core.encoders.projection import ProjectionHeads
from core.encoders.sign_encoder import SignEncoder, initialise, only_where
from core.pose.skeleton import NUM_HAND_JOINTS
from core.specs.pretraining import PretrainConfig

GUESS = "guessed hands"
"""Name of a network's guess of hidden hands, beside its embedding spaces."""


class StreamNetwork(nn.Module):
    """Encoder of one stream (section III-A) with its projection heads (section III-B)."""

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__()
        self.encoder = SignEncoder(config.encoder)
        self.projection = ProjectionHeads(config.encoder, config.spaces)
        self.prototypes = nn.ParameterDict(_prototypes(config))
        self.guess = _guess(config)
        initialise(self)

    def forward(self, view: View, context: PassContext) -> dict[str, Tensor]:
        """Return unit embeddings (B, D) by space; the trunk's is 0 for a clip that has none.

        With `hidden_hands_weight` also a guess of the hands' points (B, 2, T, 42).
        """
        features = self.encoder(view.points, view.hand_visible, context, view.has_trunk)
        embeddings: dict[str, Tensor] = self.projection(features)
        found = {
            space: only_where(view.has_trunk if space == "trunk" else None, each)
            for space, each in embeddings.items()
        }
        if self.guess is not None:
            found[GUESS] = self.guess(features.hand_tokens.to(self.guess.weight.dtype))
        return found


def _prototypes(config: PretrainConfig) -> dict[str, nn.Parameter]:
    shape = config.contrast.num_prototypes, config.encoder.embedding_width
    spaces = config.contrast.instance_spaces if config.contrast.prototype_weight > 0 else ()
    return {space: nn.Parameter(torch.empty(shape)) for space in spaces}


def _guess(config: PretrainConfig) -> nn.Linear | None:
    if config.contrast.hidden_hands_weight == 0:
        return None
    return nn.Linear(config.encoder.feature_width, 2 * NUM_HAND_JOINTS)
