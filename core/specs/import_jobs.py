"""Specifications of the jobs that import: pose files to a corpus, a checkpoint to an encoder."""

from typing import Annotated, Literal, Self

from pydantic import FailFast, Field, model_validator

from core.specs.archive_encodings import ArchiveEncoding
from core.specs.column_roles import Columns
from core.specs.fields import (
    Closed,
    FileName,
    Name,
    Names,
    Position,
    Positive,
    ProperFraction,
    Reference,
    Seed,
    Switch,
)
from core.specs.finding_codes import FindingCode
from core.specs.jobs import JobSpec
from core.specs.source_formats import (
    ProfileName,
    Sides,
    VectorPart,
    WantedFormat,
    checked_part_order,
)

SplitBy = Literal["given", "signer", "session", "random"]
"""A choice that is also a command-line option; the field `by` explains it."""


class SplitConfig(Closed):
    """How clips are divided into train and test."""

    by: SplitBy = "given"
    """`given`: the split in the source, or all `train` if the source has none. `signer`, `session`: whole
    signers or sessions are held out for test. `random`: random clips, stratified by label."""
    test: Names = ()
    """Names of the signers or sessions in the test split."""
    test_fraction: ProperFraction = 0.2
    """Fraction that is drawn for the test split if `test` is empty."""
    seed: Seed = 0
    """Random seed of the draw."""
    allow_overlap: Switch = False
    """Accept a split in which a signer or a clip is in both train and test. Scores on such a split are
    inflated. A random split of a corpus with named signers always overlaps, so it needs this option."""

    @model_validator(mode="after")
    def _test_is_of_signers_or_sessions(self) -> Self:
        if self.test and self.by not in ("signer", "session"):
            raise ValueError(
                f"split.test (--test) is {', '.join(map(repr, self.test))}, but split.by (--split-by) is "
                f"{self.by!r}; set split.by to 'signer' or 'session', or leave split.test empty"
            )
        return self


class ImportSpec(JobSpec):
    """Read pose files, normalise them and pack them into a corpus."""

    kind: Literal["import"] = "import"
    name: FileName
    """Name of the new corpus; no slashes."""
    source: Reference
    """An upload's id (`upl_...`), or a file or folder below a configured corpus root."""
    format: WantedFormat = "auto"
    """Format of the source; `auto` detects it."""
    profile: ProfileName | None = None
    """Benchmark whose confidence thresholds are used for normalisation. The default is the benchmark of the
    source, or WLASL if the source is not a benchmark."""
    image_width: Positive | None = None
    """Frame width in pixels. It is used even if the files state another size, except for benchmarks."""
    image_height: Positive | None = None
    """Frame height in pixels, likewise."""
    override_image_size: Switch = False
    """For benchmarks: use `image_width` and `image_height` even if the source states another size, as loaders
    with a hard-coded size do."""
    benchmark_classes: Positive | None = None
    """For benchmarks: import only the first N classes (WLASL 100, 300, 1000; MS-ASL 100, 200, 500)."""
    exclude_clips: Names = ()
    """For benchmarks: names of clips to exclude."""
    exclude_train_positions: Annotated[tuple[Position, ...], FailFast()] = ()
    """For benchmarks: clips to exclude, by their index in the training list of the selected classes, counted
    from 0."""
    drop_last_frame: Switch = False
    """For benchmarks: drop the last frame of each video. Some loaders do so because they count one frame too
    few."""
    unmirror_frames: Switch = False
    """Undo the mirroring of frames that were flipped before pose estimation: x becomes width - x, and left
    and right hands and arms are swapped."""
    sides: Sides = "as_stored"
    """Which points are left: `exchange_hands` exchanges the left and the right hand, `exchange_all` also the
    arms. Positions stay as they are."""
    part_order: Annotated[tuple[VectorPart, ...], FailFast()] = ()
    """Format `mp_data`: the order of the parts in a frame's vector, if it is not pose, face, left hand, right
    hand. A face that the vectors lack may be named or not."""
    labels: Name | None = None
    """Table of labels in the source: its path in the source, or its name. The default is `labels.csv`."""
    columns: Columns = Field(default_factory=dict)
    """Names of the table's columns, if they are not the usual ones: `{"clip": "id", "gloss": "text"}`.
    `name` stands for `clip`, and `label` for `gloss`."""
    archive_encoding: ArchiveEncoding | None = None
    """Encoding of file names in an archive that does not state it. By default it is guessed, and the import
    is refused if several are possible."""
    accept: Annotated[tuple[FindingCode, ...], FailFast()] = ()
    """Codes of findings for which the import is not refused (docs/reference/findings.md)."""
    split: SplitConfig = SplitConfig()
    """Train/test split."""

    @model_validator(mode="after")
    def _whole_options(self) -> Self:
        sides = {"width": self.image_width, "height": self.image_height}
        missing = [f"image_{side} (--image-{side})" for side, pixels in sides.items() if pixels is None]
        if len(missing) == 1:
            raise ValueError(f"{missing[0]} is missing; give both width and height, or neither")
        if missing and self.override_image_size:
            raise ValueError(
                f"override_image_size (--override-image-size) needs {' and '.join(missing)}; give both, or "
                "omit override_image_size"
            )
        checked_part_order(self.part_order)
        if self.columns and "clip" not in self.columns:
            raise ValueError(
                f"columns (--columns) states {', '.join(self.columns)}, but not which column names the clip; "
                "add clip=COLUMN"
            )
        if min(self.image_width or 2, self.image_height or 2) < 2:
            raise ValueError(
                f"the frame size {self.image_width} x {self.image_height} pixels is below 2 x 2; give the "
                "true size"
            )
        return self


class ImportEncoderSpec(JobSpec):
    """Import an encoder: a downloaded one, or a checkpoint of the paper's released code."""

    kind: Literal["import_encoder"] = "import_encoder"
    name: FileName
    """Name of the new encoder, without slashes. A name that exists gets a new version."""
    source: Reference
    """An upload's id (`upl_...`), or a file below a configured corpus root. Only weights are read; no code in
    the file is run."""
