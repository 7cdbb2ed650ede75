"""`signforge scores`: the scores of an evaluation with intervals, its glosses, and what is taken for what."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from core.errors import UserError
from signforge.client import Client
from signforge.client.models import Evaluation
from signforge.commands.caveats import caveats
from signforge.commands.terminal import AsJson, print_json, print_table

_MOST_CONFUSIONS = 20


def scores(
    evaluation: Annotated[
        str, typer.Argument(metavar="EVALUATION", help="An evaluation's id, or its job's.")
    ],
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Print the scores of each gloss, too.")
    ] = False,
    confusions: Annotated[
        bool, typer.Option("--confusions", help="Print which glosses are taken for which others, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the scores of an evaluation."""
    with Client() as client:
        found = client.evaluations.get(_evaluation_id(client, evaluation))
    if as_json:
        print_json(found)
    else:
        print_evaluation(found, per_class=per_class, confusions=confusions)


def print_evaluation(evaluation: Evaluation, *, per_class: bool = False, confusions: bool = False) -> None:
    """Print scores with intervals and deviations, each fold's, what to know about them, and what tables are
    asked for."""
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
        names = list(_scores(folds[0]))
        each = [(fold["name"], *(fold[name] for name in names), fold["num_test"]) for fold in folds]
        print_table(["fold", *names, "test clips"], each, empty="")
    sizes = f"{found.get('num_test')} test clips, {found.get('num_classes')} glosses"
    typer.echo(f"{evaluation.id}: {sizes}; fitted on at most {found.get('num_train')} clips.")
    for line in caveats(found):
        typer.echo(f"- {line}")
    if per_class and (table := found.get("per_class")):
        print_table(list(table[0]), [list(row.values()) for row in table], empty="")
    if confusions:
        _print_confusions(found)


def _print_confusions(found: Mapping[str, Any]) -> None:
    wrong = [row for row in found.get("confusions") or [] if row[0] != row[1]]
    empty = "No clip was taken for another gloss, or the protocol names none."
    print_table(["gloss", "taken for", "times"], wrong[:_MOST_CONFUSIONS], empty=empty)


def _evaluation_id(client: Client, wanted: str) -> str:
    if not wanted.startswith("job_"):
        return wanted
    made = (client.jobs.get(wanted).result or {}).get("evaluation_id")
    if made is None:
        raise UserError(f"Job {wanted} has made no evaluation; `signforge show {wanted}` says why.")
    return str(made)


def _scores(found: Mapping[str, Any]) -> dict[str, float]:
    """The scores proper among what is said; the rest are names, counts and tables."""
    return {name: value for name, value in found.items() if isinstance(value, float)}


def _spread(folds: Sequence[Mapping[str, Any]], name: str) -> str:
    """The lowest and the highest fold's score; nothing of a single fold."""
    values = [fold[name] for fold in folds if name in fold]
    return _range((min(values), max(values))) if len(values) > 1 else ""


def _range(bounds: Any) -> str:
    return "" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}"
