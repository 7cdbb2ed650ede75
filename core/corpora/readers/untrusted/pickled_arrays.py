"""Safe replacements of the functions in pickles of NumPy arrays; their arguments are checked."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from core.errors import UserError

Refusal = Callable[[str], UserError]
"""Makes the error for content that a pickle may not hold."""

_PLAIN_TYPE = re.compile(r"[|<>=]?[biufSU?]\d{0,9}")
_LARGEST_EMPTY = 2**24
"""Maximum size of an array without data, where a side of 0 counts as 1."""
_BYTE_ORDERS = ("<", ">", "=", "|")
_KEYS = (str, bytes, int, float, bool, type(None))
_NDARRAY = "numpy.ndarray"
"""Placeholder for the class numpy.ndarray, which can only be passed as an argument."""


@dataclass(frozen=True)
class Function:
    """Replacement of an imported function; `make` is called with a `Refusal` and the pickle's arguments."""

    make: Callable[..., object]


@dataclass
class PartialValue(ABC):
    """A value that waits for its state; `keys` are its keys in the pickle's memo."""

    keys: list[int] = field(default_factory=list)

    @abstractmethod
    def complete(self, refusal: Refusal, state: tuple[Any, ...]) -> object:
        """Make the value from its state."""


@dataclass
class PartialArray(PartialValue):
    """An array before its shape, type and data are known."""

    def complete(self, refusal: Refusal, state: tuple[Any, ...]) -> np.ndarray:
        """Make the array from (version, shape, type, Fortran order, data)."""
        shape, dtype, is_fortran, data = state[-4:]
        return _array(refusal, data, dtype, shape, "F" if is_fortran else "C")


@dataclass
class PartialDtype(PartialValue):
    """An array type before its byte order is known."""

    code: str = ""

    def complete(self, refusal: Refusal, state: tuple[Any, ...]) -> np.dtype[Any]:
        """Make the type, if it is a plain one: without fields, subarrays or metadata."""
        order, *structure = state[1:5]
        if order not in _BYTE_ORDERS or structure != [None] * 3 or any(state[8:]):
            raise refusal(f"arrays of a structured type ({self.code})")
        return np.dtype(self.code).newbyteorder(order)


def check_key(refusal: Refusal, key: object) -> Hashable:
    """Return a key of a dict or member of a set, if it is a number, text, bytes or None."""
    if type(key) not in _KEYS:
        raise refusal(f"a {type(key).__name__} as a key")
    return key


def _reconstruct(refusal: Refusal, kind: object, *_: object) -> PartialArray:
    if kind != _NDARRAY:
        raise refusal("an array of a custom class")
    return PartialArray()


def _from_buffer(
    refusal: Refusal, data: object, dtype: object, shape: object, order: object, axes: object = None
) -> np.ndarray:
    if order == "K" and isinstance(axes, tuple):
        return _array(refusal, data, dtype, shape, "C").transpose(axes)
    if order not in ("C", "F"):
        raise refusal(f"an array in the order {order!r}")
    return _array(refusal, data, dtype, shape, "C" if order == "C" else "F")


def _array(
    refusal: Refusal, data: object, dtype: object, shape: object, order: Literal["C", "F"]
) -> np.ndarray:
    data = data.encode("latin-1") if isinstance(data, str) else data  # written by Python 2
    if not isinstance(dtype, np.dtype) or not isinstance(data, (bytes, bytearray)):
        raise refusal(f"an array of {type(data).__name__}")
    sides = tuple(shape) if isinstance(shape, tuple) else ()
    if sides != shape or any(type(side) is not int or side < 0 for side in sides):
        raise ValueError(f"an array has the invalid shape {shape!r}")
    if math.prod(sides) * dtype.itemsize != len(data):
        raise ValueError(f"an array of shape {sides} and type {dtype} has the wrong size, {len(data)} bytes")
    if sides and not data and (not dtype.itemsize or math.prod(filter(None, sides)) > _LARGEST_EMPTY):
        raise refusal(f"an array of shape {sides} and type {dtype} without data")
    return np.ndarray(sides, dtype, buffer=data, order=order)


def _scalar(refusal: Refusal, dtype: object, data: object = b"") -> object:
    return _array(refusal, data, dtype, (), "C").item()


def _dtype(refusal: Refusal, code: object, *_: object) -> PartialDtype:
    if not isinstance(code, str) or not _PLAIN_TYPE.fullmatch(code):
        raise refusal(f"arrays of the type {code!r}")
    return PartialDtype(code=code)


def _encode(refusal: Refusal, text: object, encoding: object) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise refusal(f"text with the encoding {encoding!r}")
    return text.encode("latin-1")


def _no_bytes(refusal: Refusal, *parts: object) -> bytes:
    if parts:
        raise refusal("bytes converted from another type")
    return b""


def _set(refusal: Refusal, items: Iterable[object] = ()) -> set[Hashable]:
    if type(items) is not list:
        raise refusal("a set converted from another type than a list")
    return {check_key(refusal, item) for item in items}


def _frozenset(refusal: Refusal, items: Iterable[object] = ()) -> frozenset[Hashable]:
    return frozenset(_set(refusal, items))


_NUMPY_CORES = ("numpy.core", "numpy._core")
_BUILTINS = ("builtins", "__builtin__")

FUNCTIONS: dict[tuple[object, object], Function | str] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Function(_dtype),
    ("_codecs", "encode"): Function(_encode),
    **{(f"{core}.multiarray", "_reconstruct"): Function(_reconstruct) for core in _NUMPY_CORES},
    **{(f"{core}.multiarray", "scalar"): Function(_scalar) for core in _NUMPY_CORES},
    **{(f"{core}.numeric", "_frombuffer"): Function(_from_buffer) for core in _NUMPY_CORES},
    **{(module, "bytes"): Function(_no_bytes) for module in _BUILTINS},
    **{(module, "set"): Function(_set) for module in _BUILTINS},
    **{(module, "frozenset"): Function(_frozenset) for module in _BUILTINS},
}
"""Allowed functions, by module and name."""
