"""The released names of all that a training run holds: both networks' encoders and heads, and the queues.

Of an encoder, `core.exchange.released` knows them. The released files keep a queue a space and stream as
columns (D, K); ours are rows (K, D).
"""

from collections.abc import Iterable, Mapping

from torch import Tensor

from core.exchange.released import encoder_names

_NETWORKS = {"query": "encoder_q", "key": "encoder_k"}
_SUFFIXES = {"joint": "", "motion": "_motion"}
_QUEUES = {"fused": "queue", "hand": "queue_hand", "trunk": "queue_body"}
_HEADS = {"fused": "fc", "hand": "hand_fc", "trunk": "body_fc"}


def from_released(state: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state for `core.contrast.stc.SpatialTemporalConsistency` with the released tensors.

    `ours` is such a module's state: it says which names and shapes are wanted, and keeps what the released
    files have no word for (queue positions).
    """
    names = released_names(ours)
    return {
        name: _reshaped(state[names[name]], tensor) if name in names else tensor
        for name, tensor in ours.items()
    }


def released_names(names: Iterable[str]) -> dict[str, str]:
    """Each of our names that the released files know, and theirs."""
    return {name: released for name in names if (released := _released_name(name)) is not None}


def _released_name(name: str) -> str | None:
    role, stream, rest = name.split(".", 2)
    if role == "queues":
        space, tensor = rest.split(".")
        return None if tensor == "position" else _QUEUES[space] + _SUFFIXES[stream]
    network = _NETWORKS[role] + _SUFFIXES[stream]
    if rest.startswith("projection."):
        _, _, space, tensor = rest.split(".", 3)
        return f"{network}.proj.{_HEADS[space]}.{tensor}"
    of_encoder = f"streams.{stream}.{rest.removeprefix('encoder.')}"
    _, inside = encoder_names([of_encoder])[of_encoder].split(".", 1)
    return f"{network}.{inside}"


def _reshaped(released: Tensor, ours: Tensor) -> Tensor:
    """Drop trailing axes of length 1; turn a queue's columns into rows."""
    if released.dim() == 2 and ours.shape == released.shape[::-1] and ours.shape != released.shape:
        return released.T.contiguous()
    return released.reshape(ours.shape)
