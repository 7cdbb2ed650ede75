"""Caveats of an evaluation's scores: pretraining on test clips, shared signers, missing glosses."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from core.specs.counts import counted

Fold = Mapping[str, Any]
_MOST_NAMED = 20


def caveats(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line per caveat of an evaluation's scores. None if there is no caveat."""
    folds: Sequence[Fold] = found.get("folds") or []
    yield from _about_pretraining(folds)
    yield from _about_sides(folds)
    yield from _about_glosses(folds)
    yield from _about_extremes(found)
    yield from found.get("preprocessing_differences") or ()
    if transfer := found.get("transfer"):
        ours, theirs = len(transfer["only_in_corpus"]), len(transfer["only_in_test_corpus"])
        if ours or theirs:
            shared = len(transfer["shared_glosses"])
            yield (
                f"Scored on the {shared} glosses that both corpora share by name. Left out: {ours} glosses "
                f"of the training corpus and {theirs} of the test corpus."
            )


def _about_pretraining(folds: Sequence[Fold]) -> Iterator[str]:
    if where := _folds(folds, lambda fold: fold.get("num_test_pretrained_on", 0) is None):
        yield f"It is unknown whether the encoder was pretrained on the test clips of {where}."
    if where := _folds(folds, lambda fold: fold.get("num_test_pretrained_on")):
        number = sum(fold.get("num_test_pretrained_on") or 0 for fold in folds)
        yield f"The encoder was pretrained (without labels) on {number} of the test clips of {where}."
    if where := _folds(
        folds, lambda fold: fold.get("pretrained_signers") and not fold.get("num_test_pretrained_on")
    ):
        yield f"The encoder was pretrained (without labels) on other clips of the test signers of {where}."


def _about_sides(folds: Sequence[Fold]) -> Iterator[str]:
    if where := _folds(folds, lambda fold: fold.get("shared_signers")):
        yield f"Training and test share signers in {where}."
    for fold in folds:
        if unnamed := fold.get("without_signer"):
            yield (
                f"{unnamed['train']} training and {unnamed['test']} test clips of fold {fold['name']} have "
                "no signer name, so it is unknown whether training and test share signers."
            )
    if where := _folds(
        folds, lambda fold: fold.get("shared_signers_val_test") or fold.get("shared_signers_train_val")
    ):
        yield f"Validation, by which the epoch was chosen, shares signers with training or test in {where}."
    if number := sum(fold.get("num_test_identical", 0) for fold in folds):
        are = "is identical to a training clip" if number == 1 else "are identical to training clips"
        yield f"{counted(number, 'test clip')} {are}."


def _about_glosses(folds: Sequence[Fold]) -> Iterator[str]:
    yield from _about_impossible_clips(folds)
    if number := max((fold.get("num_classes_with_fewer", 0) for fold in folds), default=0):
        yield f"{_of_a_fold(number)} fewer labels than requested."
    if number := max((fold.get("num_classes_without_test", 0) for fold in folds), default=0):
        yield f"{_of_a_fold(number)} no test clip. Per-class means leave them out."


def _of_a_fold(number: int) -> str:
    return "1 gloss of a fold has" if number == 1 else f"Up to {number} glosses of a fold have"


def _about_extremes(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an interval without width means (rule of three)."""
    for name in ("top1", "recall_at_1"):
        if found.get(name) in (0, 1) and (number := found.get("num_test")):
            all_are, other = ("right", "error") if found[name] == 1 else ("wrong", "score")
            yield (
                f"All {number} test clips are {all_are} ({name}), so the interval has no width. The true "
                f"{other} may be up to {min(1, 3 / number):.2g} (rule of three, if clips were independent)."
            )


def _about_impossible_clips(folds: Sequence[Fold]) -> Iterator[str]:
    """Yield the fold with the largest share of test clips that cannot be right, and how to leave them out."""
    having = [fold for fold in folds if fold.get("num_test_without_train")]
    if not having:
        return
    worst = max(having, key=lambda fold: float(fold["num_test_without_train"] / fold["num_test"]))
    number, of = worst["num_test_without_train"], worst["num_test"]
    others = len(having) - 1
    rest = f", and fewer in {others} other fold{'s' * (others > 1)}" if others else ""
    line = (
        f"In fold {worst['name']}, {number} of {of} test clips have a gloss without training clips{rest}. "
        f"They count as wrong, so at most {1 - number / of:.3f} of that fold can be right."
    )
    if glosses := list(dict.fromkeys(name for fold in having for name in fold["tested_without_train"])):
        options = " ".join(f"--exclude-label {shlex.quote(name)}" for name in glosses[:_MOST_NAMED])
        more = f" and {len(glosses) - _MOST_NAMED} more" if len(glosses) > _MOST_NAMED else ""
        line += f" Leave them out with {options}{more}."
    yield line


def _folds(folds: Sequence[Fold], holds: Callable[[Fold], object]) -> str:
    """Names of the folds for which `holds` is true, in words. Empty for none."""
    names = [str(fold["name"]) for fold in folds if holds(fold)]
    if not names:
        return ""
    if len(names) == len(folds):
        return "every fold" if len(folds) > 1 else f"fold {names[0]}"
    return f"{'folds' if len(names) > 1 else 'fold'} {', '.join(names)}"
