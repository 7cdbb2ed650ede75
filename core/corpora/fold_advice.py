"""What to do if a corpus cannot be divided as folds ask, for checks at submission and in the program."""

import shlex
from collections.abc import Sequence

_MOST_NAMED = 5


def nameless(folds: str, noun: str, number: int, names: Sequence[str], corpus: str) -> str:
    """Say that clips have no signer or session, and how to do without them."""
    others = " ".join(f"--{noun} {shlex.quote(name)}" for name in names[:_MOST_NAMED])
    more = " ..." if len(names) > _MOST_NAMED else ""
    choose = f"choose the others with {others}{more}, or " if noun == "signer" and names else ""
    return (
        f"folds {folds!r}: {number} clips of {corpus!r} have no {noun}; {choose}import the corpus again with "
        f"a column {noun} in its labels.csv."
    )


def too_few_groups(folds: str, noun: str, number: int, where: str) -> str:
    """Say that there are too few signers or sessions to leave one out."""
    return (
        f"folds {folds!r} need two or more {noun}s; {where} {number}. Set other folds (--folds), widen "
        f"`clips`, or import the corpus again with a column {noun} in its labels.csv."
    )


def other_split(signer_names: Sequence[str]) -> str:
    """Say how to get a train and a test side, to follow `Import it with`."""
    if len(signer_names) > 1:
        return "another split (--split-by signer), set folds to 'each_signer' (--folds each_signer)"
    return (
        "a column signer in its labels.csv and --split-by signer, or with a random split (--split-by random)"
    )
