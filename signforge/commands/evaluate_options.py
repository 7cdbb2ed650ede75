"""The options of `signforge evaluate`."""

from typing import Annotated

import typer

from core.specs.jobs import Features, Folds, Protocol

MaybeEncoder = Annotated[str | None, typer.Option(help="An encoder's id or name.")]
ScoredFeatures = Annotated[Features, typer.Option(help="What is scored.")]
ScoredBy = Annotated[Protocol, typer.Option(help="How it is scored.")]
ScoredOn = Annotated[Folds, typer.Option(help="On what it is scored.")]
TestCorpus = Annotated[
    str | None, typer.Option(help="Score on another corpus: its id or name; glosses are matched by name.")
]
TestSplits = Annotated[
    list[str] | None, typer.Option("--test-split", help="Only this split of --test-corpus (repeatable).")
]
TrainOnVal = Annotated[bool, typer.Option("--train-on-val", help="Fit on the split val, too.")]
AllowIdenticalClips = Annotated[
    bool, typer.Option("--allow-identical-clips", help="Score although a clip stands on two sides.")
]
LabelFraction = Annotated[float, typer.Option(min=0, max=1, help="Share of each gloss' labels that is used.")]
LabelsPerGloss = Annotated[
    int | None, typer.Option(min=1, help="Labels of each gloss that are used, instead.")
]
EveryGloss = Annotated[
    bool,
    typer.Option(
        "--every-gloss/--no-every-gloss", help="A --label-fraction leaves each gloss at least one clip."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of whatever is drawn.")]
NumSeeds = Annotated[int, typer.Option(min=1, help="Repeat with so many seeds, from --seed on.")]
NumNeighbours = Annotated[int, typer.Option(min=1, help="Neighbours of the kNN protocol.")]
FineTuneChanges = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Change fine-tuning, e.g. num_epochs=20."),
]
PerClass = Annotated[
    bool, typer.Option("--per-class", help="With --watch: print the scores of each gloss, too.")
]
