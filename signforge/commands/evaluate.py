"""`signforge evaluate` (also `signforge submit evaluate`): score features on a labelled corpus."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from signforge.client import Client
from signforge.commands.jobs import Deadline, Priority
from signforge.commands.scores import print_evaluation
from signforge.commands.submit import (
    CorpusName,
    DryRun,
    NotLabels,
    NotSigners,
    Signers,
    Splits,
    Terms,
    Watch,
    overrides,
    selection,
    submit,
)
from signforge.commands.terminal import AsJson
from signforge.models import Job


class Features(StrEnum):
    """What is scored."""

    ENCODER = "encoder"
    UNTRAINED = "untrained"
    KEYPOINTS = "keypoints"


class Protocol(StrEnum):
    """How it is scored."""

    KNN = "knn"
    LINEAR = "linear"
    RETRIEVAL = "retrieval"
    FINE_TUNE = "fine_tune"


class Folds(StrEnum):
    """On what it is scored."""

    SPLIT = "split"
    EACH_SIGNER = "each_signer"
    EACH_SESSION = "each_session"


def evaluate(
    corpus: CorpusName,
    encoder: Annotated[str | None, typer.Option(help="An encoder's id or name.")] = None,
    features: Annotated[Features, typer.Option(help="What is scored.")] = Features.ENCODER,
    protocol: Annotated[Protocol, typer.Option(help="How it is scored.")] = Protocol.KNN,
    folds: Annotated[Folds, typer.Option(help="On what it is scored.")] = Folds.SPLIT,
    test_corpus: Annotated[
        str | None, typer.Option(help="Score on another corpus: its id or name; glosses are matched by name.")
    ] = None,
    test_splits: Annotated[
        list[str] | None, typer.Option("--test-split", help="Only this split of --test-corpus (repeatable).")
    ] = None,
    train_on_val: Annotated[bool, typer.Option("--train-on-val", help="Fit on the split val, too.")] = False,
    allow_identical_clips: Annotated[
        bool, typer.Option("--allow-identical-clips", help="Score although a clip stands on two sides.")
    ] = False,
    label_fraction: Annotated[
        float, typer.Option(min=0, max=1, help="Share of each gloss' labels that is used.")
    ] = 1.0,
    labels_per_gloss: Annotated[
        int | None, typer.Option(min=1, help="Labels of each gloss that are used, instead.")
    ] = None,
    every_gloss: Annotated[
        bool,
        typer.Option(
            "--every-gloss/--no-every-gloss", help="A --label-fraction leaves each gloss at least one clip."
        ),
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of whatever is drawn.")] = 0,
    num_seeds: Annotated[int, typer.Option(min=1, help="Repeat with so many seeds, from --seed on.")] = 1,
    num_neighbours: Annotated[int, typer.Option(min=1, help="Neighbours of the kNN protocol.")] = 20,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Change fine-tuning, e.g. num_epochs=20."),
    ] = None,
    splits: Splits = None,
    signers: Signers = None,
    exclude_signers: NotSigners = None,
    exclude_labels: NotLabels = None,
    priority: Priority = 0,
    deadline_seconds: Deadline = None,
    dry_run: DryRun = False,
    watch: Watch = False,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="With --watch: print the scores of each gloss, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score features on a labelled corpus: probes on frozen features, retrieval, or fine-tuning."""
    spec: dict[str, Any] = {
        "kind": "evaluate",
        "corpus": corpus,
        "encoder": encoder,
        "features": features.value,
        "protocol": protocol.value,
        "folds": folds.value,
        "clips": selection(splits, signers, exclude_signers, exclude_labels),
        "test_corpus": test_corpus,
        "test_clips": selection(test_splits, None, None, None),
        "train_on_val": train_on_val,
        "allow_identical_clips": allow_identical_clips,
        "label_fraction": label_fraction,
        "labels_per_gloss": labels_per_gloss,
        "every_gloss": every_gloss,
        "seed": seed,
        "num_seeds": num_seeds,
        "fine_tune": overrides(changes or []),
        "num_neighbours": num_neighbours,
    }

    def show(client: Client, job: Job) -> None:
        evaluation = client.evaluation((job.result or {})["evaluation_id"])
        print_evaluation(evaluation, per_class=per_class)

    terms = Terms(priority, deadline_seconds)
    submit(spec, terms, dry_run=dry_run, watch=watch, as_json=as_json, show=show)
