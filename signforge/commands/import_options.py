"""The options of `signforge corpora add`."""

from typing import Annotated

import typer

from core.specs.jobs import ProfileName, SplitBy, WantedFormat

Source = Annotated[str, typer.Argument(metavar="PATH", help="A pose file, an archive or a folder.")]
NewName = Annotated[str, typer.Option(help="Name of the new corpus; without it, the file's own.")]
OnServer = Annotated[
    bool, typer.Option("--on-server", help="PATH is on the service's machine (below a corpus root).")
]
DividedBy = Annotated[SplitBy, typer.Option(help="How clips are divided.")]
TestGroups = Annotated[
    list[str] | None, typer.Option("--test", help="A signer or session that goes to test (repeatable).")
]
TestFraction = Annotated[float, typer.Option(min=0, max=1, help="Share that goes to test without --test.")]
SplitSeed = Annotated[int, typer.Option(min=0, help="Seed of the draw.")]
AllowOverlap = Annotated[
    bool, typer.Option("--allow-overlap", help="Accept a signer on both sides; scores are inflated.")
]
Format = Annotated[WantedFormat, typer.Option("--format", help="Its layout.")]
Thresholds = Annotated[
    ProfileName | None, typer.Option(help="Confidence thresholds; without it, the benchmark's own.")
]
ImageWidth = Annotated[int | None, typer.Option(min=1, help="Pixels, where it does not say.")]
ImageHeight = Annotated[int | None, typer.Option(min=1, help="Pixels, where it does not say.")]
OverrideImageSize = Annotated[
    bool,
    typer.Option("--override-image-size", help="Use this size even where a benchmark states another."),
]
NumClasses = Annotated[
    int | None, typer.Option("--classes", min=1, help="A benchmark's first so many classes only.")
]
ExcludedClips = Annotated[
    list[str] | None, typer.Option("--exclude", help="A benchmark's clip to leave out (repeatable).")
]
ExcludedPositions = Annotated[
    list[int] | None,
    typer.Option("--exclude-train-position", min=0, help="The same, by place in the training list, from 0."),
]
DropLastFrame = Annotated[
    bool, typer.Option("--drop-last-frame", help="Leave out each video's last frame (benchmarks).")
]
UnmirrorFrames = Annotated[
    bool,
    typer.Option("--unmirror-frames", help="Frames were mirrored before points were found: undo it."),
]
WatchImport = Annotated[bool, typer.Option(help="Follow the import to its end.")]
