"""Made-up signers as clips without labels: from a hundred clips to a hundred thousand.

Their signs and signers are not those of the suite's corpus of made-up signers, which has another seed.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from core.corpora.importing import import_corpus
from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from core.program.observer import SilentObserver
from core.specs.import_jobs import ImportSpec
from core.specs.jobs import ClipSelection, MoreClips

_TAKES = 5
_LARGEST = 10_000
"""Clips of a corpus; larger amounts are several corpora, each of other signs and signers."""
AMOUNTS: Mapping[int, tuple[int, int]] = {
    100: (10, 2),
    1_000: (20, 10),
    10_000: (100, 20),
    100_000: (100, 20),
}
"""Number of clips -> signs and signers of a corpus."""


def made_up_clips(num_clips: int, folder: Path) -> tuple[MoreClips, ...]:
    """Write corpora of `num_clips` clips in all below `folder`; ten thousand take a minute and 0.3 GB."""
    seeds = range(1, 1 + max(1, num_clips // _LARGEST))
    corpora = [_corpus(num_clips, seed, folder / f"made-up-{num_clips}-{seed}") for seed in seeds]
    return tuple(MoreClips(corpus=str(path), clips=ClipSelection()) for path in corpora)


def _corpus(num_clips: int, seed: int, folder: Path) -> Path:
    num_signs, num_signers = AMOUNTS[num_clips]
    source = folder / "recordings.npz"
    folder.mkdir()
    config = SyntheticConfig(num_signs=num_signs, num_signers=num_signers, takes_per_sign=_TAKES, seed=seed)
    save_npz(generate(config), source, dtype=np.float16)
    made = import_corpus(ImportSpec(name=folder.name, source=str(source)), folder, SilentObserver())
    source.unlink()
    return folder / str(made["corpus"])
