"""Splits: what each way promises, and the leaks that are refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.corpora.splits import ClipFacts, assign_splits
from core.errors import SplitError
from core.specs.import_jobs import SplitConfig


def facts(
    num_clips: int,
    *,
    labels: list[int] | None = None,
    signers: list[int] | None = None,
    sessions: list[int] | None = None,
    given_splits: list[str | None] | None = None,
    contents: list[int] | None = None,
) -> ClipFacts:
    """Facts about clips; what is not said is unknown, and every clip is different."""
    unknown = [-1] * num_clips
    return ClipFacts(
        names=[f"clip {index}" for index in range(num_clips)],
        labels=np.array(labels or unknown, dtype=np.int32),
        signers=np.array(signers or unknown, dtype=np.int32),
        sessions=np.array(sessions or unknown, dtype=np.int32),
        given=given_splits or [None] * num_clips,
        contents=[str(content).encode() for content in contents or range(num_clips)],
        label_names=tuple(f"gloss {label}" for label in range(1 + max(labels or unknown))),
        signer_names=tuple(f"signer {signer}" for signer in range(1 + max(signers or unknown))),
        session_names=tuple(f"day {session}" for session in range(1 + max(sessions or unknown))),
    )


def config(**fields: Any) -> SplitConfig:
    return SplitConfig.model_validate(fields)


many_labels = st.lists(st.integers(-1, 3), min_size=8, max_size=60)


def test_clips_without_a_given_split_are_train() -> None:
    split = assign_splits(facts(3), SplitConfig())
    assert split.names == ("train",)
    assert split.splits.tolist() == [0, 0, 0]


def test_given_splits_are_kept_and_the_silent_clips_train() -> None:
    split = assign_splits(facts(4, given_splits=["val", None, "test", "train"]), SplitConfig())
    assert split.names == ("train", "test", "val")
    assert split.splits.tolist() == [2, 0, 1, 0]


def test_given_splits_may_be_without_train() -> None:
    split = assign_splits(facts(2, given_splits=["test", "test"]), SplitConfig())
    assert split.names == ("train", "test")
    assert split.splits.tolist() == [1, 1]


@pytest.mark.parametrize("by", ["signer", "session"])
@settings(deadline=None, max_examples=40)
@given(groups=st.lists(st.integers(0, 5), min_size=12, max_size=40), seed=st.integers(0, 99))
def test_a_group_is_never_on_both_sides(by: str, groups: list[int], seed: int) -> None:
    groups = [0, 1, *groups]
    known = facts(len(groups), signers=groups if by == "signer" else None, sessions=groups)
    split = assign_splits(known, config(by=by, seed=seed, test_fraction=0.4))
    sides = {
        group: {int(split.splits[i]) for i in np.flatnonzero(np.array(groups) == group)} for group in groups
    }
    assert all(len(side) == 1 for side in sides.values())
    assert set(split.splits.tolist()) == {0, 1}


def test_named_signers_go_to_test() -> None:
    split = assign_splits(facts(4, signers=[0, 1, 2, 1]), config(by="signer", test=["signer 1"]))
    assert split.splits.tolist() == [0, 1, 0, 1]


@settings(deadline=None, max_examples=60)
@given(labels=many_labels, seed=st.integers(0, 99), fraction=st.floats(0.05, 0.95))
def test_random_takes_its_share_of_every_label(labels: list[int], seed: int, fraction: float) -> None:
    split = assign_splits(
        facts(len(labels), labels=labels), config(by="random", seed=seed, test_fraction=fraction)
    )
    for label in set(labels):
        of_label = split.splits[np.array(labels) == label]
        if len(of_label) > 1:
            assert 1 <= of_label.sum() <= len(of_label) - 1
            assert abs(of_label.sum() - fraction * len(of_label)) <= 1


@settings(deadline=None, max_examples=30)
@given(labels=many_labels, seed=st.integers(0, 99))
def test_random_is_the_same_for_the_same_seed(labels: list[int], seed: int) -> None:
    asked = config(by="random", seed=seed)
    first, second = (assign_splits(facts(len(labels), labels=labels), asked) for _ in range(2))
    np.testing.assert_array_equal(first.splits, second.splits)


@settings(deadline=None, max_examples=40)
@given(contents=st.lists(st.integers(0, 20), min_size=8, max_size=40), seed=st.integers(0, 99))
def test_random_keeps_identical_clips_together(contents: list[int], seed: int) -> None:
    contents = [*contents, 98, 99]
    split = assign_splits(facts(len(contents), contents=contents), config(by="random", seed=seed))
    for content in set(contents):
        assert len(set(split.splits[np.array(contents) == content].tolist())) == 1


def test_random_with_named_signers_is_refused_and_the_signer_named() -> None:
    known = facts(12, signers=[0, 1] * 6)
    with pytest.raises(SplitError, match=r"Signer 'signer \d' is in both"):
        assign_splits(known, config(by="random"))
    assert assign_splits(known, config(by="random", allow_overlap=True)).splits.sum() == 2


def test_random_with_one_signer_is_no_leak_of_signers() -> None:
    assert assign_splits(facts(10, signers=[0] * 10), config(by="random")).splits.sum() == 2


def test_a_given_split_with_a_signer_on_both_sides_is_refused() -> None:
    known = facts(3, signers=[0, 1, 0], given_splits=["train", "train", "test"])
    with pytest.raises(SplitError, match="Signer 'signer 0' is in both 'train' and 'test'"):
        assign_splits(known, SplitConfig())


def test_one_clip_under_two_names_on_both_sides_is_refused() -> None:
    known = facts(3, contents=[7, 8, 7], given_splits=["train", "train", "val"])
    with pytest.raises(
        SplitError, match="'clip 0' and 'clip 2' are identical, but in splits 'train' and 'val'"
    ):
        assign_splits(known, SplitConfig())
    assign_splits(known, config(allow_overlap=True))


@pytest.mark.parametrize(
    ("given_splits", "message"),
    [
        (
            ["test", "val", "train", "val"],
            "Clip 'a' is in both 'test' and 'val'. 1 of the 2 clips of 'val' are also in 'test'. Remove them "
            r"from the list or file of 'val' \(it may be named dev\), remove that list if it is a copy",
        ),
        (
            ["test", "train", "test", "train"],
            "in both 'test' and 'train'. 1 of the 2 clips of 'train' are also in 'test'. Remove them from "
            "the list or file of 'train', remove that list",
        ),
        (["a", "b", "b", "b"], "Clip 'a' is in both 'a' and 'b'. 1 of the 1 clips of 'a' are also in 'b'"),
    ],
)
def test_one_clip_of_one_name_on_both_sides_is_refused(given_splits: list[str | None], message: str) -> None:
    known = facts(4, contents=[7, 7, 8, 9], given_splits=given_splits)
    known = replace(known, names=["a", "a", "b", "c"])
    with pytest.raises(SplitError, match=message):
        assign_splits(known, SplitConfig())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"by": "signer", "test": ["nobody"]},
            "'nobody', which the corpus does not have. Its signers are 'signer 0', 'signer 1'",
        ),
        (
            {"by": "session", "test": ["nowhen"]},
            "'nowhen', which the corpus does not have. Its sessions are 'day 0'",
        ),
        (
            {"by": "signer", "test": ["signer 0", "signer 1"]},
            r"leaves 'train' empty \(train 0, test 4 clips\)",
        ),
        ({"by": "session"}, "at least 2 sessions; the corpus has 1"),
    ],
)
def test_what_cannot_be_done_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        assign_splits(facts(4, signers=[0, 0, 1, 1], sessions=[0] * 4), config(**asked))


def test_random_of_a_single_clip_leaves_test_empty() -> None:
    with pytest.raises(SplitError, match="leaves 'test' empty"):
        assign_splits(facts(1), config(by="random"))


def test_clips_of_unknown_signers_cannot_be_split_by_signer() -> None:
    known = facts(3, signers=[0, 1, -1])
    with pytest.raises(
        SplitError, match=r"1 of 3 clips have no signer.* Add a column signer to the source's labels\.csv"
    ):
        assign_splits(known, config(by="signer", test=["signer 1"]))
    allowed = config(by="signer", test=["signer 1"], allow_overlap=True)
    assert assign_splits(known, allowed).splits.tolist() == [0, 1, 0]
