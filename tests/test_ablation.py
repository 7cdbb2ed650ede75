"""The ablation: what the recipe `signforge` is said to be, it is; results are kept and never mixed."""

from pathlib import Path

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.evaluation.label_draw import fitted_on, labelled
from core.evaluation.task import task_of
from core.pose.clip import Clip
from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec, SplitConfig
from core.specs.jobs import ClipSelection, EvaluateSpec, PretrainSpec
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
    from ablation.rows import HALVES, PLACED, REPAIRS, SIZE, merged, rows

    (ours,) = (row for row in rows() if row.name == "signforge")
    repaired = merged(SIZE, *REPAIRS.values(), *PLACED.values(), HALVES)
    assert settings("stc", repaired) == settings("signforge", ours.overrides)


@pytest.mark.usefixtures("ablation")
def test_at_its_own_size_the_recipe_is_what_the_tables_show() -> None:
    from ablation.rows import rows

    (ours,) = (row for row in rows() if row.name == "signforge")
    measured, shipped = settings("signforge", ours.overrides), settings("signforge", {})
    assert shipped["run"]["num_steps"] == 320, "the budget of all rows"
    for part in ("views", "encoder", "contrast", "optimiser"):
        assert measured[part] == shipped[part], part
    assert {name for name in shipped["run"] if shipped["run"][name] != measured["run"][name]} <= {
        "num_steps",
        "device",
        "precision",
        "checkpoint_every_steps",
        "monitor_every_steps",
    }


@pytest.mark.usefixtures("ablation")
def test_every_row_is_a_configuration_and_says_something_else() -> None:
    from ablation.rows import rows

    made = [
        (settings(row.recipe, row.overrides), row.learned_from, row.num_clips)
        for row in rows()
        if row.pretrained
    ]
    assert len({str(each) for each in made}) == len(made)


@pytest.mark.usefixtures("ablation")
def test_a_line_that_was_cut_is_taken_away_and_the_rest_goes_on(tmp_path: Path) -> None:
    from ablation.results import Results

    path = tmp_path / "results.jsonl"
    Results(path, {"signs": "one"}).add({"key": "first", "knn": 0.123456, "corpus": "signs", "digest": "one"})
    path.write_text(path.read_text() + '{"key": "second", "kn')
    results = Results(path, {"signs": "one"})
    results.add({"key": "third", "knn": 1.0, "corpus": "signs", "digest": "one"})
    assert Results(path).all == results.all
    assert [(each["key"], each["knn"]) for each in results.all] == [("first", 0.1235), ("third", 1.0)]
    assert "first" in results
    assert "second" not in results


@pytest.mark.usefixtures("ablation")
def test_results_of_a_corpus_that_has_changed_are_not_mixed(tmp_path: Path) -> None:
    from ablation.results import Results, ResultsError

    path = tmp_path / "results.jsonl"
    Results(path, {"signs": "one"}).add({"key": "first", "corpus": "signs", "digest": "one"})
    with pytest.raises(ResultsError, match=r"another corpus 'signs' \(one\), but this run is on two"):
        Results(path, {"signs": "two"})
    assert len(Results(path, {"words": "two"}).all) == 1, "of another corpus beside it"
    assert len(Results(path).all) == 1, "to be shown, whatever they are of"


@pytest.mark.usefixtures("ablation")
def test_mirrored_copies_tell_raw_keypoints_what_somebody_left_handed_signs(tmp_path: Path) -> None:
    from ablation.keypoints import baselines
    from ablation.suite import Fold

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
    others, alone = ClipSelection(exclude_signers=(left_handed,)), ClipSelection(signers=(left_handed,))
    scores = dict(baselines(Fold("signers", str(corpus), left_handed, others, alone), seed=0))
    raw, mirrored = scores["raw keypoints"], scores["raw keypoints, mirrored copies too"]
    assert raw["knn"] + 0.2 < mirrored["knn"]
    alike = {each for name, each in scores.items() if name.endswith("standardised") for each in each}
    assert alike == {"knn", "knn_1", "knn_5"}, "regression standardises by itself"
    for few in ("linear_5", "paired_5", "knn_5"):
        assert raw[few] < mirrored[few]
    assert "raw keypoints, placed hands, mirrored copies too" in scores


