"""Spatial-temporal consistency (STC): the losses of a training step (paper, section III; IEEE TIP 2024).

Each stream (joint, motion) has a query network, a key network with momentum update, and one key queue per
embedding space (fused, hand, trunk).
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.augment.views import View
from core.contrast.key_queue import KeyQueue
from core.contrast.momentum import MomentumUpdate
from core.contrast.stream_network import GUESS, StreamNetwork
from core.encoders.halves import placed_hands
from core.encoders.pass_context import PassContext
from core.losses.consistency import channel_consistency, hand_trunk_consistency
from core.losses.hidden_hands import hidden_hands_error
from core.losses.info_nce import NEVER, info_nce, nearest_key_nce
from core.losses.knowledge_transfer import knowledge_transfer
from core.losses.prototypes import prototype_prediction
from core.pose.streams import HAND_SIZE, lend_trunks, streams
from core.specs.pretraining import PretrainConfig

_PARTS = ("hand", "trunk")

Spaces = dict[str, Tensor]
"""space -> (B, D), or similarities (B, K)."""
Embeddings = dict[str, Spaces]
"""stream -> space -> (B, D), or similarities (B, K)."""
Gather = Callable[[Float[Tensor, "S B D"]], Float[Tensor, "S N D"]]
"""Collects the rows of all ranks' clips, in the order of the whole batch."""


class SpatialTemporalConsistency(nn.Module):
    """Query networks, key networks and key queues of both streams, and the losses between two views.

    `gather` collects the keys of all ranks, so that queues are identical on every rank.
    Departs from the released code, where every rank has a queue of its own keys.
    """

    def __init__(self, config: PretrainConfig, *, gather: Gather = lambda keys: keys) -> None:
        super().__init__()
        self._gather = gather
        self.contrast = config.contrast
        self.config = config.encoder
        self.streams: tuple[str, ...] = config.encoder.streams
        self.spaces = config.spaces
        self.query = nn.ModuleDict({stream: StreamNetwork(config) for stream in self.streams})
        self.key = copy.deepcopy(self.query).requires_grad_(False)
        self._update_keys = MomentumUpdate(self.query, self.key)
        self.queues = nn.ModuleDict(
            {
                stream: nn.ModuleDict(
                    {
                        space: KeyQueue(self._queue_length(space), config.encoder.embedding_width)
                        for space in self.spaces
                    }
                )
                for stream in self.streams
            }
        )

    def forward(
        self,
        query_view: View,
        key_view: View,
        context: PassContext = PassContext(),  # noqa: B008 - frozen
    ) -> dict[str, Float[Tensor, ""]]:
        """Do one step of section III: momentum update, losses of the batch by name, enqueueing of its keys.

        The names are `instance/<stream>/<space>`, `consistency/<stream>` and `transfer`. All losses are
        weighted; the step's loss is their sum.
        """
        self._update_keys(self.contrast.key_momentum)
        queries = self._embed(self.query, query_view.shown, context.for_network(0))
        with torch.no_grad():
            keys = self._embed(self.key, key_view, context.for_network(1))
            past = self._past_keys()
        guesses = _take_guesses(queries)
        _take_guesses(keys)  # keys are only compared
        losses = self._losses(queries, keys, past, query_view.has_trunk)
        losses |= self._predictions(queries, keys, past, query_view.has_trunk)
        losses |= self._hidden_hands(guesses, query_view)
        self._enqueue(keys)
        return losses

    def _losses(
        self, queries: Embeddings, keys: Embeddings, past: Embeddings, has_trunk: Tensor | None
    ) -> dict[str, Tensor]:
        """L_CL, L_con and L_KT of a batch, weighted. Clips without a trunk have no part in its terms."""
        if self.contrast.transfer_space == "hand_and_trunk":
            queries, keys, past = _with_sums(queries), _with_sums(keys), _with_sums(past)
        by_query, by_key = _similarities(queries, past), _similarities(keys, past)
        losses = self._instance_losses(queries, keys, by_query, by_key, has_trunk)
        for stream in self.streams:
            by_past = _with_trunks(by_query[stream], past[stream]), _with_trunks(by_key[stream], past[stream])
            consistency = self._consistency(queries[stream], keys[stream], *by_past, has_trunk)
            losses[f"consistency/{stream}"] = self.contrast.consistency_weight * consistency
        if len(self.streams) > 1:
            losses["transfer"] = self.contrast.transfer_weight * self._transfer(by_query, by_key)
        return losses

    def _instance_losses(
        self,
        queries: Embeddings,
        keys: Embeddings,
        by_query: Embeddings,
        by_key: Embeddings,
        has_trunk: Tensor | None,
    ) -> dict[str, Tensor]:
        """L_CL, instance discrimination of each stream's spaces (section III-B)."""
        return {
            f"instance/{stream}/{space}": self.contrast.instance_weight
            * self._instance_loss(
                *(each[stream][space] for each in (queries, keys, by_query, by_key)),
                rows=has_trunk if space == "trunk" else None,
            )
            for stream in self.streams
            for space in self.contrast.instance_spaces
        }

    def _instance_loss(
        self, queries: Tensor, keys: Tensor, by_query: Tensor, by_key: Tensor, *, rows: Tensor | None
    ) -> Float[Tensor, ""]:
        """InfoNCE of one space; departs from the paper with a `neighbour_share`."""
        share, temperature = self.contrast.neighbour_share, self.contrast.temperature
        own = info_nce((queries * keys).sum(dim=1), by_query, temperature=temperature, rows=rows)
        if share == 0:
            return own
        near = nearest_key_nce(by_key, by_query, temperature=temperature, rows=rows)
        return (1 - share) * own + share * near

    def _predictions(
        self, queries: Embeddings, keys: Embeddings, past: Embeddings, has_trunk: Tensor | None
    ) -> dict[str, Tensor]:
        """Prediction of prototypes, in the spaces of instance discrimination; not in the paper."""
        if self.contrast.prototype_weight == 0:
            return {}
        return {
            f"prototypes/{stream}/{space}": self.contrast.prototype_weight
            * prototype_prediction(
                queries[stream][space],
                keys[stream][space],
                past[stream][space],
                _prototypes(self.query, stream)[space],
                _prototypes(self.key, stream)[space],
                rows=has_trunk if space == "trunk" else None,
            )
            for stream in self.streams
            for space in self.contrast.instance_spaces
        }

    def _hidden_hands(self, guesses: Mapping[str, Tensor], view: View) -> dict[str, Tensor]:
        """Masked pose prediction of the hands that are hidden in the query view; not in the paper."""
        if view.hidden is None:
            return {}
        asked = view.hidden & view.hand_visible
        truth = placed_hands(view.points) / HAND_SIZE  # about the hand's own points, in units of its size
        return {
            f"hidden hands/{stream}": self.contrast.hidden_hands_weight
            * hidden_hands_error(guess, truth, asked)
            for stream, guess in guesses.items()
        }

    def _consistency(
        self, queries: Spaces, keys: Spaces, by_query: Spaces, by_key: Spaces, has_trunk: Tensor | None
    ) -> Float[Tensor, ""]:
        """L_con, between hand and trunk of one stream (section III-C)."""
        if self.contrast.consistency_between == "channels":
            return channel_consistency(queries, keys, self.contrast.consistency, has_trunk)
        return hand_trunk_consistency(by_query, by_key, self.contrast.consistency, has_trunk)

    def _transfer(self, by_query: Embeddings, by_key: Embeddings) -> Float[Tensor, ""]:
        """L_KT, between the streams (section III-D)."""
        space = self.contrast.transfer_space
        return knowledge_transfer(
            {stream: by_query[stream][space] for stream in self.streams},
            {stream: by_key[stream][space] for stream in self.streams},
            self.contrast.transfer,
        )

    def _embed(self, networks: nn.ModuleDict, view: View, context: PassContext) -> Embeddings:
        """Return unit embeddings of each stream; every network has its own dropout masks."""
        seen = streams(lend_trunks(view.points, view.has_trunk), view.hand_visible, self.config)
        return {
            stream: networks[stream](replace(view, points=points), context.for_network(2 * index))
            for index, (stream, points) in enumerate(seen.items())
        }

    def _past_keys(self) -> Embeddings:
        """Return copies of the queues, because the backward pass needs them after enqueueing."""
        return {
            stream: {space: self.queue(stream, space).keys.clone() for space in self.spaces}
            for stream in self.streams
        }

    def _enqueue(self, keys: Embeddings) -> None:
        places = [(stream, space) for stream in self.streams for space in self.spaces]
        everyone = self._gather(torch.stack([keys[stream][space] for stream, space in places]))  # (S, N, D)
        for (stream, space), gathered in zip(places, everyone, strict=True):
            self.queue(stream, space).enqueue(gathered)

    def queue(self, stream: str, space: str) -> KeyQueue:
        """Return the key queue of one stream's embedding space."""
        queue = self.queues[stream][space]  # type: ignore[index]
        assert isinstance(queue, KeyQueue)
        return queue

    def _queue_length(self, space: str) -> int:
        return self.contrast.fused_queue_length if space == "fused" else self.contrast.part_queue_length


