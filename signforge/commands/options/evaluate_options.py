"""The options of `signforge evaluate`."""

from collections.abc import Mapping
from typing import Annotated

import typer

from core.specs.jobs import Features, Folds, Protocol

MaybeEncoder = Annotated[str | None, typer.Option(help="An encoder's id or name.")]
ScoredFeatures = Annotated[Features, typer.Option(help="Features to score: an encoder's or a baseline's.")]
ScoredBy = Annotated[Protocol, typer.Option(help="Evaluation protocol.")]
ScoredOn = Annotated[Folds, typer.Option(help="Cross-validation folds, or the corpus' own split.")]
TestCorpus = Annotated[
    str | None, typer.Option(help="Test on another corpus (id or name). Glosses are matched by name.")
]
TestSplits = Annotated[
    list[str] | None, typer.Option("--test-split", help="Only this split of --test-corpus (repeatable).")
]
TrainOnVal = Annotated[bool, typer.Option("--train-on-val", help="Train on the validation split too.")]
AllowIdenticalClips = Annotated[
    bool, typer.Option("--allow-identical-clips", help="Allow identical clips in training and test.")
]
LabelFraction = Annotated[float, typer.Option(min=0, max=1, help="Fraction of each gloss' labels to use.")]
LabelsPerGloss = Annotated[
    int | None, typer.Option(min=1, help="Number of each gloss' labels to use, instead of a fraction.")
]
EveryGloss = Annotated[
    bool,
    typer.Option(
        "--every-gloss/--no-every-gloss", help="With --label-fraction: keep at least one clip per gloss."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Random seed.")]
NumSeeds = Annotated[int, typer.Option(min=1, help="Repeat with this many seeds, starting at --seed.")]
NumNeighbours = Annotated[int, typer.Option(min=1, help="Number of neighbours of the kNN protocol.")]
FineTuneChanges = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Change a fine-tuning setting, e.g. num_epochs=20."),
]
PerSigner = Annotated[
    bool, typer.Option("--per-signer", help="With --watch: also print the scores of each test signer.")
]
PerClass = Annotated[
    bool, typer.Option("--per-class", help="With --watch: also print the scores of each gloss.")
]


def check_tables(wanted: Mapping[str, bool], *, will_be_printed: bool) -> None:
    """Check that tables are wanted, by their options, only where they will be printed.

    Raises:
        BadParameter: one is not.
    """
    for option in (option for option, is_wanted in wanted.items() if is_wanted and not will_be_printed):
        raise typer.BadParameter(
            f"{option} prints a table when the job has ended. Add --watch without --json, or omit it and run "
            f"`signforge scores JOB {option}` then."
        )
