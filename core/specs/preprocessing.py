"""How the clips of a corpus were read: what new clips need so that an encoder sees them the same way."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from core.specs.column_roles import Columns
from core.specs.fields import Closed, Name, Positive, Switch
from core.specs.source_formats import ProfileName, Sides, VectorPart

_WITHOUT_SIZE = ("mediapipe_holistic", "mediapipe_npy", "mp_data", "wide_frames", "asl_signs")
"""Formats whose files usually state no frame size."""
_SQUARE = "square"
_ASSUMED = "not stated (square frames unless the files state it)"


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
        ] + (self._differences_of_options(other) if self.format == other.format else [])

    def _differences_of_options(self, other: "Preprocessing") -> list[str]:
        """Name the differences in options of one format: part orders, a frame size that one side assumed."""
        found = []
        if self.part_order != other.part_order:
            orders = (", ".join(each.part_order) or "as the format has it" for each in (self, other))
            found.append(f"part_order: {' and '.join(orders)}")
        shapes = [each._shape for each in (self, other)]
        if _ASSUMED in shapes and len({_SQUARE if shape == _ASSUMED else shape for shape in shapes}) > 1:
            found.append(f"frame size: {' and '.join(shapes)}")
        return found

    @property
    def _shape(self) -> str:
        """The frame size of the options, or what is used without it."""
        if self.image_size is None:
            return _ASSUMED if self.format in _WITHOUT_SIZE else "that of the files"
        width, height = self.image_size
        return _SQUARE if width == height else f"{width} x {height}"