def _similarities(embeddings: Embeddings, past: Embeddings) -> Embeddings:
    """Return cosine similarities of the batch to each space's past keys; to trunks that are not, `NEVER`."""
    made = {
        stream: {space: each @ past[stream][space].T for space, each in spaces.items()}
        for stream, spaces in embeddings.items()
    }
    for stream, spaces in made.items():
        spaces |= _with_trunks({"trunk": spaces["trunk"]}, past[stream]) if "trunk" in spaces else {}
    return made


def _prototypes(networks: nn.ModuleDict, stream: str) -> nn.ParameterDict:
    network = networks[stream]
    assert isinstance(network, StreamNetwork)
    return network.prototypes


def _take_guesses(found: Embeddings) -> dict[str, Tensor]:
    """Take the guesses of hidden hands out of what networks found, by stream."""
    return {stream: spaces.pop(GUESS) for stream, spaces in found.items() if GUESS in spaces}


def _with_trunks(similarities: Spaces, past: Spaces) -> Spaces:
    """Set similarities to past samples that have no trunk, whose key there is 0, to `NEVER`."""
    without = ~past["trunk"].any(dim=1)  # (K,)
    return {
        space: each.masked_fill(without, NEVER) for space, each in similarities.items() if space in _PARTS
    }


def _with_sums(embeddings: Embeddings) -> Embeddings:
    """Add the space `hand_and_trunk`: the sum of each stream's hand and trunk embeddings."""
    return {
        stream: {**spaces, "hand_and_trunk": spaces["hand"] + spaces["trunk"]}
        for stream, spaces in embeddings.items()
    }
