"""Special pretraining of trials: on a few clips of a corpus, and once for several folds."""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.corpora.packed import PackedCorpus
from core.corpora.source import SourceClip
from core.corpora.writing import write_corpus
from core.specs.import_jobs import SplitConfig
from core.specs.jobs import ClipSelection, PretrainSpec
from core.training.pretrain import pretrain


def few_clips(corpus: PackedCorpus, clips: ClipSelection, count: int, seed: int, folder: Path) -> Path:
    """Write a corpus of `count` of the selected clips (or all, if there are fewer), drawn at random."""
    selected = corpus.select(clips)
    drawn = np.random.default_rng(seed).permutation(selected)[:count]
    path = folder / "few-clips"
    split = SplitConfig(allow_overlap=True)
    write_corpus(path, _clips(corpus, drawn), name=path.name, split=split, provenance={})
    return path


def _clips(corpus: PackedCorpus, indices: np.ndarray) -> Iterator[SourceClip]:
    for index in map(int, np.sort(indices)):
        yield SourceClip(corpus.clip(index), corpus.clip_name(index))


def pretrained_once(spec: PretrainSpec, shared: Path, folder: Path) -> dict[str, object]:
    """Copy to `folder` what `spec` gives. The first process that asks pretrains, below `shared`."""
    name = hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:16]
    kept, result = shared / f"pretrained-{name}", shared / f"pretrained-{name}.json"
    with (shared / f"pretrained-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            result.write_text(json.dumps(pretrain(spec, kept)))
    shutil.copytree(kept / "encoder", folder / "encoder")
    made: dict[str, object] = json.loads(result.read_text())
    return made
