"""Types of fields, and the frozen, closed model, of which every configuration and specification is made."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict

Real = Annotated[float, Strict()]
Whole = Annotated[int, Strict()]
"""Numbers and switches are not guessed: `"5"` and `true` are no 5."""
Fraction = Annotated[Real, Field(ge=0, le=1)]
Positive = Annotated[Whole, Field(ge=1)]
Position = Annotated[Whole, Field(ge=0)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Reference = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]
"""An id, a name or a path."""
FileName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f/\\]+$")]
"""A name that may become part of a file's: no slashes and no control characters."""
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]
Switch = Annotated[bool, Strict()]
Precision = Literal["auto", "fp32", "bf16"]
EngineName = Literal["auto", "eager", "compiled", "native"]


class Closed(BaseModel):
    """A frozen model that refuses unknown fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        ser_json_inf_nan="null",
    )
