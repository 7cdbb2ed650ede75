"""The ablation: what the recipe `signforge` is said to be, it is; results are kept and never mixed."""

from pathlib import Path

import pytest

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec, SplitConfig
from core.specs.jobs import PretrainSpec
from core.specs.recipes import resolve

pytestmark = pytest.mark.slow

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
    from ablation.rows import CHOICES, SIZE

    measured, shipped = settings("signforge", SIZE), settings("signforge", {})
    assert shipped["run"]["num_epochs"] == CHOICES["40 epochs"]["run"]["num_epochs"], "which has a row"
    for part in ("views", "encoder", "contrast", "optimiser"):
        assert measured[part] == shipped[part], part
    assert {name for name in shipped["run"] if shipped["run"][name] != measured["run"][name]} <= {
        "num_epochs",
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


@pytest.mark.usefixtures("ablation")
def test_a_line_that_was_cut_is_taken_away_and_the_rest_goes_on(tmp_path: Path) -> None:
    from ablation.results import Results

    path = tmp_path / "results.jsonl"
    Results(path, "one").add({"key": "first", "knn": 0.123456})
    path.write_text(path.read_text() + '{"key": "second", "kn')
    results = Results(path, "one")
    results.add({"key": "third", "knn": 1.0})
    assert Results(path, "one").all == results.all
    assert [(each["key"], each["knn"]) for each in results.all] == [("first", 0.1235), ("third", 1.0)]
    assert "first" in results
    assert "second" not in results


@pytest.mark.usefixtures("ablation")
def test_results_of_two_corpora_are_not_mixed(tmp_path: Path) -> None:
    from ablation.results import Results, ResultsError

    path = tmp_path / "results.jsonl"
    Results(path, "one").add({"key": "first"})
    with pytest.raises(ResultsError, match="holds results of corpus one, but this run is on corpus two"):
        Results(path, "two")
    assert len(Results(path).all) == 1, "to be shown, whatever they are of"


@pytest.mark.usefixtures("ablation")
def test_mirrored_copies_tell_raw_keypoints_what_somebody_left_handed_signs(tmp_path: Path) -> None:
    from ablation.keypoints import BASELINES, baselines

    recordings = SyntheticConfig(num_signs=6, num_signers=4, takes_per_sign=2)
    save_npz(generate(recordings), tmp_path / "signers.npz")
    import_corpus(
        ImportSpec(
            name="signers", source=str(tmp_path / "signers.npz"), split=SplitConfig(allow_overlap=True)
        ),
        tmp_path,
        SilentObserver(),
    )
    corpus = tmp_path / "corpus"
    left_handed = PackedCorpus.open(corpus).signer_names[3]
    scores = dict(baselines(str(corpus), left_handed, (), seed=0))
    raw, standardised, mirrored, both = (scores[name] for name in BASELINES)
    assert raw["knn"] + 0.2 < mirrored["knn"]
    assert set(standardised) == set(both) == {"knn", "knn_1", "knn_5"}, "regression standardises by itself"
    for few in ("linear_5", "paired_5", "knn_5"):
        assert raw[few] < mirrored[few]


@pytest.mark.usefixtures("ablation")
def test_a_seed_counts_once_every_signer_has_been_left_out() -> None:
    from ablation.tables import tables

    taken = [("s1", 0, 0.5), ("s2", 0, 0.9), ("s1", 1, 0.3), ("s2", 1, 0.7), ("s2", 2, 0.9)]
    results = [
        {"row": "one", "group": "rows", "signer": signer, "seed": seed, "knn": knn}
        for signer, seed, knn in taken
    ]
    assert tables(results, ["one"]).splitlines()[-1] == "| one | 2 | 0.400 | 0.800 | 0.600 ± 0.141 |"
