"""Restricted pickle virtual machine: builds plain values and rejects all other operations by name."""

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from pickletools import OpcodeInfo
from typing import Any

import numpy as np

from core.corpora.readers.untrusted.pickled_arrays import FUNCTIONS, Function, PartialValue, check_key
from core.errors import CorpusError, UserError

MAX_DEPTH = 32
"""Maximum depth of nested containers; real files have four or five."""
LARGEST_INTEGER = 2**64
MAX_OBJECT_BYTES = 2**29
"""Maximum memory of numbers, text and containers together: 13 million numbers in lists."""

_MADE_PER_BYTE = 2
"""Bytes that calls may allocate per byte read: old protocols write arrays as text, which is copied once."""
_MADE_AT_LEAST = 2**27
"""Bytes that calls may always allocate, because numbers of a small file take more space as values."""

_SLOT_BYTES = 16
"""A place on the stack and in a list."""
_ENTRY_BYTES = 104
"""A place in a dict, a set or the memo."""
_LARGEST_SMALL = 2**16
"""Longer text and bytes are data, bounded by the size of the file."""
_MISFIT = "its operations are inconsistent"

Operations = Iterable[tuple[OpcodeInfo, Any, Any]]
"""Each operation with its argument and its position in the file."""


class Machine:
    """Runs the operations of one pickle; `path` is named in errors.

    `max_bytes` limits the total size of all arrays. An array is counted each time it occurs, because a pickle
    can refer to one array many times. Allocations by calls are also limited by the number of bytes read,
    because each call may copy data of the pickle. All other values together are limited by
    `max_object_bytes`, because an operation of one byte makes a set of 216 bytes.
    """

    steps: Mapping[str, "_Step"]
    """What each allowed operation does."""
    functions: Mapping[tuple[object, object], object] = FUNCTIONS
    """Allowed functions, by module and name."""

    def __init__(
        self, path: Path, *, max_operations: int, max_bytes: int, max_object_bytes: int = MAX_OBJECT_BYTES
    ) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self._max_operations, self._max_bytes = max_operations, max_bytes
        self._max_object_bytes = max_object_bytes
        self._bytes_read = self._bytes_made = self._object_bytes = 0
        self._outer: list[list[Any]] = []

    def run(self, operations: Operations) -> object:
        """Run the operations and return their value.

        Raises:
            CorpusError: an operation or a function that is not allowed.
            ValueError: inconsistent operations.
        """
        try:
            for count, (operation, argument, self._bytes_read) in enumerate(operations):
                if count == self._max_operations:
                    raise self.refusal(f"more than {self._max_operations} operations")
                if (step := self.steps.get(operation.name)) is None:
                    raise self.refusal(f"the operation {operation.name}")
                self.count_object(_SIZES.get(operation.name, _SLOT_BYTES))
                step(self, argument)
        except (IndexError, KeyError, DeprecationWarning):  # DeprecationWarning: invalid escape, if an error
            raise ValueError(_MISFIT) from None
        if len(self.stack) != 1 or self._outer:
            raise ValueError(_MISFIT)
        self._check(self.stack[0])
        return self.stack[0]

    def refusal(self, what: str) -> UserError:
        """Make the error for content that is not allowed."""
        return CorpusError(
            f"{self.path} holds {what}, which is not allowed. A pickle may hold only numbers, text, NumPy "
            "arrays, lists, tuples, dicts and sets. Save it again with only these, or as .npz."
        )

    def count_object(self, num_bytes: int) -> None:
        """Count the memory of a value before it is made."""
        self._object_bytes += num_bytes
        if self._object_bytes > self._max_object_bytes:
            raise self.refusal(f"values that take more than {self._max_object_bytes} bytes of memory")

    def mark(self) -> None:
        """Start a new stack on top of this one."""
        self._outer.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[Any]:
        """Pop all values since the last mark."""
        items, self.stack = self.stack, self._outer.pop()
        return items

    def pop(self, num: int) -> list[Any]:
        """Pop the last `num` values."""
        if len(self.stack) < num:
            raise IndexError
        items = self.stack[-num:]
        del self.stack[-num:]
        return items

    def memoize(self, key: int) -> None:
        """Store the last value in the memo under `key`."""
        value = self.stack[-1]
        self.memo[key] = value
        if isinstance(value, PartialValue):
            value.keys.append(key)

    def container(self, kind: type) -> Any:
        """Return the last value, which must be of type `kind` (list, dict or set)."""
        if type(self.stack[-1]) is not kind:
            raise self.refusal(f"a {type(self.stack[-1]).__name__} that is used as a {kind.__name__}")
        return self.stack[-1]

    def push_function(self, module: object, name: object) -> None:
        """Push a function, if it is one of those that pickles of NumPy arrays need."""
        if (function := self.functions.get((module, name))) is None:
            raise self.refusal(f"{module}.{name}")
        self.stack.append(function)

    def call(self) -> None:
        """Call a function with arguments."""
        function, arguments = self.pop(2)
        if not isinstance(function, Function) or type(arguments) is not tuple:
            raise self.refusal(f"a call of a {type(function).__name__}")
        self.stack.append(self._counted(function.make(self.refusal, *arguments)))

    def build(self) -> None:
        """Complete an array or an array type with its state."""
        target, state = self.pop(2)
        if not isinstance(target, PartialValue) or type(state) is not tuple:
            raise self.refusal(f"a {type(target).__name__} with its own state")
        complete = self._counted(target.complete(self.refusal, state))
        self.stack.append(complete)
        self.memo.update(dict.fromkeys(target.keys, complete))

    def _counted(self, made: object) -> object:
        self._bytes_made += made.nbytes if isinstance(made, np.ndarray) else sys.getsizeof(made)
        limit = min(self._max_bytes, max(_MADE_AT_LEAST, _MADE_PER_BYTE * self._bytes_read))
        if self._bytes_made > limit:
            raise self.refusal(f"calls that allocate more than {limit} bytes")
        return made

    def _check(self, value: object) -> None:
        """Check sizes and depth; a value that contains itself exceeds the depth limit."""
        open_values = [iter((value,))]
        visits = num_bytes = 0
        while open_values:
            if (inner := next(open_values[-1], _END)) is _END:
                open_values.pop()
                continue
            visits += 1
            num_bytes += inner.nbytes if isinstance(inner, np.ndarray) else 0
            if num_bytes > self._max_bytes:
                raise self.refusal(f"arrays of more than {self._max_bytes} bytes, repeated ones included")
            if len(open_values) > MAX_DEPTH + 1 or visits > self._max_operations:
                raise self.refusal(f"values nested more than {MAX_DEPTH} deep, or nested in themselves")
            if isinstance(inner, (PartialValue, Function)):
                raise self.refusal("a function" if isinstance(inner, Function) else "an incomplete array")
            if inside := _inside(inner):
                open_values.append(iter(inside))


