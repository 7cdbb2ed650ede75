"""The options of `signforge corpora add` and `check`."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args

import typer

from core.errors import UserError
from core.specs.archive_encodings import ArchiveEncoding
from core.specs.column_roles import column_role
from core.specs.finding_codes import unknown_code
from core.specs.import_jobs import SplitBy
from core.specs.source_formats import (
    ColumnRole,
    ProfileName,
    Sides,
    VectorPart,
    WantedFormat,
    checked_part_order,
)


def _checked_codes(codes: list[str] | None) -> list[str]:
    for code in codes or ():
        if problem := unknown_code(code, option="--accept"):
            raise typer.BadParameter(problem)
    return codes or []  # not None: the oldest typer that is allowed would measure its length


_TEST_FRACTION = 0.2
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
    int | None, typer.Option(min=1, help="Image width in pixels, whatever the files state.")
]
ImageHeight = Annotated[
    int | None, typer.Option(min=1, help="Image height in pixels, whatever the files state.")
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
WhichSides = Annotated[
    Sides, typer.Option("--sides", help="Exchange left and right hand, or all that is left and right.")
]
PartOrder = Annotated[
    str | None,
    typer.Option(metavar="PART,...", help="Order of pose, face, left_hand and right_hand in MP_Data frames."),
]
Labels = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="A table inside PATH, by its path from there (default: labels.csv)."),
]
Columns = Annotated[
    str | None,
    typer.Option(metavar="ROLE=NAME,...", help="Columns of the table, as clip=id,gloss=text,signer=who."),
]
EncodingOfArchive = Annotated[
    ArchiveEncoding | None,
    typer.Option("--archive-encoding", help="Encoding of file names in an archive that does not state it."),
]
Accepted = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        metavar="CODE",
        callback=_checked_codes,
        help="Go on although a finding with this code would refuse the files. Repeat it for others.",
    ),
]
WatchImport = Annotated[bool, typer.Option(help="Follow the import to its end.")]


def import_fields(
    split_by: DividedBy = "given",
    test: TestGroups = None,
    test_fraction: TestFraction = _TEST_FRACTION,
    split_seed: SplitSeed = 0,
    allow_overlap: AllowOverlap = False,
    source_format: Format = "auto",
    profile: Thresholds = None,
    image_width: ImageWidth = None,
    image_height: ImageHeight = None,
    override_image_size: OverrideImageSize = False,
    classes: NumClasses = None,
    exclude: ExcludedClips = None,
    exclude_at: ExcludedPositions = None,
    drop_last_frame: DropLastFrame = False,
    unmirror_frames: UnmirrorFrames = False,
    sides: WhichSides = "as_stored",
    part_order: PartOrder = None,
    labels: Labels = None,
    columns: Columns = None,
    archive_encoding: EncodingOfArchive = None,
    accept: Accepted = None,
) -> dict[str, Any]:
    """Return the fields of an import's specification, without `kind`, `name` and `source`.

    Raises:
        UserError: an option has no effect beside the others.
    """
    if (test or split_by == "given") and (test_fraction, split_seed) != (_TEST_FRACTION, 0):
        why = "--test names the test split" if test else "--split-by is 'given'"
        option = f"--split-seed is {split_seed}" if split_seed else f"--test-fraction is {test_fraction:g}"
        raise UserError(f"{option}, but nothing is drawn, because {why}. Omit one of them.")
    return {
        "split": {
            "by": split_by,
            "test": tuple(test or ()),
            "test_fraction": test_fraction,
            "seed": split_seed,
            "allow_overlap": allow_overlap,
        },
        "format": source_format,
        "profile": profile,
        "image_width": image_width,
        "image_height": image_height,
        "override_image_size": override_image_size,
        "benchmark_classes": classes,
        "exclude_clips": tuple(exclude or ()),
        "exclude_train_positions": tuple(exclude_at or ()),
        "drop_last_frame": drop_last_frame,
        "unmirror_frames": unmirror_frames,
        "sides": sides,
        "part_order": parts_in_order(part_order),
        "labels": labels,
        "columns": column_names(columns),
        "archive_encoding": archive_encoding,
        "accept": tuple(accept or ()),
    }


def takes_import_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `import_fields`; its parameter `fields` gets their result.

    Typer reads a command's options from its signature.
    """
    shared = inspect.signature(import_fields).parameters
    own = inspect.signature(command)

    def run(**values: Any) -> None:
        options = {name: values.pop(name) for name in shared}
        command(fields=import_fields(**options), **values)

    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, one in own.parameters.items()
        for parameter in (shared.values() if name == "fields" else (one,))
    ]
    with_all: Any = functools.update_wrapper(run, command)
    del with_all.__wrapped__  # typer would look at its signature instead
    with_all.__signature__ = own.replace(parameters=parameters)
    with_all.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def parts_in_order(text: str | None) -> tuple[VectorPart, ...]:
    """Parse `face,pose,left_hand,right_hand`.

    Raises:
        UserError: a part is unknown, missing or named twice.
    """
    parts = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    try:
        return checked_part_order(parts)
    except ValueError as error:
        raise UserError(f"{error}.") from None


def column_names(text: str | None) -> dict[str, str]:
    """Parse `clip=id,gloss=text` to names of columns by what they hold.

    Raises:
        UserError: a part is not `ROLE=NAME`, or a role is unknown.
    """
    columns: dict[str, str] = {}
    for part in (text or "").split(",") if text else ():
        role, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not name:
            raise UserError(
                f"--columns {text!r}: {part!r} is not ROLE=NAME. Write for example clip=id,gloss=text; the "
                f"roles are {', '.join(get_args(ColumnRole))}."
            )
        try:
            columns[column_role(role)] = name
        except ValueError as error:
            raise UserError(f"--columns {text!r}: {error}") from None
    return columns
