"""signforge: client of the training service, and use of trained sign-language encoders.

`Client` calls the service. `load_encoder` and `read_clips` use a downloaded encoder without the service.
"""

import importlib
from typing import TYPE_CHECKING

from signforge.installation import refuse_hidden_folders, require

if TYPE_CHECKING:
    from core.errors import SignforgeError, SpecError, UserError
    from signforge.client import ApiError, Client, ConnectionFailed, JobFailed, WaitTimedOut
    from signforge.encoder import Encoder, load_encoder, read_clips
    from signforge.pose_source import FindingWarning

__all__ = [
    "ApiError",
    "Client",
    "ConnectionFailed",
    "Encoder",
    "FindingWarning",
    "JobFailed",
    "SignforgeError",
    "SpecError",
    "UserError",
    "WaitTimedOut",
    "load_encoder",
    "read_clips",
]

_IN_ENCODER = frozenset({"Encoder", "load_encoder", "read_clips"})
_HOMES = {
    **dict.fromkeys(_IN_ENCODER, "signforge.encoder"),
    **dict.fromkeys(("SignforgeError", "SpecError", "UserError"), "core.errors"),
    "FindingWarning": "signforge.pose_source",
}
"""Modules of the public names; of all others it is `signforge.client`."""


def __getattr__(name: str) -> object:
    """Import a public name on first use, for a fast start."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    refuse_hidden_folders()
    if name in _IN_ENCODER:
        require("worker", "numpy", "safetensors", "torch", what=f"`signforge.{name}`")
    module = importlib.import_module(_HOMES.get(name, "signforge.client"))
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
