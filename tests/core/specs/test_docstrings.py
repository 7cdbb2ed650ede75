"""A JSON schema describes fields as pydantic's own `use_attribute_docstrings` would."""

from pydantic import BaseModel, ConfigDict, Field, create_model

from core.specs.docstrings import Described


class Theirs(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class Base(Described):
    told: int = 0
    """What it is.

    More of it.
    """
    said: int = Field(0, alias="called")
    """By another name."""
    known: int = Field(0, description="Already.")
    """Not this."""
    redefined: int = 0
    """Of the base."""
    silent: int = 0


class Derived(Base):
    redefined: int = 1
    own: int = 0
    """Its own."""


class TheirBase(Theirs):
    told: int = 0
    """What it is.

    More of it.
    """
    said: int = Field(0, alias="called")
    """By another name."""
    known: int = Field(0, description="Already.")
    """Not this."""
    redefined: int = 0
    """Of the base."""
    silent: int = 0


class TheirDerived(TheirBase):
    redefined: int = 1
    own: int = 0
    """Its own."""


class Outer:
    class Base(Described):
        told: int = 0
        """Of the inner class."""


def test_fields_are_described_as_pydantic_does() -> None:
    for ours, theirs in ((Base, TheirBase), (Derived, TheirDerived)):
        assert ours.model_json_schema()["properties"] == theirs.model_json_schema()["properties"]


def test_a_nested_class_has_its_own_docstrings() -> None:
    assert Outer.Base.model_json_schema()["properties"]["told"]["description"] == "Of the inner class."


def test_a_model_without_source_has_a_schema() -> None:
    made = create_model("Made", __base__=Described, __module__="nowhere", count=(int, 1))
    assert "description" not in made.model_json_schema()["properties"]["count"]
