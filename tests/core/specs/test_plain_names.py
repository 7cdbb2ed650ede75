"""Names that look the same are the same, however they are written."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from core.specs.jobs import ClipSelection
from core.specs.plain_names import alike, plain_name
from tests.core.corpora.readers.conftest import holistic_keypoints


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("tea", "tea"),
        (" tea\t", "tea"),
        ("cafe\u0301", "caf\u00e9"),
        ("\ufefftea\u200b", "tea"),
        ("\u200f\u0643\u062a\u0627\u0628\u200f", "\u0643\u062a\u0627\u0628"),
        ("\u00a0tea\u3000", "tea"),
        ("t\u00adea", "tea"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("\u200d tea \u200c", "tea"),
        ("\u200b", ""),
    ],
)
def test_one_form(written: str, plain: str) -> None:
    assert plain_name(written) == plain


@given(st.text(max_size=12))
def test_a_plain_name_stays_as_it_is(text: str) -> None:
    plain = plain_name(text)
    assert plain_name(plain) == plain == unicodedata.normalize("NFC", plain).strip()
    assert alike(plain) == alike(text.strip()) or any(unicodedata.category(mark) == "Cf" for mark in text)


@pytest.mark.parametrize("other", ["Tea", "\uff54\uff45\uff41", "t\u200dea"])
def test_names_that_are_alike(other: str) -> None:
    assert alike(other) == alike("tea") != alike("tee")


def test_all_names_of_a_corpus_are_plain_and_found_in_any_form(tmp_path: Path) -> None:
    path = tmp_path / "signs.npz"
    np.savez_compressed(
        path,
        keypoints=holistic_keypoints(2, 4).astype("f2"),
        labels=np.array(["cafe\u0301", "caf\u00e9\u200f"]),
        signer=np.array(["Zoe\u0308", "ann"]),
    )
    out = tmp_path / "out"
    out.mkdir()
    split = {"by": "signer", "test": ["Zoe\u0308"]}
    spec = ImportSpec.model_validate({"name": "x", "source": str(path), "split": split})
    import_corpus(spec, out, SilentObserver())
    corpus = PackedCorpus.open(out / "corpus")
    assert corpus.label_names == ("caf\u00e9",)
    assert corpus.signer_names == ("Zo\u00eb", "ann")
    assert corpus.splits.tolist() == [1, 0]
    assert corpus.select(ClipSelection(signers=("Zoe\u0308",))).tolist() == [0]


@pytest.mark.parametrize(
    ("archive", "num_clips", "num_glosses"), [("folders.tar.gz", 2, 1), ("table.tar.gz", 4, 2)]
)
def test_archives_of_both_forms(
    shared_data: Path, tmp_path: Path, archive: str, num_clips: int, num_glosses: int
) -> None:
    source = shared_data / "cases" / "unicode-forms" / archive
    spec = ImportSpec(name="x", source=str(source))
    import_corpus(spec, tmp_path, SilentObserver())
    corpus = PackedCorpus.open(tmp_path / "corpus")
    assert (len(corpus), len(corpus.label_names)) == (num_clips, num_glosses)
    assert (corpus.labels >= 0).all()
    assert all(name == plain_name(name) for name in corpus.label_names)
