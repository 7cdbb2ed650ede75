"""Check what the pickle of a file of torch.save holds and how much memory it takes, before PyTorch loads it.

PyTorch's restricted unpickler runs no code, but it calls what may take any memory: `bytearray(10**10)`, or a
tensor's type with a size. The machine here runs the same operations, with marks in place of tensors.
"""

import pickletools
from pathlib import Path
from typing import IO

from core.corpora.readers.untrusted.pickle_machine import STEPS, Machine
from core.corpora.readers.untrusted.pickled_arrays import FUNCTIONS, Function, Refusal
from core.corpora.readers.untrusted.safe_pickle import BoundedStream
from core.errors import EncoderError

MAX_OPERATIONS = 5_000_000
MAX_OBJECT_BYTES = 2**28
"""Maximum memory of names, numbers and containers, tensors not counted."""

_MARK = "torch"
"""Stands for a tensor, a storage, or what belongs to one."""
_STORAGE = "storage"
_LAYERS_WITH_STORAGES = ("torch", "torch.cuda", "torch.storage")


class ForeignObject(EncoderError):  # noqa: N818 - the name states the error
    """The pickle uses `name`, which a file of weights does not need."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def check_pickle(path: Path, stream: IO[bytes], num_bytes: int) -> None:
    """Check a pickle of `num_bytes`; `path` is named in errors.

    Raises:
        ForeignObject: it uses what a file of weights does not need.
        EncoderError: damaged, or above the limits.
    """
    machine = _TorchMachine(
        path, max_operations=MAX_OPERATIONS, max_bytes=num_bytes, max_object_bytes=MAX_OBJECT_BYTES
    )
    try:
        machine.run(pickletools.genops(BoundedStream(stream, num_bytes)))  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError) as error:
        raise EncoderError(f"{path} cannot be read as weights: its pickle is damaged ({error}).") from None


def _mark(refusal: Refusal, *_: object) -> str:
    return _MARK


def _dict(refusal: Refusal, *items: object) -> dict[object, object]:
    if items:
        raise refusal("a dict converted from another type")
    return {}


class _TorchMachine(Machine):
    """Runs the operations of a file of torch.save."""

    functions = {  # noqa: RUF012 - as in the base class
        ("collections", "OrderedDict"): Function(_dict),
        ("collections", "Counter"): Function(_dict),
        ("_codecs", "encode"): FUNCTIONS["_codecs", "encode"],
        **{(module, "set"): FUNCTIONS[module, "set"] for module in ("builtins", "__builtin__")},
        **{
            ("torch._utils", f"_rebuild_{name}"): Function(_mark)
            for name in ("tensor", "tensor_v2", "parameter", "parameter_with_state", "sparse_tensor")
        },
        ("torch.serialization", "_get_layout"): Function(_mark),
        ("torch", "Size"): Function(_mark),
        ("torch", "device"): Function(_mark),
    }

    def refusal(self, what: str) -> EncoderError:
        return EncoderError(f"{self.path} cannot be read as weights: its pickle holds {what}.")

    def push_function(self, module: object, name: object) -> None:
        if module in _LAYERS_WITH_STORAGES and (module, name) not in self.functions:
            self.stack.append(_MARK)  # the type of a storage or of its numbers, which is not called
        elif (module, name) in self.functions:
            self.stack.append(self.functions[module, name])
        else:
            raise ForeignObject(f"{module}.{name}")

    def build(self) -> None:
        """Leave out the state of an ordered dict, such as a network's `_metadata`."""
        self.pop(1)

    def push_storage(self) -> None:
        """Push a tensor's numbers, which are in a file of their own."""
        (reference,) = self.pop(1)
        if type(reference) is not tuple or reference[:1] != (_STORAGE,):
            raise self.refusal("a reference to something else than a tensor's numbers")
        self.stack.append(_MARK)


def _push_storage(machine: Machine, _: object) -> None:
    assert isinstance(machine, _TorchMachine)
    machine.push_storage()


_TorchMachine.steps = {**STEPS, "BINPERSID": _push_storage}
