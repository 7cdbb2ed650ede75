"""What makes an evaluation's scores better, or other, than they look; told wherever they are printed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Fold = Mapping[str, Any]


def caveats(found: Mapping[str, Any]) -> Iterator[str]:
    """A line for each, of the scores as the service gives them; nothing where they are what they seem."""
    folds: Sequence[Fold] = found.get("folds") or []
    yield from _about_pretraining(folds)
    yield from _about_sides(folds)
    yield from _about_glosses(folds)
    if transfer := found.get("transfer"):
        ours, theirs = len(transfer["only_in_corpus"]), len(transfer["only_in_test_corpus"])
        if ours or theirs:
            shared = len(transfer["shared_glosses"])
            yield (
                f"Only the {shared} glosses that both corpora name alike take part, not {ours} of one and "
                f"{theirs} of the other."
            )


def _about_pretraining(folds: Sequence[Fold]) -> Iterator[str]:
    if where := _folds(folds, lambda fold: fold.get("num_test_pretrained_on", 0) is None):
        yield f"Whether the encoder was pretrained on the test clips of {where} is not known."
    if where := _folds(folds, lambda fold: fold.get("num_test_pretrained_on")):
        number = sum(fold.get("num_test_pretrained_on") or 0 for fold in folds)
        yield f"The encoder was pretrained, without labels, on {number} of the test clips, of {where}."
    if where := _folds(
        folds, lambda fold: fold.get("pretrained_signers") and not fold.get("num_test_pretrained_on")
    ):
        yield f"The encoder was pretrained, without labels, on other clips of who is tested in {where}."


def _about_sides(folds: Sequence[Fold]) -> Iterator[str]:
    if where := _folds(folds, lambda fold: fold.get("shared_signers")):
        yield f"The same people are trained and tested on in {where}."
    if where := _folds(
        folds, lambda fold: fold.get("shared_signers_val_test") or fold.get("shared_signers_train_val")
    ):
        yield f"Epochs were chosen on people (val) who are trained or tested on, too, in {where}."
    if number := sum(fold.get("num_test_identical", 0) for fold in folds):
        yield f"{number} test clips are identical to clips that are fitted on."


def _about_glosses(folds: Sequence[Fold]) -> Iterator[str]:
    if number := max((fold.get("num_classes_without_train", 0) for fold in folds), default=0):
        yield f"Up to {number} glosses of a fold have no label to fit on: their test clips count as wrong."
    if number := max((fold.get("num_classes_with_fewer", 0) for fold in folds), default=0):
        yield f"Up to {number} glosses of a fold have fewer labels than were asked for."
    if number := max((fold.get("num_classes_without_test", 0) for fold in folds), default=0):
        yield f"Up to {number} glosses of a fold have no test clip: they are in no mean per class."


def _folds(folds: Sequence[Fold], holds: Callable[[Fold], object]) -> str:
    """Which folds, in words; empty for none."""
    names = [str(fold["name"]) for fold in folds if holds(fold)]
    if not names:
        return ""
    if len(names) == len(folds):
        return "every fold" if len(folds) > 1 else f"fold {names[0]}"
    return f"{'folds' if len(names) > 1 else 'fold'} {', '.join(names)}"
