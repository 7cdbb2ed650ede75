"""Encoder with linear classifiers, the network of fine-tuning (paper, section IV-B)."""

import copy
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from core.augment.views import View
from core.encoders.pass_context import PassContext
from core.errors import EncoderError
from core.exchange.clip_encoder import ClipEncoder
from core.pose.streams import lend_trunks, streams
from core.training.randomness import generator_for

Merge = Literal["mean_of_logits", "sum_of_predictions"]
Logits = dict[str, Float[Tensor, "B C"]]
"""Logits by stream."""
_DEVIATION = 0.01
"""Standard deviation of a classifier's initial weights; its biases start at 0."""


class SignClassifier(nn.Module):
    """Copies of a clip encoder's networks, each with a linear classifier on its fused feature.

    Raises:
        EncoderError: the encoder does not have the requested stream.
    """

    def __init__(
        self, start: ClipEncoder, *, num_classes: int, wanted: Literal["all", "joint", "motion"], seed: int
    ) -> None:
        super().__init__()
        self._encoder = start.config.encoder
        names = self._encoder.streams if wanted == "all" else (wanted,)
        if wanted not in ("all", *self._encoder.streams):
            raise EncoderError(
                f"fine_tune.streams is {wanted!r}, but the encoder has only "
                f"{', '.join(self._encoder.streams)}; set it to 'all'."
            )
        self.streams = nn.ModuleDict({name: copy.deepcopy(start.streams[name]) for name in names})
        width, device = start.config.encoder.feature_width, start.device
        self.classifiers = nn.ModuleDict(
            {name: nn.Linear(width, num_classes, device=device) for name in names}
        )
        generator = generator_for(seed, "classifier")
        for layer in self.classifiers.values():
            assert isinstance(layer, nn.Linear)
            weights = torch.normal(0.0, _DEVIATION, layer.weight.shape, generator=generator)
            with torch.no_grad():
                layer.weight.copy_(weights)
                layer.bias.zero_()

    def forward(self, view: View, context: PassContext) -> Logits:
        """Return each stream's logits."""
        given = lend_trunks(view.points, view.has_trunk)
        points = streams(given, view.hand_visible, self._encoder)
        return {
            name: self.classifiers[name](
                network(points[name], view.hand_visible, context.for_network(2 * index), view.has_trunk).fused
            )
            for index, (name, network) in enumerate(self.streams.items())
        }


def training_loss(logits: Logits, labels: Int64[Tensor, " B"], *, merge: Merge) -> Float[Tensor, ""]:
    """Return the cross-entropy of the mean of the streams' logits, or the sum of each stream's own."""
    if merge == "mean_of_logits":
        return functional.cross_entropy(torch.stack(list(logits.values())).mean(dim=0), labels)
    return torch.stack([functional.cross_entropy(each, labels) for each in logits.values()]).sum()


def merged_scores(logits: Logits, *, merge: Merge) -> Float[Tensor, "B C"]:
    """Return class scores of each clip: the mean of the logits, or the sum of the probabilities."""
    stacked = torch.stack(list(logits.values()))
    return stacked.mean(dim=0) if merge == "mean_of_logits" else stacked.softmax(dim=2).sum(dim=0)
