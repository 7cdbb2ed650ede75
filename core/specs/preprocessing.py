"""How the clips of a corpus were read: what new clips need so that an encoder sees them the same way."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from core.specs.column_roles import Columns
from core.specs.fields import Closed, Name, Positive, Switch
from core.specs.source_formats import ProfileName, Sides, VectorPart


class Preprocessing(Closed):
    """The preprocessing record of a corpus. It is kept with the corpus and on the card of its encoders."""

    format: Name
    """Format of the files."""
    profile: ProfileName
    """Confidence thresholds of normalisation."""
    image_width: Positive | None = None
    """Frame width in pixels of the import's options; null if the files' own was used."""
    image_height: Positive | None = None
    """Frame height in pixels, likewise."""
    sides: Sides = "as_stored"
    """Whether left and right were exchanged."""
    unmirror_frames: Switch = False
    """Whether mirroring of the frames was undone."""
    part_order: tuple[VectorPart, ...] = ()
    """Order of the parts in the vectors of `mp_data`, if it was stated."""
    labels: Name | None = None
    """Table of labels, if it was named."""
    columns: Columns = Field(default_factory=dict)
    """Columns of the table, if they were named."""

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Width and height of the options, if they were given."""
        return None if not (self.image_width and self.image_height) else (self.image_width, self.image_height)

    @classmethod
    def of(cls, provenance: Mapping[str, Any]) -> "Preprocessing | None":
        """Return the record of a corpus from its provenance; None if that does not say how it was read."""
        options = provenance.get("options") or {}
        stated = {field: options[field] for field in cls.model_fields if options.get(field) is not None}
        try:
            return cls.model_validate(
                stated | {field: provenance.get(field) for field in ("format", "profile")}
            )
        except ValidationError:
            return None

    def differences(self, other: "Preprocessing") -> list[str]:
        """Name what changes the meaning of points and differs, as `profile: 'wlasl' and 'msasl'`."""
        return [
            f"{field}: {getattr(self, field)!r} and {getattr(other, field)!r}"
            for field in ("format", "profile", "sides", "unmirror_frames")
            if getattr(self, field) != getattr(other, field)
        ]
