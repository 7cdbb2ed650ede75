"""Assign clips to train, val and test splits, and reject splits that leak."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Int8, Int32

from core.corpora.split_names import TEST, TRAIN, VAL
from core.errors import SplitError
from core.specs.import_jobs import SplitConfig
from core.specs.plain_names import plain_name

MAX_SPLITS = 127

_REMOVED_FIRST = (VAL, TRAIN, TEST)
"""Of two splits that share clips, the first one here should lose them, as this affects scores least."""


@dataclass(frozen=True)
class ClipFacts:
    """Clip metadata that a split is based on, one entry per clip.

    `labels`, `signers` and `sessions` (N,) are indices, -1 where unknown. `given` is the source's own split
    or None. `contents` is a digest of the clip's points.
    """

    names: Sequence[str]
    labels: Int32[np.ndarray, " N"]
    signers: Int32[np.ndarray, " N"]
    sessions: Int32[np.ndarray, " N"]
    given: Sequence[str | None]
    contents: Sequence[bytes]
    label_names: tuple[str, ...]
    signer_names: tuple[str, ...]
    session_names: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """The split of each clip: `splits` (N,) are indices into `names`; `train` is always index 0."""

    splits: Int8[np.ndarray, " N"]
    names: tuple[str, ...]


def assign_splits(facts: ClipFacts, config: SplitConfig, *, published: bool = False) -> Split:
    """Assign clips to splits by `config`, and check that no signer and no identical clip is in two splits.

    A given split that is `published` (a benchmark's own) may share signers, because published scores are
    measured on it. It may not share identical clips. A given split may have no train clips: it is then a
    test set for encoders trained on another corpus.

    Raises:
        SplitError: unknown names, an empty side of a split made here, or a signer or identical clip in two
            splits without `allow_overlap`.
    """
    if config.by == "given":
        split = _as_given(facts)
    elif config.by == "random":
        split = _in_two(_random_test(facts, config), config)
    else:
        split = _in_two(_held_out(facts, config), config)
    if not config.allow_overlap:
        check_overlap(facts, split, signers=not (published and config.by == "given"))
    return split


def check_overlap(facts: ClipFacts, split: Split, *, signers: bool = True) -> None:
    """Reject a split that has identical clips in two splits, or (if `signers`) a signer in two splits.

    A corpus with only one signer is not checked for signers.

    Raises:
        SplitError: names the signer or the clips.
    """
    if signers and len(np.unique(facts.signers[facts.signers >= 0])) >= 2:
        first_split: dict[int, int] = {}
        for signer, side in zip(facts.signers.tolist(), split.splits.tolist(), strict=True):
            if signer >= 0 and first_split.setdefault(signer, side) != side:
                both = f"{split.names[first_split[signer]]!r} and {split.names[side]!r}"
                raise SplitError(
                    f"Signer {facts.signer_names[signer]!r} is in both {both}, so scores would be too high "
                    "for new signers. Split by signer, or set split.allow_overlap (--allow-overlap)."
                )
    first_clip: dict[bytes, int] = {}
    for index, content in enumerate(facts.contents):
        twin = first_clip.setdefault(content, index)
        if split.splits[twin] != split.splits[index]:
            raise SplitError(
                f"{_describe_duplicates(facts, split, twin, index)}, or set split.allow_overlap "
                "(--allow-overlap)."
            )


def _describe_duplicates(facts: ClipFacts, split: Split, first: int, second: int) -> str:
    """Describe two identical clips in two splits, and what to remove."""
    name, other_name = facts.names[first], facts.names[second]
    sides = tuple(split.names[split.splits[clip]] for clip in (first, second))
    both = f"{sides[0]!r} and {sides[1]!r}"
    if name != other_name:
        return f"Clips {name!r} and {other_name!r} are identical, but in splits {both}. Remove one of them"
    side, other = sorted(sides, key=_REMOVED_FIRST.index) if set(sides) <= set(_REMOVED_FIRST) else sides
    contents, others = _contents_of(facts, split, side), set(_contents_of(facts, split, other))
    shared = sum(content in others for content in contents)
    called = " (it may be named dev)" if side == VAL else ""
    return (
        f"Clip {name!r} is in both {both}. {shared} of the {len(contents)} clips of {side!r} are also in "
        f"{other!r}. Remove them from the list or file of {side!r}{called}, remove that list if it is a copy"
    )


def _contents_of(facts: ClipFacts, split: Split, side: str) -> list[bytes]:
    here = split.splits == split.names.index(side)
    return [content for content, is_here in zip(facts.contents, here.tolist(), strict=True) if is_here]


def _as_given(facts: ClipFacts) -> Split:
    said = sorted({name for name in facts.given if name is not None} - {TRAIN})
    names = (TRAIN, *said)
    if len(names) > MAX_SPLITS:
        raise SplitError(f"The source has {len(names)} splits; at most {MAX_SPLITS} are supported.")
    index = {name: position for position, name in enumerate(names)}
    return Split(np.array([index[name or TRAIN] for name in facts.given], dtype=np.int8), names)


def _in_two(in_test: np.ndarray, config: SplitConfig) -> Split:
    num_test = int(in_test.sum())
    for name, size in ((TRAIN, len(in_test) - num_test), (TEST, num_test)):
        if size == 0:
            raise SplitError(
                f"The split leaves {name!r} empty (train {len(in_test) - num_test}, test {num_test} clips). "
                f"Change split.test, split.test_fraction or split.by (now {config.by!r})."
            )
    return Split(in_test.astype(np.int8), (TRAIN, TEST))


def _held_out(facts: ClipFacts, config: SplitConfig) -> np.ndarray:
    """Put whole signers or sessions in test: the named ones, or a random choice by the seed."""
    by_signer = config.by == "signer"
    values, names = (
        (facts.signers, facts.signer_names) if by_signer else (facts.sessions, facts.session_names)
    )
    unknown = int((values < 0).sum())
    if unknown and not config.allow_overlap:
        raise SplitError(
            f"{unknown} of {len(values)} clips have no {config.by}, so they cannot be split by {config.by}. "
            f"Add a column {config.by} to the source's labels.csv, or set split.allow_overlap "
            "(--allow-overlap) to put these clips in train."
        )
    wanted = [plain_name(name) for name in config.test]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise SplitError(
            f"split.test (--test) names {', '.join(map(repr, missing))}, which the corpus does not have. Its "
            f"{config.by}s are {', '.join(map(repr, names)) or 'unknown'}."
        )
    if wanted:
        chosen = np.array([names.index(name) for name in wanted])
    else:
        chosen = _drawn(np.unique(values[values >= 0]), config)
    return np.isin(values, chosen)


def _drawn(groups: Int[np.ndarray, " G"], config: SplitConfig) -> Int[np.ndarray, " n"]:
    if len(groups) < 2:
        raise SplitError(
            f"A split by {config.by} needs at least 2 {config.by}s; the corpus has {len(groups)}. "
            "Choose another split.by (--split-by)."
        )
    num_test = int(np.clip(round(config.test_fraction * len(groups)), 1, len(groups) - 1))
    return np.random.default_rng(config.seed).permutation(groups)[:num_test]


def _random_test(facts: ClipFacts, config: SplitConfig) -> np.ndarray:
    """Put a fraction of each label's clips in test, at least 1 but not all; keep identical clips together."""
    _, first, group = np.unique(np.array(facts.contents), return_index=True, return_inverse=True)
    labels = facts.labels[first]  # (groups,)
    generator = np.random.default_rng(config.seed)
    in_test = np.zeros(len(first), dtype=np.bool_)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        most = len(members) - 1
        num_test = int(np.clip(round(config.test_fraction * len(members)), min(1, most), most))
        in_test[members[:num_test]] = True
    return in_test[group]
