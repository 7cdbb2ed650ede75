"""An encoder's tensors in the paper's released naming: taken from it, put into it, and what is left over."""

import re
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from core.errors import EncoderError
from core.exchange.released import encoder_names

_TRAILING_AXES = ((r"\.(gcn\.conv|tcn\.3|residual\.0|conv4\.0)\.weight", 2), (r"\.conv1x1\.weight", 1))
"""How many axes of length 1 a convolution's weight has behind its channels."""
_LEFT_OUT = (
    ("unused", r"(.*\.)?(conv2|non_local|fcn)\."),
    ("key_networks", r"encoder_k(_motion)?\."),
    ("heads", r"encoder_q(_motion)?\.proj\.(fc|hand_fc|body_fc)\."),
    ("queues", r"queue"),
)
"""Kinds of tensors that an encoder has no use for, and how their names begin."""
_MOST_NAMED = 3


def encoder_from_released(state: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state for `core.exchange.clip_encoder.ClipEncoder` with the released tensors, graphs included.

    `ours` is such an encoder's state: it says which names, shapes and types are wanted.

    Raises:
        EncoderError: a tensor is missing, of another shape or type, or not finite; the first few are named.
    """
    names = encoder_names(ours)
    wanted = {released: _as_released(released, ours[name]) for name, released in names.items()}
    _refuse(
        f"lacks {{}} of the {len(wanted)} tensors of an encoder",
        [each for each in wanted if each not in state],
    )
    misfits = [
        f"{each} is {_described(state[each])}, not {_described(tensor)}"
        for each, tensor in wanted.items()
        if _described(state[each]) != _described(tensor)
    ]
    _refuse("has {} tensors of another shape or type than an encoder's", misfits)
    broken = [each for each in wanted if not torch.isfinite(state[each]).all()]
    _refuse("has {} tensors with values that are not finite", broken)
    return {name: state[released].reshape(ours[name].shape) for name, released in names.items()}


def encoder_to_released(ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of a `ClipEncoder` under the released names and in the released shapes.

    Raises:
        EncoderError: blocks of a part have graphs of their own, for which the released names have no word.
    """
    state: dict[str, Tensor] = {}
    for name, released in encoder_names(ours).items():
        tensor = _as_released(released, ours[name])
        if not torch.equal(state.setdefault(released, tensor), tensor):
            raise EncoderError(f"The blocks of one part have different graphs; {released} can hold only one.")
    return state


def left_over(state: Iterable[str], ours: Iterable[str]) -> dict[str, list[str]]:
    """The released names that an encoder with the names `ours` has no use for, by kind.

    The kinds are those of `core.exchange.card.ReleasedCard.left_out`.
    """
    kinds: dict[str, list[str]] = {}
    for name in sorted(set(state) - set(encoder_names(ours).values())):
        kind = next((kind for kind, beginning in _LEFT_OUT if re.match(beginning, name)), "unknown")
        kinds.setdefault(kind, []).append(name)
    return kinds


def few(names: Sequence[str]) -> str:
    """The first names of several, for a message."""
    return ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")


def _as_released(name: str, ours: Tensor) -> Tensor:
    """Our tensor in the shape of the released one, without a copy."""
    num_axes = next((number for ending, number in _TRAILING_AXES if re.search(ending + "$", name)), 0)
    return ours[(..., *[None] * num_axes)]


def _described(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _refuse(what: str, faults: Sequence[str]) -> None:
    if faults:
        raise EncoderError(f"The checkpoint {what.format(len(faults))}: {few(faults)}.")
