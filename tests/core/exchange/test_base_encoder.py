"""The installed encoder: small, readable by its name, and a start for the default recipe."""

from pathlib import Path

import numpy as np
import pytest

from core.exchange.base_encoder import BASE_NAME, or_base
from core.exchange.weights import encoder_file, load_encoder
from core.pose.clip import Clip
from core.specs.jobs import DEFAULT_RECIPE
from core.specs.recipes import find_recipe
from core.specs.starting import check_start


def test_it_is_small_and_says_where_it_comes_from() -> None:
    file = encoder_file(Path(BASE_NAME))
    assert 1e6 < file.stat().st_size < 3e6
    assert "MIT License" in file.with_name(f"{BASE_NAME}.LICENSE").read_text()
    encoder = load_encoder(BASE_NAME)
    card = encoder.card
    assert card.name == BASE_NAME
    assert card.corpus is not None
    corpora = [card.corpus, *card.also]
    assert [corpus.name for corpus in corpora] == ["signs", "words", "letters"]
    assert not any(corpus.preprocessing for corpus in corpora), "clips of anyone are read as their files say"
    assert encoder.pretrained_clips is not None
    assert sum(corpus.num_clips for corpus in corpora) >= len(encoder.pretrained_clips) > 7000


def test_the_default_recipe_can_start_from_it() -> None:
    check_start(
        BASE_NAME, load_encoder(BASE_NAME).card.config.encoder, find_recipe(DEFAULT_RECIPE).config.encoder
    )


def test_it_embeds_bodies_and_hands_alone() -> None:
    points = np.random.default_rng(0).random((2, 30, 49, 2), dtype=np.float32)
    points[1, :, 42:] = 0
    clips = [Clip.of(each, np.ones((30, 49), dtype=np.bool_)) for each in points]
    features = load_encoder(BASE_NAME).model.embed(clips)
    assert np.isfinite(features).all()
    assert features.shape[0] == 2


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / BASE_NAME).touch()
    assert or_base(Path(BASE_NAME)) == Path(BASE_NAME)
    assert or_base(Path("other")) == Path("other")
