"""Shared parts of response bodies: the base class, pages of lists, common fields."""

from typing import Annotated, Generic, TypeVar

from pydantic import ConfigDict, Field

from core.specs.docstrings import Described
from core.specs.fields import Real

GraceSeconds = Annotated[Real, Field(ge=0, le=30 * 86_400)]
"""How long the old credential still works after a rotation."""


class Sent(Described):
    """Base class of response bodies."""

    model_config = ConfigDict(from_attributes=True)


ItemT = TypeVar("ItemT")


class Page(Sent, Generic[ItemT]):
    """One page of a list, newest first."""

    data: list[ItemT]
    """The items."""
    next_cursor: str | None
    """`cursor` of the next page. Null on the last page."""
    has_more: bool
    """Whether there is a next page."""
