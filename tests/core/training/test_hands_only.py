"""Pretraining on clips that have hands only: nothing is learnt from a trunk that is not there."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.pose.clip import Clip
from core.pose.skeleton import TRUNK
from core.program.observer import SilentObserver
from core.specs.jobs import PretrainSpec, SplitConfig
from core.training.pretrain import pretrain
from tests.core.corpus_maker import random_corpus
from tests.core.small import OVERRIDES

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
        assert said == ([f"Hands only: {count} of 24 clips have no body."] if count else [])
        card = json.loads((tmp_path / f"run-{count}" / "encoder" / "card.json").read_text())
        assert card["corpus"].get("clips_without_body", 0) == count
        assert ("clips_without_body" in card["corpus"]) == (count > 0)
