"""What all bodies that the API sends share: the base class, pages of lists, common fields."""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from core.specs.fields import Real

GraceSeconds = Annotated[Real, Field(ge=0, le=30 * 86_400)]
"""How long what a rotation replaces goes on working."""


class Sent(BaseModel):
    """Something the API sends."""

    model_config = ConfigDict(use_attribute_docstrings=True, from_attributes=True)


ItemT = TypeVar("ItemT")


class Page(Sent, Generic[ItemT]):
    """One page of a list, newest first."""

    data: list[ItemT]
    """The items."""
    next_cursor: str | None
    """Send it as `cursor` to get the next page; null on the last one."""
    has_more: bool
    """Whether there is a next page."""
