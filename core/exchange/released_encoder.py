"""Convert an encoder's tensors from and to the paper's released names, and list unused tensors."""

import re
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from core.errors import EncoderError
from core.exchange.released import encoder_names

_TRAILING_AXES = ((r"\.(gcn\.conv|tcn\.3|residual\.0|conv4\.0)\.weight", 2), (r"\.conv1x1\.weight", 1))
"""Number of trailing axes of length 1 in a convolution's weight, by name."""
_LEFT_OUT = (
    ("unused", r"(.*\.)?(conv2|non_local|fcn)\."),
    ("key_networks", r"encoder_k(_motion)?\."),
    ("heads", r"encoder_q(_motion)?\.proj\.(fc|hand_fc|body_fc)\."),
    ("queues", r"queue"),
)
"""Kinds of tensors that are not part of an encoder, and patterns of their names."""
_MAX_NAMED = 3


def encoder_from_released(state: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state for `ClipEncoder` with the released tensors, graphs included.

    `ours` is the state of such an encoder, which defines names, shapes and types.

    Raises:
        EncoderError: a tensor is missing, of another shape or type, or not finite; the first few are named.
    """
    names = encoder_names(ours)
    wanted = {released: _as_released(released, ours[name]) for name, released in names.items()}
    _refuse(
        f"lacks {{}} of the {len(wanted)} tensors of an encoder",
        [each for each in wanted if each not in state],
    )
    mismatches = [
        f"{each} is {_described(state[each])}, not {_described(tensor)}"
        for each, tensor in wanted.items()
        if _described(state[each]) != _described(tensor)
    ]
    _refuse("has {} tensors of another shape or type than an encoder's", mismatches)
    not_finite = [each for each in wanted if not torch.isfinite(state[each]).all()]
    _refuse("has {} tensors with NaN or infinite values", not_finite)
    return {name: state[released].reshape(ours[name].shape) for name, released in names.items()}


def encoder_to_released(ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of a `ClipEncoder` under the released names and in the released shapes.

    Raises:
        EncoderError: blocks of a part have different graphs, which the released names do not support.
    """
    state: dict[str, Tensor] = {}
    for name, released in encoder_names(ours).items():
        tensor = _as_released(released, ours[name])
        if not torch.equal(state.setdefault(released, tensor), tensor):
            raise EncoderError(f"The blocks of one part have different graphs; {released} can hold only one.")
    return state


def unused_tensors(state: Iterable[str], ours: Iterable[str]) -> dict[str, list[str]]:
    """Return the released names that are not part of an encoder with the names `ours`, by kind.

    The kinds are those of `core.exchange.card.ReleasedCard.left_out`.
    """
    kinds: dict[str, list[str]] = {}
    for name in sorted(set(state) - set(encoder_names(ours).values())):
        kind = next((kind for kind, beginning in _LEFT_OUT if re.match(beginning, name)), "unknown")
        kinds.setdefault(kind, []).append(name)
    return kinds


def first_names(names: Sequence[str]) -> str:
    """Return the first names of several, for a message."""
    return ", ".join(names[:_MAX_NAMED]) + (", ..." if len(names) > _MAX_NAMED else "")


def _as_released(name: str, ours: Tensor) -> Tensor:
    """Return a view of our tensor in the shape of the released one."""
    num_axes = next((number for ending, number in _TRAILING_AXES if re.search(ending + "$", name)), 0)
    return ours[(..., *[None] * num_axes)]


def _described(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _refuse(what: str, faults: Sequence[str]) -> None:
    if faults:
        raise EncoderError(f"The checkpoint {what.format(len(faults))}: {first_names(faults)}.")
