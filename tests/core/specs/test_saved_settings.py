"""Settings saved by an earlier version get the defaults of new fields."""

from pydantic import BaseModel

from core.specs.import_jobs import ImportSpec
from core.specs.saved_settings import with_defaults_for_new_settings


class Before(BaseModel):
    steps: int = 10


class Now(BaseModel):
    steps: int = 10
    folder: str
    rates: tuple[float, ...] = (0.5,)
    """New since."""


def test_a_new_setting_gets_its_default_and_placeholders_are_removed() -> None:
    saved = Before(steps=20).model_dump(mode="json")
    settings = with_defaults_for_new_settings(saved, Now, placeholders={"folder": "-"})
    assert settings == {"steps": 20, "rates": [0.5]}


def test_settings_that_do_not_fit_are_unchanged() -> None:
    saved = {"steps": "many"}
    assert with_defaults_for_new_settings(saved, Now, placeholders={"folder": "-"}) == saved
    assert with_defaults_for_new_settings({"steps": 3}, Now) == {"steps": 3}, "its folder is unknown"
    assert with_defaults_for_new_settings(None, Now) is None


def test_settings_of_this_version_are_unchanged() -> None:
    left_out = {"kind": "import", "source": "any"}
    options = ImportSpec(name="a", source="b").model_dump(mode="json", exclude=set(left_out))
    assert with_defaults_for_new_settings(options, ImportSpec, placeholders=left_out) == options
