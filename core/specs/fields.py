"""Field types and the base model of all configurations and specifications."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, FailFast, Field, Strict

from core.specs.docstrings import Described
from core.specs.nesting import bounded

Real = Annotated[float, Strict()]
Whole = Annotated[int, Strict()]
"""Numbers and switches are strict: `"5"` and `true` are not accepted for 5."""
Fraction = Annotated[Real, Field(ge=0, le=1)]
ProperFraction = Annotated[Real, Field(gt=0, lt=1)]
"""A fraction strictly between 0 and 1."""
Positive = Annotated[Whole, Field(ge=1)]
Position = Annotated[Whole, Field(ge=0)]
MAX_DURATION_DAYS = 36_500.0
"""The longest duration in days: 100 years. With longer ones, times would lie outside of the calendar."""
MAX_DURATION_SECONDS = MAX_DURATION_DAYS * 86_400
SecondsOrZero = Annotated[float, Field(ge=0, le=MAX_DURATION_SECONDS, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=MAX_DURATION_SECONDS, allow_inf_nan=False)]
Days = Annotated[float, Field(gt=0, le=MAX_DURATION_DAYS, allow_inf_nan=False)]
"""Every duration that a user gives has one of these types. Unlike `Real` they accept text, of variables and
queries."""
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Names = Annotated[tuple[Name, ...], FailFast()]
"""Names, of which the first invalid one is reported: reporting thousands would take long."""
Reference = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]
"""An id, a name or a path."""
_UNFIT_FOR_FILES = r"\x00-\x1f/\\"


def _checked_file_name(name: object) -> object:
    """Reject forbidden characters with a message that lists them; a pattern's message does not."""
    unfit = sorted(set(re.findall(f"[{_UNFIT_FOR_FILES}]", name))) if isinstance(name, str) else []
    if unfit:
        raise ValueError(
            "a name must not contain slashes or control characters, but this one contains "
            f"{', '.join(map(repr, unfit))}; remove them, or write '-' instead"
        )
    return name


FileName = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=f"^[^{_UNFIT_FOR_FILES}]+$"),
    BeforeValidator(_checked_file_name),
]
"""A name that may become part of a file name: no slashes and no control characters."""
JsonObject = Annotated[dict[str, Any], AfterValidator(bounded)]
"""An object of any fields, nested to a limited depth."""
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]
Switch = Annotated[bool, Strict()]
Precision = Literal["auto", "fp32", "bf16"]
EngineName = Literal["auto", "eager", "compiled", "native"]


class Closed(Described):
    """A frozen pydantic model that rejects unknown fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        ser_json_inf_nan="null",
    )


@dataclass(frozen=True)
class Augmentation:
    """Marks a field that controls a random change of views; with the value `off` there is no change."""

    off: float


@dataclass(frozen=True)
class NotAugmentation:
    """Marks a field of views that by itself controls no random change."""


NOT_AUGMENTATION = NotAugmentation()
