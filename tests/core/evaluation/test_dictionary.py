"""Protocol `dictionary`: glosses ranked by their nearest exemplar, and the metrics of ASL Citizen on it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.errors import SplitError
from core.evaluation.dictionary import dictionary_scores
from core.evaluation.evaluate import evaluate
from core.evaluation.features import keypoint_features
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from core.specs.jobs import ClipSelection, EvaluateSpec
from tests.core.evaluation.making import packed, signed_clips


def literal_scores(
    exemplars: np.ndarray, labels: np.ndarray, queries: np.ndarray, glosses: int
) -> np.ndarray:
    centre = exemplars.mean(axis=0)
    scores = np.full((len(queries), glosses), -np.inf)
    for row, query in zip(scores, queries - centre, strict=True):
        for exemplar, gloss in zip(exemplars - centre, labels, strict=True):
            lengths = np.linalg.norm(query) * np.linalg.norm(exemplar)
            row[gloss] = max(row[gloss], query @ exemplar / lengths if lengths else 0.0)
    return scores


@given(st.integers(2, 20), st.integers(1, 6), st.integers(2, 5), st.integers(1, 50), st.integers(0, 2**31))
@settings(deadline=None, max_examples=60)
def test_a_gloss_is_as_near_as_its_nearest_exemplar(
    clips: int, queries: int, glosses: int, at_once: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    exemplars, asked = random.normal(size=(clips, 4)), random.normal(size=(queries, 4))
    labels = random.integers(0, glosses, clips)
    found = dictionary_scores(
        torch.from_numpy(exemplars),
        torch.from_numpy(labels),
        torch.from_numpy(asked),
        num_classes=glosses,
        similarities_at_once=at_once,
    )
    np.testing.assert_allclose(found.numpy(), literal_scores(exemplars, labels, asked, glosses), atol=1e-12)


def test_a_gloss_without_exemplars_is_last_and_constant_features_are_ties() -> None:
    labels, asked = torch.tensor([0, 1, 1]), torch.zeros(2, 3)
    scores = dictionary_scores(torch.ones(3, 3), labels, asked + 1, num_classes=3)
    assert scores.tolist() == [[0, 0, -np.inf]] * 2


def keypoints(corpus: PackedCorpus, **fields: object) -> EvaluateSpec:
    return EvaluateSpec(**{"corpus": str(corpus.path), "features": "keypoints", **fields})


def test_a_signer_on_both_sides_is_refused_by_name(tmp_path: Path) -> None:
    clips = [replace(clip, signer=clip.name[-1]) for clip in signed_clips(["a", "b"], ["train", "test"])]
    corpus = packed(tmp_path / "shared", clips, allow_overlap=True)
    with pytest.raises(SplitError, match=r"fold 'test' has '0', '1', '2', '3' in both.*--folds each_signer"):
        evaluate(keypoints(corpus, protocol="dictionary"))
    assert evaluate(keypoints(corpus))["folds"][0]["shared_signers"] == ["0", "1", "2", "3"]
    assert evaluate(keypoints(corpus, protocol="dictionary", folds="each_signer"))["num_test"] == 16


def some_real_clips(source: Path, out: Path, *, every: int) -> PackedCorpus:
    """Each `every`-th clip of a file of real signers, as a corpus."""
    with np.load(source) as file:
        whole = dict(file)
    num_clips = len(whole["labels"])
    part = {name: each[::every] if each.shape[:1] == (num_clips,) else each for name, each in whole.items()}
    np.savez(out / source.name, **part)
    spec = ImportSpec(name=source.stem, source=str(out / source.name), image_width=640, image_height=480)
    import_corpus(spec, out, SilentObserver())
    return PackedCorpus.open(out / "corpus")


def metrics_of_asl_citizen(features: np.ndarray, glosses: np.ndarray, tested: np.ndarray) -> dict[str, float]:
    """Desai et al., 2023: rank glosses by their nearest exemplar; DCG, top-k and MRR; also over glosses."""
    features = features - features[~tested].mean(axis=0)
    features = features / np.linalg.norm(features, axis=1, keepdims=True)
    similar, known = features[tested] @ features[~tested].T, glosses[~tested]
    vocabulary = np.unique(glosses)
    ranks = []
    for row, gloss in zip(similar, glosses[tested], strict=True):
        nearest = {each: row[known == each].max(initial=-np.inf) for each in vocabulary}
        ranking = sorted(vocabulary, key=lambda each: (-nearest[each], each == gloss))
        ranks.append(ranking.index(gloss) + 1)
    rank = np.array(ranks)
    per_clip = {f"top{k}": rank <= k for k in (1, 5, 10, 20)}
    per_clip |= {"mean_reciprocal_rank": 1 / rank, "dcg": 1 / np.log2(rank + 1)}
    means = {name: float(each.mean()) for name, each in per_clip.items()}
    for name, each in per_clip.items():
        of_gloss = [each[glosses[tested] == gloss].mean() for gloss in np.unique(glosses[tested])]
        means[f"{name}_per_class"] = float(np.mean(of_gloss))
    return means


@pytest.mark.slow
@pytest.mark.parametrize(("name", "every"), [("letters", 8), ("words", 12)])
def test_metrics_on_real_signers_are_those_of_asl_citizen(
    shared_data: Path, tmp_path: Path, name: str, every: int
) -> None:
    corpus = some_real_clips(shared_data / name / f"{name}.npz", tmp_path, every=every)
    signs = ClipSelection(exclude_labels=("-",))
    scores = evaluate(keypoints(corpus, protocol="dictionary", folds="each_signer", clips=signs))
    chosen = corpus.select(signs)
    features = keypoint_features(corpus, chosen).double().numpy()
    glosses = np.array(corpus.label_names)[corpus.labels[chosen]]
    signers = np.array(corpus.signer_names)[corpus.signers[chosen]]
    assert len(scores["folds"]) == 3
    for fold, row in zip(scores["folds"], scores["per_signer"], strict=True):
        by_hand = metrics_of_asl_citizen(features, glosses, signers == fold["name"])
        assert {metric: fold[metric] for metric in by_hand} == pytest.approx(by_hand, rel=1e-12)
        assert {metric: row[metric] for metric in by_hand} == pytest.approx(by_hand, rel=1e-12)
        assert fold["top1"] < fold["mean_reciprocal_rank"] < fold["dcg"]
