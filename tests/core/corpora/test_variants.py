"""Twenty variants of each kind of mistake: read right, refused, or told, and never silently wrong."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.corpora.importing import import_corpus
from core.corpora.packed import PackedCorpus
from core.errors import CorpusError
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.variants import KINDS, Variant

pytestmark = pytest.mark.slow

NUM_VARIANTS = 20
TOLD = ("cp1252", "was read as")
"""Words of notes that tell of a guess."""


def outcome(variant: Variant, out: Path) -> str:
    """What became of a variant: `right`, `refused`, `told`, or `silently wrong`."""
    out.mkdir()
    spec = ImportSpec.model_validate({"name": "variant", "source": str(variant.source), **variant.options})
    try:
        result = import_corpus(spec, out, SilentObserver())
    except CorpusError:
        return "refused"
    if variant.facts is not None and facts_of(PackedCorpus.open(out / "corpus")) == variant.facts:
        return "right"
    report: Any = result["report"]
    told = report["findings"] or report["skipped"] or any(word in str(report["notes"]) for word in TOLD)
    return "told" if told else "silently wrong"


def facts_of(corpus: PackedCorpus) -> dict[str, tuple[str | None, str | None]]:
    def name(names: tuple[str, ...], index: int) -> str | None:
        return names[index] if index >= 0 else None

    has_splits = len(corpus.split_names) > 1
    return {
        corpus.clip_name(clip): (
            name(corpus.label_names, corpus.labels[clip]),
            name(corpus.split_names, corpus.splits[clip]) if has_splits else None,
        )
        for clip in range(len(corpus))
    }


@pytest.mark.parametrize("kind", KINDS)
def test_no_variant_is_silently_wrong(tmp_path: Path, kind: str) -> None:
    outcomes: dict[str, list[str]] = {}
    for number in range(NUM_VARIANTS):
        draw = np.random.default_rng((zlib.crc32(kind.encode()), number))
        folder = tmp_path / str(number)
        folder.mkdir()
        variant = KINDS[kind](draw, folder)
        outcomes.setdefault(outcome(variant, tmp_path / f"out{number}"), []).append(variant.what)
    counts = {what: len(variants) for what, variants in outcomes.items()}
    assert outcomes.get("silently wrong", []) == [], counts
    assert outcomes.get("right"), "some variants are right, and are read"
    assert len(outcomes) > 1 or kind in ("nestings",), "some variants are wrong, and are noticed"
