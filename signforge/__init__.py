"""signforge: client of the training service, and use of trained sign-language encoders.

`Client` calls the service. `load_encoder` and `read_clips` use a downloaded encoder without the service.
"""

import importlib
from typing import TYPE_CHECKING

from signforge.installation import refuse_hidden_folders, require

if TYPE_CHECKING:
    from signforge.client import ApiError, Client, ConnectionFailed, WaitTimedOut
    from signforge.encoder import Encoder, load_encoder, read_clips

__all__ = ["ApiError", "Client", "ConnectionFailed", "Encoder", "WaitTimedOut", "load_encoder", "read_clips"]

_IN_ENCODER = frozenset({"Encoder", "load_encoder", "read_clips"})


def __getattr__(name: str) -> object:
    """Import a public name on first use, for a fast start."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    refuse_hidden_folders()
    if name in _IN_ENCODER:
        require("worker", "numpy", "safetensors", "torch", what=f"`signforge.{name}`")
    home = "signforge.encoder" if name in _IN_ENCODER else "signforge.client"
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
