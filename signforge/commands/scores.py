"""`signforge scores`: show an evaluation's scores, confidence intervals, tables and confusions."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from core.errors import UserError
from core.specs.counts import counted
from signforge.client import Client
from signforge.client.models import Evaluation
from signforge.commands.printing.caveats import caveats
from signforge.commands.printing.terminal import AsJson, print_json, print_table

_MAX_CONFUSIONS = 20
_WITHOUT_TRAINING = frozenset({"knn", "dictionary", "retrieval"})
"""Protocols that compare test clips with labelled ones."""


def scores(
    evaluation: Annotated[
        str, typer.Argument(metavar="EVALUATION", help="Id of an evaluation or of its job.")
    ],
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Also print the scores of each gloss.")
    ] = False,
    per_signer: Annotated[
        bool, typer.Option("--per-signer", help="Also print the scores of each test signer.")
    ] = False,
    per_clip: Annotated[
        bool, typer.Option("--per-clip", help="Also print the rank of each test clip's gloss.")
    ] = False,
    confusions: Annotated[
        bool, typer.Option("--confusions", help="Also print which glosses are confused with which.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the scores of an evaluation."""
    with Client() as client:
        found = client.evaluations.get(_evaluation_id(client, evaluation))
    if as_json:
        print_json(found)
    else:
        print_evaluation(
            found, per_class=per_class, per_signer=per_signer, per_clip=per_clip, confusions=confusions
        )


def print_evaluation(
    evaluation: Evaluation,
    *,
    per_class: bool = False,
    per_signer: bool = False,
    per_clip: bool = False,
    confusions: bool = False,
) -> None:
    """Print scores with confidence intervals and standard deviations, per-fold scores, caveats, and the
    requested tables."""
    found = evaluation.scores
    intervals, deviations = found.get("intervals") or {}, found.get("deviations") or {}
    folds = found.get("folds") or []
    over = found.get("intervals_over", "clips")
    columns = ["score", "value", f"95 % interval over {over}", "lowest to highest fold", "sd over seeds"]
    rows = [
        (name, value, _range(intervals.get(name)), _spread(folds, name), deviations.get(name))
        for name, value in _scores(found).items()
    ]
    print_table(columns, rows, empty="There are no scores.")
    if len(folds) > 1:
        names = _per_instance(folds[0])
        each = [(fold["name"], *(fold[name] for name in names), fold["num_test"]) for fold in folds]
        print_table(["fold", *names, "test clips"], each, empty="")
    sizes = f"{counted(found['num_test'], 'test clip')}, {counted(found['num_classes'], 'gloss', 'glosses')}"
    most = f"at most {found.get('num_train')}"
    is_trained = evaluation.protocol not in _WITHOUT_TRAINING
    use = f"trained on {most} clips" if is_trained else f"{most} labelled clips to compare with"
    typer.echo(f"{evaluation.id}: {sizes}; {use}.")
    for line in caveats(found):
        typer.echo(f"- {line}")
    if per_class and (table := found.get("per_class")):
        print_table(list(table[0]), [list(row.values()) for row in table], empty="")
    if per_signer:
        _print_signers(found.get("per_signer") or [])
    if per_clip:
        _print_ranks(found.get("per_clip") or [])
    if confusions:
        _print_confusions(found)


def _print_signers(table: Sequence[Mapping[str, Any]]) -> None:
    """Print the scores of each signer, with the interval of the first one."""
    names = _per_instance(table[0]) if table else []
    rows = [
        (row["signer"], row["num_test"], *(row[name] for name in names), _range(row["intervals"][names[0]]))
        for row in table
    ]
    columns = ["signer", "test clips", *names, *(f"95 % interval of {name}" for name in names[:1])]
    print_table(columns, rows, empty="The evaluation has no scores of signers; an earlier version made it.")


def _print_ranks(table: Sequence[Mapping[str, Any]]) -> None:
    columns = ["fold", "clip", "signer", "gloss", "rank"]
    rows = [(*(row[column] for column in columns[:-1]), ", ".join(map(_rank, row["ranks"]))) for row in table]
    print_table(columns, rows, empty="The evaluation has no ranks of clips; an earlier version made it.")


def _rank(rank: int | None) -> str:
    return "none" if rank is None else str(rank)


def _print_confusions(found: Mapping[str, Any]) -> None:
    wrong = [row for row in found.get("confusions") or [] if row[0] != row[1]]
    empty = "No clip was confused with another gloss, or the protocol does not predict glosses."
    print_table(["gloss", "predicted as", "clips"], wrong[:_MAX_CONFUSIONS], empty=empty)


def _evaluation_id(client: Client, wanted: str) -> str:
    if not wanted.startswith("job_"):
        return wanted
    found = (client.jobs.get(wanted).result or {}).get("evaluation_id")
    if found is None:
        raise UserError(f"Job {wanted} has no evaluation. `signforge show {wanted}` shows its state.")
    return str(found)


def _scores(found: Mapping[str, Any]) -> dict[str, float]:
    """The entries that are scores. The others are names, counts and tables."""
    return {name: value for name, value in found.items() if isinstance(value, float)}


def _per_instance(found: Mapping[str, Any]) -> list[str]:
    """The names of the scores, without the means over classes."""
    return [name for name in _scores(found) if not name.endswith("_per_class")]


def _spread(folds: Sequence[Mapping[str, Any]], name: str) -> str:
    """The lowest and the highest score of the folds. Empty for a single fold."""
    values = [fold[name] for fold in folds if name in fold]
    return _range((min(values), max(values))) if len(values) > 1 else ""


def _range(bounds: Any) -> str:
    return "" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}"
