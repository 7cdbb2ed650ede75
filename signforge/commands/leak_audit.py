"""`signforge corpora leak-audit`: detect leaks between training and test that inflate scores on a corpus."""

from typing import Annotated, Any

import typer

from core.jobs.kinds import LEAK_AUDIT
from core.specs.jobs import AuditedFolds
from signforge.client import Client
from signforge.commands.printing.terminal import AsJson, print_json, print_table
from signforge.commands.printing.watching import watch_until_exit
from signforge.commands.submit import NotLabels, NotSigners, Signers, Splits, selection


def leak_audit(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="A corpus' id or name.")],
    folds: Annotated[
        AuditedFolds,
        typer.Option(help="The corpus' own splits, one signer or session left out, or a random split."),
    ] = "split",
    test_fraction: Annotated[
        float, typer.Option(min=0, max=1, help="Test fraction of a random split.")
    ] = 0.2,
    copy_distance: Annotated[
        float | None,
        typer.Option(
            min=0, help="Clips within this distance count as copies (docs/explanation/leak-audit.md)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    splits: Splits = None,
    signers: Signers = None,
    exclude_signers: NotSigners = None,
    exclude_labels: NotLabels = None,
    watch: Annotated[bool, typer.Option(help="Follow the audit to its end and print it.")] = True,
    as_json: AsJson = False,
) -> None:
    """Detect clips, signers and sessions in both training and test, and glosses that posture reveals."""
    spec = {
        "kind": LEAK_AUDIT.name,
        "corpus": corpus,
        "folds": folds,
        "test_fraction": test_fraction,
        "seed": seed,
        "clips": selection(splits, signers, exclude_signers, exclude_labels),
        **({} if copy_distance is None else {"copy_distance": copy_distance}),
    }
    with Client() as client:
        job = client.jobs.submit(spec)
        if watch:
            typer.echo(f"Submitted {job.id}.", err=True)
            job = watch_until_exit(client, job.id, aside=True)
    if as_json:
        print_json(job)
    elif watch:
        show_leak_audit((job.result or {})["leak_audit"])
    else:
        typer.echo(f"Submitted {job.id}. `signforge watch {job.id}` follows it.")


def show_leak_audit(found: dict[str, Any]) -> None:
    """Print the result of a leak audit: the verdict first, then the numbers."""
    typer.echo("ALARM: scores on this split are inflated." if found["alarm"] else "No alarm.")
    for reason in found["reasons"]:
        typer.echo(f"- {reason}")
    for note in found["notes"]:
        typer.echo(f"Note: {note}")
    columns = ["name", "num_train", "num_test", "num_exact_copies", "num_near_copies"]
    columns += ["num_shared_signers", "num_shared_sessions"]
    typer.echo("")
    print_table(
        ["sides", *(column.removeprefix("num_").replace("_", " ") for column in columns[1:])],
        [[fold[column] for column in columns] for fold in found["folds"]],
        empty="",
    )
    _show_copies(found["folds"])
    if found["probes"] is not None:
        _show_probes(found["probes"])


def _show_copies(folds: list[dict[str, Any]]) -> None:
    copies = [copy for fold in folds for copy in fold["copies"]]
    if copies:
        typer.echo("")
        rows = [
            [copy["clip"], copy["copy_of"], copy["distance"], "yes" if copy.get("mirrored") else ""]
            for copy in copies
        ]
        print_table(["clip", "copy of", "distance", "mirrored"], rows, empty="")


def _show_probes(probes: dict[str, Any]) -> None:
    columns = ["linear", "neighbours", "by_luck", "p_value"]
    names = {"posture": "posture of the first frame", "keypoints": "the whole pose"}
    rows: list[list[object]] = [
        [words, *(probes[name][column] for column in columns)] for name, words in names.items()
    ]
    chances = {"commonest gloss": probes["chance_majority"], "1 / glosses": probes["chance_uniform"]}
    rows += [[f"chance: {words}", value, None, None, None] for words, value in chances.items()]
    typer.echo("")
    print_table(["read from", *(column.replace("_", " ") for column in columns)], rows, empty="")
