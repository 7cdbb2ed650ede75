"""Several corpora in one pretraining: the clips of each, as often as their weights say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.contents import clip_digests, short_digests
from core.corpora.packed import PackedCorpus
from core.errors import CheckpointError, SpecError
from core.exchange.weights import load_encoder
from core.program.observer import SilentObserver
from core.specs.jobs import ClipSelection, MoreClips, PretrainSpec
from core.specs.weights import epoch_length, in_units
from core.training.data_order import DataOrder
from core.training.pretrain import Pretraining, pretrain
from core.training.training_clips import TrainingClips
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES

TRAIN = ClipSelection(splits=("train",))


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> list[PackedCorpus]:
    folder = tmp_path_factory.mktemp("data")
    return [random_corpus(folder / str(seed), seed=seed) for seed in (1, 2, 3)]


def spec(corpora: list[PackedCorpus], *weights: float, **fields: Any) -> PretrainSpec:
    first, *more = [str(corpus.path) for corpus in corpora]
    also = [{"corpus": path, "weight": weight} for path, weight in zip(more, weights, strict=True)]
    given = {"corpus": first, "also": also, "recipe": "smoke", "overrides": OVERRIDES}
    return PretrainSpec.model_validate({**given, **fields})


def test_clips_of_all_corpora_are_read_in_the_order_asked_for(corpora: list[PackedCorpus]) -> None:
    clips = TrainingClips.of(spec(corpora, 1, 1))
    own = [(corpus, clip) for corpus in corpora for clip in corpus.select(TRAIN)]
    assert len(clips) == len(own)
    asked = np.random.default_rng(0).permutation(len(own))[:40]
    batch = clips.gather(asked, max_frames=30)
    firsts = np.cumsum(batch.lengths) - batch.lengths
    for number, first, length in zip(asked, firsts, batch.lengths, strict=True):
        corpus, clip = own[number]
        alone = corpus.gather([clip], max_frames=30)
        assert length == alone.lengths[0] == min(30, clips.lengths[number])
        np.testing.assert_array_equal(batch.points[first : first + length], alone.points)
        np.testing.assert_array_equal(batch.visible[first : first + length], alone.visible)


def test_each_clip_is_drawn_as_often_as_its_weight_says(corpora: list[PackedCorpus], tmp_path: Path) -> None:
    run = Pretraining(spec(corpora, 2.5, 0.25), tmp_path, SilentObserver())
    order, sizes = run.order, [len(share.clips) for share in run.clips.shares]
    expected = sizes[0] + 2.5 * sizes[1] + 0.25 * sizes[2]
    assert order.epoch_length == int(expected)
    counts = np.zeros(len(run.clips))
    num_epochs = 20
    for step in range(num_epochs * order.steps_per_epoch):
        np.add.at(counts, order.batch(step), 1)
    of_corpora = np.split(counts, np.cumsum(sizes)[:-1])
    dropped = (order.epoch_length % order.batch_size + 1) / order.epoch_length
    for drawn, weight in zip(of_corpora, (1, 2.5, 0.25), strict=True):
        assert drawn.mean() == pytest.approx(weight * num_epochs, rel=0.1 + dropped)
    assert of_corpora[0].max() <= num_epochs
    assert of_corpora[1].max() <= 3 * num_epochs


def test_one_corpus_alone_is_trained_on_as_before(corpora: list[PackedCorpus], tmp_path: Path) -> None:
    alone = Pretraining(spec(corpora[:1]), tmp_path, SilentObserver())
    share = alone.clips.first
    batch, same = alone.order.batch(3), alone.clips.gather(alone.order.batch(3))
    np.testing.assert_array_equal(same.points, share.corpus.gather(share.clips[batch]).points)
    assert alone.clips.facts["also"] is None, "older checkpoints do not have it"


def test_a_corpus_named_twice_is_refused(corpora: list[PackedCorpus]) -> None:
    with pytest.raises(SpecError, match="have the same content"):
        TrainingClips.of(spec([corpora[0], corpora[1], corpora[0]], 1, 1))


@pytest.mark.slow
def test_the_encoder_knows_the_clips_of_all(corpora: list[PackedCorpus], tmp_path: Path) -> None:
    pretrain(spec(corpora, 1, 2), tmp_path)
    encoder = load_encoder(tmp_path / "encoder")
    assert encoder.card.corpus is not None
    cards = [encoder.card.corpus, *encoder.card.also]
    assert [card.digest for card in cards] == [corpus.digest for corpus in corpora]
    assert encoder.card.spec is not None
    assert encoder.card.spec.also == tuple(
        MoreClips(corpus=corpus.name, weight=weight)
        for corpus, weight in zip(corpora[1:], (1, 2), strict=True)
    )
    assert encoder.pretrained_clips is not None
    for corpus in corpora:
        digests = short_digests(clip_digests(corpus, corpus.select(TRAIN)))
        assert np.isin(digests, encoder.pretrained_clips).all()


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_bytes(corpora: list[PackedCorpus], tmp_path: Path) -> None:
    whole = pretrain(spec(corpora, 2, 0.5), tmp_path / "whole", keep_all=True)
    checkpoint = min((tmp_path / "whole" / "checkpoints").iterdir())
    resumed = pretrain(spec(corpora, 2, 0.5), tmp_path / "resumed", resume=checkpoint)
    assert resumed["sha256"] == whole["sha256"]
    for other in (spec(corpora, 2, 1), spec(corpora[:1])):
        with pytest.raises(CheckpointError, match="also"):
            pretrain(other, tmp_path / "other", resume=checkpoint)


@pytest.mark.parametrize(("sizes", "weight"), [((1000, 100_000), 0.3), ((10_000, 100_000), 3.3)])
def test_an_epoch_has_the_length_that_was_promised(sizes: tuple[int, int], weight: float) -> None:
    units = np.repeat([in_units(1), in_units(weight)], sizes)
    promised = epoch_length(zip(sizes, (1, weight), strict=True))
    assert promised == round(sizes[0] + weight * sizes[1])
    order = DataOrder(np.arange(sum(sizes)), promised, seed=0, weights=units)
    assert len(order.batch(0)) == len(order.batch(1)) == promised


def test_a_faulty_selection_is_named_where_it_is(corpora: list[PackedCorpus]) -> None:
    also = [{"corpus": str(corpora[1].path), "clips": {"splits": ["nope"]}}]
    with pytest.raises(SpecError) as caught:
        TrainingClips.of(spec(corpora[:1], also=also))
    assert caught.value.pointer == "/also/0/clips/splits"


def test_weights_that_draw_too_many_clips_are_refused() -> None:
    with pytest.raises(SpecError, match="the limit is 100000000"):
        DataOrder(np.arange(200_000), 32, seed=0, weights=np.full(200_000, in_units(1000)))
