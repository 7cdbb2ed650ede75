"""Pretraining on clips that have hands only: nothing is learnt from a trunk that is not there."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.augment.draws import draw_numbers
from core.augment.views import ClipBatch, View, make_views
from core.contrast.stc import SpatialTemporalConsistency
from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.encoders.pass_context import PassContext
from core.exchange.clip_encoder import ClipEncoder
from core.pose.clip import Clip
from core.pose.skeleton import TRUNK
from core.program.observer import SilentObserver
from core.specs.import_jobs import SplitConfig
from core.specs.jobs import PretrainSpec
from core.specs.pretraining import PretrainConfig
from core.training.pretrain import pretrain
from tests.core.contrast.test_contrast import AS_THE_TEXT_SAYS, views
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES, REPAIRED, SMALL

pytestmark = pytest.mark.slow


class Log(SilentObserver):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.metrics: list[dict[str, float]] = []

    def on_log(self, text: str) -> None:
        self.lines.append(text)

    def on_step(self, step: int, metrics: object) -> None:
        assert isinstance(metrics, dict)
        self.metrics.append(metrics)


def without_body(path: Path, *, share: float) -> PackedCorpus:
    """A corpus of which the first `share` of clips has no trunk."""
    whole = random_corpus(path.with_name(f"{path.name}-whole"))
    clips = []
    for index in range(len(whole)):
        clip = whole.clip(index)
        if index < share * len(whole):
            points, visible = clip.points.copy(), clip.visible.copy()
            points[:, TRUNK], visible[:, TRUNK] = 0, False
            clip = replace(clip, points=points, visible=visible)
        clips.append(SourceClip(Clip.of(clip.points, clip.visible), str(index)))
    return write_corpus(path, clips, name="hands", split=SplitConfig(), provenance={})


def spec_for(corpus: PackedCorpus) -> PretrainSpec:
    return PretrainSpec(corpus=str(corpus.path), recipe="smoke", overrides=OVERRIDES)


def test_the_log_and_the_card_count_clips_without_a_body(tmp_path: Path) -> None:
    for share, count in ((0.5, 12), (0.0, 0)):
        corpus, log = without_body(tmp_path / f"{count}", share=share), Log()
        pretrain(spec_for(corpus), tmp_path / f"run-{count}", observer=log)
        said = [line for line in log.lines if line.startswith("Hands only")]
        assert said == ([f"Hands only: {count} of 24 clips without a body."] if count else [])
        card = json.loads((tmp_path / f"run-{count}" / "encoder" / "card.json").read_text())
        assert card["corpus"].get("clips_without_body", 0) == count
        assert ("clips_without_body" in card["corpus"]) == (count > 0)


def test_a_corpus_of_hands_only_trains_no_trunk(tmp_path: Path) -> None:
    corpus, log = without_body(tmp_path / "corpus", share=1.0), Log()
    pretrain(spec_for(corpus), tmp_path / "run", observer=log)
    for metrics in log.metrics:
        about_trunk = [name for name in metrics if name.endswith("/trunk") or name.startswith("consistency")]
        assert len(about_trunk) == 4
        assert [metrics[name] for name in about_trunk] == [0] * 4
        assert metrics["instance/joint/hand"] > 0


def lacking(view: View, has_trunk: torch.Tensor, *, trunk: torch.Tensor | float) -> View:
    """The view with another trunk in place of those that are not there."""
    points = view.points.clone()
    points[~has_trunk, :, TRUNK] = trunk
    return View(points, view.hand_visible, has_trunk)


@pytest.mark.parametrize("config", [SMALL, REPAIRED, AS_THE_TEXT_SAYS])
@pytest.mark.parametrize("present", [[True, False, True, False], [False] * 4])
def test_no_loss_gradient_or_statistic_depends_on_an_invented_trunk(
    config: PretrainConfig, present: list[bool]
) -> None:
    outcomes = []
    for trunk in (0.0, 0.7):
        torch.manual_seed(0)
        model = SpatialTemporalConsistency(config).train()
        given = [lacking(view, torch.tensor(present), trunk=trunk) for view in views()]
        for _ in range(2):  # the second time the queues hold keys without a trunk
            losses = model(*given, PassContext(seed=torch.tensor(1)))
            torch.stack(list(losses.values())).sum().backward()
        assert all(loss.isfinite() for loss in losses.values())
        gradients = {name: each.grad for name, each in model.query.named_parameters()}
        queues = [queue.keys for queues in model.queues.values() for queue in queues.values()]
        statistics = [each for name, each in model.named_buffers() if any(present) and "running" in name]
        outcomes.append((losses, gradients, queues, statistics))
    torch.testing.assert_close(*outcomes, rtol=0, atol=0)
    if not any(present):
        trunk_gradients = [grad for name, grad in outcomes[0][1].items() if "trunk" in name]
        assert trunk_gradients
        assert not any(grad.any() for grad in trunk_gradients)


def test_a_past_clip_without_a_trunk_is_no_negative_and_no_neighbour_of_a_trunk() -> None:
    found = []
    for share in (0.0, 0.5, 1.0):
        torch.manual_seed(0)
        model = SpatialTemporalConsistency(SMALL).eval()
        keys = model.queue("joint", "trunk").keys
        keys[: int(share * len(keys))] = 0
        found.append(model(*views()))
    full, half, none = (losses["instance/joint/trunk"] for losses in found)
    assert 0 == none < half < full
    assert all(losses["consistency/joint"].isfinite() for losses in found)


def test_embeddings_of_hands_only_are_those_of_the_hands() -> None:
    torch.manual_seed(0)
    model = ClipEncoder(SMALL).eval()
    view, _ = views()
    with torch.no_grad():
        hands = model(lacking(view, torch.tensor([True, True, True, False]), trunk=0.0))["joint"]
        found = model(
            View(lacking(view, torch.tensor([True, True, True, False]), trunk=0.0).points, view.hand_visible)
        )
        whole = model(view)["joint"]
    assert not hands.trunk[3].any()
    torch.testing.assert_close(hands.fused[3], hands.hand[3], rtol=0, atol=0)
    torch.testing.assert_close(found["joint"].fused, hands.fused, rtol=0, atol=0)
    torch.testing.assert_close(whole.fused[:3], hands.fused[:3])
    assert whole.trunk[3].any()


def test_views_say_which_clips_have_a_trunk(tmp_path: Path) -> None:
    for share, expected in ((0.5, [False, False, True]), (0.0, None)):
        corpus = without_body(tmp_path / f"{share}", share=share)
        batch = ClipBatch.of(corpus.gather([0, 11, 12]), torch.device("cpu"))
        draws = [draw_numbers(batch.lengths, SMALL.views, torch.Generator().manual_seed(0))]
        (view,) = make_views(batch, draws, SMALL.views)
        assert (None if view.has_trunk is None else view.has_trunk.tolist()) == expected