@pytest.mark.usefixtures("ablation")
def test_the_suite_leaves_out_signers_or_days_and_asks_only_for_glosses_that_are_known(
    shared_data: Path, tmp_path: Path
) -> None:
    from ablation.suite import folds

    found = folds(shared_data, tmp_path, ("letters", "words"))
    assert [(fold.corpus, fold.name) for fold in found] == [
        ("letters", "s1"), ("letters", "s2"), ("letters", "s3"), ("words", "later days"),
    ]  # fmt: skip
    for fold in found:
        corpus = PackedCorpus.open(fold.path)
        known, asked = corpus.select(fold.known), corpus.select(fold.asked)
        taught = {corpus.label_names[label] for label in corpus.labels[known]}
        assert taught >= {corpus.label_names[label] for label in corpus.labels[asked]}
        assert "-" not in taught
        groups = corpus.sessions if fold.corpus == "words" else corpus.signers
        assert not set(groups[known].tolist()) & set(groups[asked].tolist())
    days = [corpus.session_names[session][:10] for session in set(corpus.sessions[asked].tolist())]
    assert min(days) == "2022-03-07"


@pytest.mark.usefixtures("ablation")
def test_a_seed_counts_once_every_fold_has_been_left_out() -> None:
    from ablation.tables import tables

    taken = [("s1", 0, 0.5), ("s2", 0, 0.9), ("s1", 1, 0.3), ("s2", 1, 0.7), ("s2", 2, 0.9)]
    results = [
        {"row": "one", "group": "rows", "corpus": "signs", "fold": fold, "seed": seed, "knn": knn}
        for fold, seed, knn in taken
    ]
    assert tables(results, ["one"]).splitlines()[-1] == "| one | 2 | 0.400 | 0.800 | 0.600 ± 0.141 |"


@pytest.mark.usefixtures("ablation")
def test_the_number_of_a_row_is_above_the_strongest_baseline_of_each_corpus() -> None:
    from ablation.summary import FROZEN, summary

    def line(row: str, group: str, corpus: str, fold: str, **scores: float) -> dict[str, object]:
        values = dict.fromkeys(FROZEN, 0.5) | scores
        return {"row": row, "group": group, "corpus": corpus, "fold": fold, "seed": 0, **values}

    results = [
        line("plain", "baselines", "signs", "s1", knn=0.9),
        line("plain", "baselines", "signs", "s2", knn=0.1),
        line("placed", "baselines", "signs", "s1", knn=0.6),
        line("placed", "baselines", "signs", "s2", knn=0.8),
        line("plain", "baselines", "letters", "s1", knn=0.72),
        line("ours", "recipes", "signs", "s1", knn=1.0),
        line("ours", "recipes", "signs", "s2", knn=1.0),
        line("ours", "recipes", "letters", "s1", linear_1=0.1),
        line("partial", "recipes", "signs", "s1"),
    ]
    row = summary(results, ["plain", "placed", "ours", "partial"]).splitlines()[-1].split(" | ")
    signs = (0.4 + 0.2) / 2 / 4  # above `placed`, which is the stronger one in the mean
    letters = (-0.22 - 0.4) / 4
    assert row[0] == "| ours"
    assert row[1] == "", "without fine-tuning there are no six scores"
    assert row[2].startswith(f"{(signs + letters) / 2:+.3f} (")
    assert row[3:] == [f"{signs:+.3f}", f"{letters:+.3f} |"]


@pytest.mark.usefixtures("ablation")
def test_baselines_have_the_task_of_the_encoders(tmp_path: Path) -> None:
    """Glosses that no clip asked has are left out, and few labels are drawn from the same clips."""
    from ablation.keypoints import clips_of_shared_glosses
    from ablation.suite import Fold

    still = Clip.of(np.full((3, 49, 2), 0.5), np.ones((3, 49), dtype=bool))
    of_one, of_two = [(gloss, "one") for gloss in "zaby"], [(gloss, "two") for gloss in "zby"]
    clips = [
        SourceClip(still, f"{number}", gloss, signer, None, None)
        for number, (gloss, signer) in enumerate(4 * (of_one + of_two))
    ]
    corpus = write_corpus(tmp_path / "c", clips, name="c", split=SplitConfig(), provenance={"from": "test"})
    selections = [ClipSelection(signers=(signer,)) for signer in ("one", "two")]
    fold = Fold("c", str(corpus.path), "two", *selections)
    known, asked = clips_of_shared_glosses(corpus, fold)
    sides = {"clips": fold.known, "test_corpus": fold.path, "test_clips": fold.asked}
    spec = EvaluateSpec(corpus=fold.path, features="keypoints", labels_per_gloss=2, **sides)
    task = task_of(spec)
    np.testing.assert_array_equal(task.sources[0].clips, known)
    np.testing.assert_array_equal(task.sources[1].clips, asked)
    assert {corpus.label_names[label] for label in corpus.labels[known]} == {"b", "y", "z"}
    ours = labelled(np.arange(len(known)), corpus.labels[known].astype(np.int64), spec, seed=3)
    np.testing.assert_array_equal(ours, fitted_on(task.folds[0], task.labels, spec, seed=3))
