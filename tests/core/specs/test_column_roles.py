"""Columns are stated by role or by the usual name of the column; anything else is answered in a sentence."""

from typing import Any

import pytest
from pydantic import ValidationError

from core.errors import UserError
from core.specs.faults import fault_sentence
from core.specs.import_jobs import ImportSpec
from signforge.commands.options.import_options import column_names


def spec(columns: dict[Any, Any]) -> ImportSpec:
    return ImportSpec.model_validate({"name": "signs", "source": "signs.zip", "columns": columns})


def test_usual_names_of_columns_are_roles() -> None:
    assert column_names("name=Datei, label=Gebärde") == {"clip": "Datei", "gloss": "Gebärde"}
    with pytest.raises(UserError, match=r"there is no role 'glos'\. Did you mean 'gloss'"):
        column_names("clip=Datei,glos=Gebärde")
    columns = spec({"name": "Datei", "label": "Gebärde", "signer": "wer"}).columns
    assert columns == {"clip": "Datei", "gloss": "Gebärde", "signer": "wer"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"clp": "Datei"}, "/columns: there is no role 'clp'. Did you mean 'clip'?"),
        ({"clip": "Datei", "x": "y"}, "there is no role 'x'. There are: clip, gloss, signer, session, split"),
        ({"Datei": "clip"}, "{role: column}: write {'clip': 'Datei'} instead of {'Datei': 'clip'}"),
        ({"clip": "a", "name": "b"}, "states 'clip' and 'name', which are the same role; omit one"),
    ],
)
def test_other_keys_are_answered_in_a_sentence(columns: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        spec(columns)
    (fault,) = refused.value.errors()
    assert message in fault_sentence(fault)


@pytest.mark.parametrize("columns", [{"clip": 3}, {3: "x"}, {"x" * 10_000: ["clip"]}, {"clip": {"a": 1}}])
def test_values_of_other_types_are_refused_shortly(columns: dict[Any, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        spec(columns)
    assert all(len(fault_sentence(fault)) < 400 for fault in refused.value.errors())
