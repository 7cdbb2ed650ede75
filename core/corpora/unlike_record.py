"""Compare how clips are read with how those of an encoder's corpus were read."""

from core.corpora.findings import Evidence, FindingKind
from core.corpora.readers.raw_clip import OpenedSource, ReadOptions
from core.corpora.source import ReadReport
from core.specs.preprocessing import Preprocessing

UNLIKE_ENCODER = FindingKind(
    "read-unlike-encoder",
    "{clips} are read otherwise than those that the encoder learned from ({example}). It may recognise them "
    "less well.",
)


def note_unlike(
    record: Preprocessing, source: OpenedSource, options: ReadOptions, report: ReadReport
) -> None:
    """Report the differences of a source, as it is read, from an encoder's record."""
    now = Preprocessing(
        format=source.format,
        profile=source.profile.name,
        sides=options.sides,
        unmirror_frames=options.unmirror_frames,
        image_width=None if options.image_size is None else options.image_size[0],
        image_height=None if options.image_size is None else options.image_size[1],
        part_order=options.part_order,
    )
    if differences := record.differences(now):
        named = "; ".join(differences)
        report.find_many(
            Evidence(UNLIKE_ENCODER, source.num_clips, examples=[f"the encoder's and these: {named}"])
        )
