"""Writing a corpus: round trip, identity, and nothing left behind when it fails."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.errors import CorpusError, SplitError
from core.specs.import_jobs import SplitConfig
from tests.core.corpora.conftest import CorpusMaker, random_clip, three_signers

ANYTHING = SplitConfig(allow_overlap=True)
words = st.none() | st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=9)
source_clips = st.builds(
    SourceClip,
    clip=st.builds(random_clip, st.integers(1, 5), st.integers(0, 99)),
    name=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
    label=words.filter(lambda word: word is None or word.isprintable()),
    signer=words.filter(lambda word: word is None or word.isprintable()),
)


@settings(deadline=None, max_examples=40)
@given(clips=st.lists(source_clips, min_size=1, max_size=6))
def test_round_trip(clips: list[SourceClip]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "corpus")
        write_corpus(path, iter(clips), name="any", split=ANYTHING, provenance={})
        corpus = PackedCorpus.open(path)
        corpus.verify()
        assert len(corpus) == len(clips)
        for index, source in enumerate(clips):
            np.testing.assert_array_equal(corpus.clip(index).points, source.clip.points)
            np.testing.assert_array_equal(corpus.clip(index).visible, source.clip.visible)
            assert corpus.clip_name(index) == source.name
            assert _named(corpus.label_names, int(corpus.labels[index])) == source.label
            assert _named(corpus.signer_names, int(corpus.signers[index])) == source.signer


def _named(names: tuple[str, ...], index: int) -> str | None:
    return None if index == -1 else names[index]


def test_the_digest_is_of_the_content_alone(tmp_path: Path) -> None:
    first, second, third = (
        write_corpus(tmp_path / name, clips, name=name, split=SplitConfig(), provenance={"file": name})
        for name, clips in [
            ("one", three_signers()),
            ("two", three_signers()),
            ("three", three_signers()[:-1]),
        ]
    )
    assert first.digest == second.digest
    assert first.digest != third.digest


def test_provenance_is_asked_for_at_the_end(tmp_path: Path) -> None:
    written: list[str] = []

    def clips() -> Iterator[SourceClip]:
        for clip in three_signers():
            written.append(clip.name)
            yield clip

    corpus = write_corpus(
        tmp_path / "corpus", clips(), name="x", split=SplitConfig(), provenance=lambda: {"n": len(written)}
    )
    assert corpus.header.provenance == {"n": 12}


def test_a_source_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def clips() -> Iterator[SourceClip]:
        yield three_signers()[0]
        raise CorpusError("the second clip is broken")

    with pytest.raises(CorpusError, match="second clip"):
        write_corpus(tmp_path / "corpus", clips(), name="x", split=SplitConfig(), provenance={})
    assert list(tmp_path.iterdir()) == []


def test_a_split_that_leaks_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SplitError):
        write_corpus(
            tmp_path / "corpus", three_signers(), name="x", split=SplitConfig(by="random"), provenance={}
        )
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_without_clips_is_refused(make_corpus: CorpusMaker) -> None:
    with pytest.raises(CorpusError, match="no clips"):
        make_corpus([])


def test_nothing_is_overwritten(corpus: PackedCorpus) -> None:
    with pytest.raises(CorpusError, match="already exists"):
        write_corpus(corpus.path, three_signers(), name="x", split=SplitConfig(), provenance={})
    corpus.verify()


def test_names_that_are_not_utf8_are_written_readably_and_stay_apart(make_corpus: CorpusMaker) -> None:
    names = ("caf\udce8", "caf\udce9")
    corpus = make_corpus([SourceClip(random_clip(1, 1), name, label=name) for name in names])
    assert corpus.label_names == (r"caf\udce8", r"caf\udce9")
    assert corpus.clip_name(0) == r"caf\udce8"


def test_long_names_keep_their_end(make_corpus: CorpusMaker) -> None:
    corpus = make_corpus([SourceClip(random_clip(1, 1), "folder/" * 100 + "take 7")])
    assert corpus.clip_name(0).endswith("folder/take 7")
    assert len(corpus.clip_name(0)) == 255