_END = object()


def _inside(value: object) -> Collection[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()


def _push(machine: Machine, argument: object) -> None:
    if isinstance(argument, int) and abs(argument) >= LARGEST_INTEGER:
        raise machine.refusal("an integer of more than 64 bits")
    if (size := sys.getsizeof(argument)) <= _LARGEST_SMALL and not _is_cached(argument):
        machine.count_object(size)
    machine.stack.append(argument)


def _is_cached(value: object) -> bool:
    """Whether Python holds a value only once."""
    return type(value) is int and -5 <= value <= 256


def _push_again(machine: Machine, key: int) -> None:
    machine.stack.append(machine.memo[key])


def _set_items(machine: Machine, items: list[Any]) -> None:
    target = machine.container(dict)
    machine.count_object(_ENTRY_BYTES * (len(items) // 2))
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[check_key(machine.refusal, key)] = value


def _push_all(machine: Machine, kind: Callable[[list[Any]], object]) -> None:
    items = machine.pop_mark()
    machine.stack.append(kind(items))


def _make_frozenset(machine: Machine, _: object) -> None:
    items = machine.pop_mark()
    machine.count_object(_ENTRY_BYTES * len(items))
    machine.stack.append(frozenset(check_key(machine.refusal, item) for item in items))


def _make_dict(machine: Machine, _: object) -> None:
    items = machine.pop_mark()
    machine.stack.append({})
    _set_items(machine, items)


def _fill(fill: Callable[[Machine, list[Any]], None], take: Callable[[Machine], list[Any]]) -> "_Step":
    return lambda machine, _: fill(machine, take(machine))


def _extend(machine: Machine, items: list[Any]) -> None:
    machine.container(list).extend(items)


def _add(machine: Machine, items: list[Any]) -> None:
    machine.count_object(_ENTRY_BYTES * len(items))
    machine.container(set).update(check_key(machine.refusal, item) for item in items)


def _constants(values: Iterable[tuple[str, object]]) -> Iterator[tuple[str, "_Step"]]:
    for name, value in values:
        yield name, lambda machine, _, value=value: machine.stack.append(value)  # type: ignore[misc]


def _tuples(names: Iterable[str]) -> Iterator[tuple[str, "_Step"]]:
    for size, name in enumerate(names, start=1):
        yield name, lambda machine, _, size=size: machine.stack.append(tuple(machine.pop(size)))  # type: ignore[misc]


_Step = Callable[[Machine, Any], None]

_VALUES = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
"""Operations whose argument is the value."""

STEPS: dict[str, _Step] = {
    **dict.fromkeys(_VALUES, _push),
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, _: None),
    **dict(_constants([("NONE", None), ("NEWTRUE", True), ("NEWFALSE", False), ("EMPTY_TUPLE", ())])),
    **dict(_tuples(("TUPLE1", "TUPLE2", "TUPLE3"))),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _push_again),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), Machine.memoize),
    "MEMOIZE": lambda machine, _: machine.memoize(len(machine.memo)),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_SET": lambda machine, _: machine.stack.append(set()),
    "MARK": lambda machine, _: machine.mark(),
    "TUPLE": lambda machine, _: _push_all(machine, tuple),
    "LIST": lambda machine, _: _push_all(machine, list),
    "FROZENSET": _make_frozenset,
    "DICT": _make_dict,
    "APPEND": _fill(_extend, lambda machine: machine.pop(1)),
    "APPENDS": _fill(_extend, Machine.pop_mark),
    "SETITEM": _fill(_set_items, lambda machine: machine.pop(2)),
    "SETITEMS": _fill(_set_items, Machine.pop_mark),
    "ADDITEMS": _fill(_add, Machine.pop_mark),
    "GLOBAL": lambda machine, name: machine.push_function(*name.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.push_function(*machine.pop(2)),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
}
Machine.steps = STEPS

_SIZES = {
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _ENTRY_BYTES),
    **dict.fromkeys(("EMPTY_LIST", "LIST"), 72),
    **dict.fromkeys(("EMPTY_DICT", "DICT", "MARK"), 80),
    **dict.fromkeys(("EMPTY_SET", "FROZENSET"), 232),
    "TUPLE": 56,
    "TUPLE1": 64,
    "TUPLE2": 72,
    "TUPLE3": 80,
}
"""Bytes of memory that operations take, other than a slot and the argument: those of CPython."""
