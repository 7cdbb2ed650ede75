"""The ablation's rows: what the recipe `signforge` is said to be, it is."""

from pathlib import Path

import pytest

from core.recipes import resolve
from core.specs import PretrainSpec

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def ablation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def settings(recipe: str, overrides: dict) -> dict:
    spec = PretrainSpec(corpus="any", recipe=recipe, overrides=overrides)
    return resolve(spec).model_dump(mode="json", exclude={"recipe"})


@pytest.mark.usefixtures("ablation")
def test_the_repairs_together_are_the_recipe() -> None:
    from ablation.rows import REPAIRS, SIZE, merged

    assert settings("stc", merged(SIZE, *REPAIRS.values())) == settings("signforge", SIZE)


@pytest.mark.usefixtures("ablation")
def test_at_its_own_size_the_recipe_is_what_the_tables_show() -> None:
    from ablation.rows import SIZE

    measured, shipped = settings("signforge", SIZE), settings("signforge", {})
    for part in ("views", "encoder", "contrast", "optimiser"):
        assert measured[part] == shipped[part], part
    assert {name for name in shipped["run"] if shipped["run"][name] != measured["run"][name]} <= {
        "device",
        "precision",
        "checkpoint_every_steps",
        "monitor_every_steps",
    }


@pytest.mark.usefixtures("ablation")
def test_every_row_is_a_configuration_and_says_something_else() -> None:
    from ablation.rows import rows

    made = [settings(row.recipe, row.overrides) for row in rows() if row.pretrained]
    assert len({str(each) for each in made}) == len(made)
