"""Checks, before a job is accepted, that a corpus has enough clips for it.

The program checks the selected clips themselves. Here the corpus' summary tells what cannot work.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from api.problems import unfit
from core.corpora import fold_advice
from core.jobs.tables.artifacts import CorpusRow
from core.specs.counts import counted
from core.specs.jobs import ClipSelection, EvaluateSpec, JobSpec, LeakAuditSpec, PretrainSpec
from core.specs.plain_names import plain_name
from core.specs.weights import MOST_CLIPS, epoch_length

_GROUPS = {"each_signer": "signer", "each_session": "session"}


def check_amounts(
    spec: JobSpec, resolved: Mapping[str, Any] | None, corpus: CorpusRow, more: Sequence[CorpusRow] = ()
) -> None:
    """Check a job on `corpus`, and on `more` corpora that a pretraining also names.

    Raises:
        Problem: a batch is larger than the selected clips, folds or glosses are missing, or a corpus is named
            twice (422).
    """
    if isinstance(spec, PretrainSpec) and resolved is not None:
        _check_each_is_another([corpus, *more])
        _check_batch(spec, resolved["run"]["batch_size"], corpus, more)
    elif isinstance(spec, EvaluateSpec):
        _check_glosses(corpus)
        if spec.folds in _GROUPS:
            _check_groups(spec, _GROUPS[spec.folds], corpus)
        elif spec.test_corpus is None:
            _check_sides(spec, corpus)
        if spec.protocol == "dictionary" and spec.test_corpus is None:
            _check_new_signers(spec, corpus)
    elif isinstance(spec, LeakAuditSpec):
        if spec.folds in _GROUPS:
            _check_groups(spec, _GROUPS[spec.folds], corpus)
        elif spec.folds == "split":
            _check_splits(corpus)


def most_clips(clips: ClipSelection, summary: Mapping[str, Any]) -> int:
    """Return a number of clips that the selection does not exceed."""
    splits, signers = summary["split_counts"], summary.get("signer_counts")
    num_clips = int(summary["num_clips"])
    most = _count(splits, clips.splits) if clips.splits else num_clips
    if signers is None:
        return most
    if clips.signers:
        most = min(most, _count(signers, clips.signers))
    return min(most, num_clips - _count(signers, clips.exclude_signers))


def _count(counts: Mapping[str, int], names: Collection[str]) -> int:
    wanted = set(map(plain_name, names))
    return sum(count for name, count in counts.items() if plain_name(name) in wanted)


def _check_each_is_another(corpora: Sequence[CorpusRow]) -> None:
    for number, corpus in enumerate(corpora[1:]):
        same = (earlier for earlier in corpora[: number + 1] if earlier.digest == corpus.digest)
        if (earlier := next(same, None)) is not None:
            twice = "is named twice" if earlier.id == corpus.id else f"has the same clips as {earlier.name!r}"
            detail = f"Corpus {corpus.name!r} {twice}. Name each once, and select its clips there."
            raise unfit(f"/also/{number}/corpus", detail, code="named_twice")


def _check_batch(spec: PretrainSpec, batch_size: int, corpus: CorpusRow, more: Sequence[CorpusRow]) -> None:
    others = zip(spec.also, more, strict=True)
    weighted = [(most_clips(also.clips, row.summary), also.weight) for also, row in others]
    most = epoch_length([(most_clips(spec.clips, corpus.summary), 1.0), *weighted])
    if most > MOST_CLIPS:
        detail = f"The weights may draw {most} clips in an epoch; the limit is {MOST_CLIPS}. Lower them."
        raise unfit("/also", detail, code="too_many_clips")
    if batch_size > most:
        of = f"of corpus {corpus.name!r}" if not more else f"of the {1 + len(more)} corpora"
        raise unfit(
            "/overrides/run/batch_size",
            f"run.batch_size is {batch_size}, but only {counted(most, 'clip')} {of} can be selected; "
            "lower run.batch_size, or widen `clips`.",
            code="too_few_clips",
        )


def _check_glosses(corpus: CorpusRow) -> None:
    names = corpus.summary["label_names"]
    if len(names) < 2:
        detail = (
            f"An evaluation needs two or more glosses; corpus {corpus.name!r} has {len(names)}. Import it "
            "again with the glosses of its clips, for example in a labels.csv."
        )
        raise unfit("/corpus", detail, code="too_few_glosses")


def _check_groups(spec: EvaluateSpec | LeakAuditSpec, noun: str, corpus: CorpusRow) -> None:
    names = corpus.summary[f"{noun}_names"]
    without = (corpus.summary.get("num_without") or {}).get(noun, 0)
    if len(names) < 2:
        detail = fold_advice.too_few_groups(spec.folds, noun, len(names), f"corpus {corpus.name!r} has")
    elif without and spec.clips == ClipSelection():
        detail = fold_advice.nameless(spec.folds, noun, without, names, corpus.name)
    else:
        return
    raise unfit("/folds", detail, code="no_folds")


def _check_splits(corpus: CorpusRow) -> None:
    filled = [name for name, count in corpus.summary["split_counts"].items() if count]
    if len(filled) < 2:
        raise unfit(
            "/folds",
            f"All clips of corpus {corpus.name!r} are in split {', '.join(filled)}, but a leak audit "
            "compares two. Set folds to 'random' (--folds random), or import it with "
            f"{fold_advice.other_split(corpus.summary['signer_names'])}.",
            code="no_folds",
        )


def _check_new_signers(spec: EvaluateSpec, corpus: CorpusRow) -> None:
    """Refuse a dictionary if some signer is surely on both sides of a fold.

    That is so with one signer, where the split says so, and with more sessions than signers: two sessions
    then share a signer.
    """
    summary = corpus.summary
    without = summary.get("num_without") or {}
    if spec.folds == "each_signer" or spec.clips != ClipSelection() or "signer" not in without:
        return
    if without["signer"] or without["label"]:
        return
    signers, sessions = len(summary["signer_names"]), len(summary["session_names"])
    by_signer = "Set folds to 'each_signer' (--folds each_signer), or use protocol 'knn'."
    other = by_signer if signers > 1 else "Use protocol 'knn', or import clips of several signers."
    shared = summary.get("num_signers_in_train_and_test", 0) if spec.folds == "split" else 0
    if signers == 1 or shared or (spec.folds == "each_session" and sessions > signers):
        raise unfit(
            "/folds",
            f"Protocol 'dictionary' tests signers that are not in the dictionary, but corpus {corpus.name!r} "
            f"has {counted(signers, 'signer')} in {counted(sessions, 'session')}"
            f"{f', {shared} of them both in train and in test' if shared else ''}, so folds {spec.folds!r} "
            f"have a signer on both sides. {other}",
            code="no_folds",
        )


def _check_sides(spec: EvaluateSpec, corpus: CorpusRow) -> None:
    counts = corpus.summary["split_counts"]
    train = counts.get("train", 0) + (counts.get("val", 0) if spec.train_on_val else 0)
    if not train or not counts.get("test", 0):
        raise unfit(
            "/folds",
            f"Corpus {corpus.name!r} has {counted(train, 'clip')} to fit on and {counts.get('test', 0)} to "
            "test on; both are needed. Import it with "
            f"{fold_advice.other_split(corpus.summary['signer_names'])}, or score on another corpus "
            "(--test-corpus).",
            code="no_folds",
        )
