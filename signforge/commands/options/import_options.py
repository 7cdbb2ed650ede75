"""The options of `signforge corpora add`."""

from typing import Annotated

import typer

from core.specs.jobs import SplitBy
from core.specs.source_formats import ProfileName, WantedFormat

Source = Annotated[str, typer.Argument(metavar="PATH", help="A pose file, an archive or a folder.")]
NewName = Annotated[str, typer.Option(help="Name of the new corpus (default: the file's name).")]
OnServer = Annotated[
    bool, typer.Option("--on-server", help="PATH is on the service's machine (below a corpus root).")
]
DividedBy = Annotated[SplitBy, typer.Option(help="How clips are split into training and test.")]
TestGroups = Annotated[
    list[str] | None, typer.Option("--test", help="A signer or session of the test split (repeatable).")
]
TestFraction = Annotated[float, typer.Option(min=0, max=1, help="Fraction for test, without --test.")]
SplitSeed = Annotated[int, typer.Option(min=0, help="Random seed of the split.")]
AllowOverlap = Annotated[
    bool, typer.Option("--allow-overlap", help="Allow a signer in both training and test; inflates scores.")
]
Format = Annotated[WantedFormat, typer.Option("--format", help="Format of the source.")]
Thresholds = Annotated[
    ProfileName | None, typer.Option(help="Confidence thresholds (default: the benchmark's own).")
]
ImageWidth = Annotated[
    int | None, typer.Option(min=1, help="Image width in pixels, if the source does not state it.")
]
ImageHeight = Annotated[
    int | None, typer.Option(min=1, help="Image height in pixels, if the source does not state it.")
]
OverrideImageSize = Annotated[
    bool,
    typer.Option("--override-image-size", help="Use this size even if a benchmark states another."),
]
NumClasses = Annotated[
    int | None, typer.Option("--classes", min=1, help="Only the first N classes of a benchmark.")
]
ExcludedClips = Annotated[
    list[str] | None, typer.Option("--exclude", help="A clip of a benchmark to leave out (repeatable).")
]
ExcludedPositions = Annotated[
    list[int] | None,
    typer.Option(
        "--exclude-train-position", min=0, help="The same, by position in the training list, from 0."
    ),
]
DropLastFrame = Annotated[
    bool, typer.Option("--drop-last-frame", help="Leave out the last frame of each video (benchmarks).")
]
UnmirrorFrames = Annotated[
    bool,
    typer.Option("--unmirror-frames", help="Undo the mirroring of frames before pose estimation."),
]
Accepted = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        metavar="CODE",
        help="Import although a finding with this code would refuse it. Repeat it for others.",
    ),
]
WatchImport = Annotated[bool, typer.Option(help="Follow the import to its end.")]
