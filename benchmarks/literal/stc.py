"""Literal implementation of the STC model and training step: the baseline of the speed benchmarks.

fp32, eager, one call of a part network per part, queues as columns, momentum update parameter by parameter,
plain optimiser. `tests/golden/test_literal.py` compares it with numbers of the released code.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.augment.views import View
from core.pose.streams import motion
from core.specs.pretraining import OptimiserConfig, PretrainConfig

from .encoder import Encoder
from .losses import BySpace, info_nce, neighbour_divergence

ByStream = dict[str, BySpace]
STREAMS = {"joint": "", "motion": "_motion"}
"""Suffix of the names of each stream's encoders and queues."""
QUEUES = {"fused": "queue", "hand": "queue_hand", "trunk": "queue_body"}


class LiteralSTC(nn.Module):
    """Four encoders, six queues, twelve losses. Its state dict has the released checkpoints' names."""

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__()
        self.contrast = config.contrast
        self.num_enqueued = 0
        for suffix in STREAMS.values():
            query = Encoder(config.encoder)
            self.add_module(f"encoder_q{suffix}", query)
            self.add_module(f"encoder_k{suffix}", copy.deepcopy(query).requires_grad_(False))
            for space, name in QUEUES.items():
                columns = torch.randn(config.encoder.embedding_width, self._queue_length(space))
                self.register_buffer(name + suffix, functional.normalize(columns, dim=0))

    def forward(
        self, query_points: Tensor, query_visible: Tensor, key_points: Tensor, key_visible: Tensor
    ) -> dict[str, Tensor]:
        """Return the twelve losses by name; points are (N, T, 49, 2), visibility of hands is (N, T, 2)."""
        self._momentum_update()
        q = {stream: self._embed("q", stream, query_points, query_visible) for stream in STREAMS}
        with torch.no_grad():
            k = {stream: self._embed("k", stream, key_points, key_visible) for stream in STREAMS}
        losses = self._losses(q, k)
        self._enqueue(k)
        return losses

    def encoder(self, role: str, stream: str) -> Encoder:
        """Return the query (`q`) or key (`k`) encoder of a stream."""
        encoder = self.get_submodule(f"encoder_{role}{STREAMS[stream]}")
        assert isinstance(encoder, Encoder)
        return encoder

    def past_keys(self, stream: str, space: str) -> Tensor:
        """Return past keys of a stream's space, as columns (D, K)."""
        return self.get_buffer(QUEUES[space] + STREAMS[stream])

    def _embed(self, role: str, stream: str, points: Tensor, visible: Tensor) -> BySpace:
        encoder = self.encoder(role, stream)
        return encoder(stream_points(encoder, stream, points), visible)

    def _losses(self, q: ByStream, k: ByStream) -> dict[str, Tensor]:
        losses, contrast = {}, self.contrast
        by_q, by_k = self._similarities(q), self._similarities(k)
        for stream in STREAMS:
            for space in QUEUES:
                positives = torch.einsum("nc,nc->n", q[stream][space], k[stream][space]).unsqueeze(-1)
                losses[f"instance/{stream}/{space}"] = info_nce(
                    positives, by_q[stream][space], contrast.temperature
                )
            for teacher, student in (("hand", "trunk"), ("trunk", "hand")):
                losses[f"consistency/{stream}/{teacher}_to_{student}"] = neighbour_divergence(
                    by_k[stream][teacher], by_q[stream][student], contrast.consistency
                )
        for teacher, student in (("joint", "motion"), ("motion", "joint")):
            losses[f"transfer/{teacher}_to_{student}"] = neighbour_divergence(
                by_k[teacher]["fused"], by_q[student]["fused"], contrast.transfer
            )
        return losses

    def _similarities(self, embeddings: ByStream) -> ByStream:
        return {
            stream: {
                space: torch.einsum(
                    "nc,ck->nk", embeddings[stream][space], self.past_keys(stream, space).clone().detach()
                )
                for space in QUEUES
            }
            for stream in STREAMS
        }

    @torch.no_grad()
    def _momentum_update(self) -> None:
        m = self.contrast.key_momentum
        for stream in STREAMS:
            pairs = zip(
                self.encoder("q", stream).parameters(), self.encoder("k", stream).parameters(), strict=True
            )
            for query, key in pairs:
                key.data = key.data * m + query.data * (1.0 - m)

    @torch.no_grad()
    def _enqueue(self, k: ByStream) -> None:
        for stream in STREAMS:
            for space in QUEUES:
                queue, keys = self.past_keys(stream, space), k[stream][space]
                start = self.num_enqueued % queue.shape[1]
                assert queue.shape[1] % len(keys) == 0, "the batch divides the queues"
                queue[:, start : start + len(keys)] = keys.T
        self.num_enqueued += len(keys)

    def _queue_length(self, space: str) -> int:
        return self.contrast.fused_queue_length if space == "fused" else self.contrast.part_queue_length


def literal_optimiser(model: LiteralSTC, config: OptimiserConfig) -> torch.optim.SGD:
    """Return plain SGD on the query encoders."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.SGD(
        trained, lr=config.learning_rate, momentum=config.sgd_momentum, weight_decay=config.weight_decay
    )


def literal_step(model: LiteralSTC, optimiser: torch.optim.Optimizer, views: tuple[View, View]) -> float:
    """Take one training step on a query and a key view; return the loss."""
    query, key = views
    model.train()
    losses = model(query.points, query.hand_visible, key.points, key.hand_visible)
    loss = torch.stack(list(losses.values())).sum()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


@torch.no_grad()
def literal_features(model: LiteralSTC, stream: str, points: Tensor, visible: Tensor) -> BySpace:
    """Return fused, hand and trunk features (N, C) of one query encoder in evaluation mode.

    `points` (N, T, 49, 2) are the clip's points, also for the motion stream.
    """
    encoder = model.encoder("q", stream).eval()
    return encoder.features(stream_points(encoder, stream, points), visible)


def stream_points(encoder: Encoder, stream: str, points: Tensor) -> Tensor:
    """Return the input of a stream's encoder: the points, or their motion (computed before rounding)."""
    return (motion(points) if stream == "motion" else points).to(encoder.proj.weight_hand.weight.dtype)
