from pathlib import Path

from benchmarks.synthetic_corpus import FRAMES, synthetic_corpus
from core.corpora.packed import PackedCorpus
from core.specs.jobs import ClipSelection


def test_what_is_written_quickly_is_a_corpus_and_is_removed(tmp_path: Path) -> None:
    with synthetic_corpus(tmp_path, 30) as path:
        corpus = PackedCorpus.open(path)
        corpus.verify()
        assert (len(corpus), corpus.num_frames, corpus.clip_name(29)) == (30, 30 * FRAMES, "clip-29")
        assert corpus.select(ClipSelection(splits=("test",))).tolist() == [9, 19, 29]
        assert 0 < corpus.clip(7).points.mean() < 1
    assert list(tmp_path.iterdir()) == []
