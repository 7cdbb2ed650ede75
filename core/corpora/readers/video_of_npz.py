"""The frame sizes and frame rates that an `.npz` states in `width`, `height` and `fps`."""

import numpy as np

from core.corpora.readers.untrusted.npz import UntrustedNpz
from core.errors import CorpusError


def stated_sizes(file: UntrustedNpz, num_clips: int) -> list[tuple[int, int] | None]:
    """Return each clip's (width, height) in pixels, None if the file states none.

    Raises:
        CorpusError: an array has another shape, or a size is not possible.
    """
    if "width" not in file or "height" not in file:
        return [None] * num_clips
    return list(zip(*(_sides(file, name, num_clips) for name in ("width", "height")), strict=True))


def frame_rates(file: UntrustedNpz, num_clips: int) -> list[float | None]:
    """Return each clip's frame rate in frames a second, None if unknown.

    Raises:
        CorpusError: the array has another shape.
    """
    if "fps" not in file:
        return [None] * num_clips
    values = file.array("fps")
    if values.shape not in ((), (1,), (num_clips,)) or values.dtype.kind not in "fiu":
        raise CorpusError(f"{file.path}: 'fps' must be one number of frames a second, or one per clip.")
    return [float(value) for value in np.broadcast_to(values, num_clips).tolist()]


def _sides(file: UntrustedNpz, name: str, num_clips: int) -> list[int]:
    values = file.array(name)
    if values.shape not in ((), (1,), (num_clips,)) or values.dtype.kind not in "fiu":
        raise CorpusError(f"{file.path}: {name!r} must be one number of pixels, or one per clip.")
    if not (np.isfinite(values) & (values >= 2) & (values <= 1e6)).all():
        raise CorpusError(f"{file.path}: {name!r} must be between 2 and 1000000 pixels.")
    return [round(value) for value in np.broadcast_to(values, num_clips).tolist()]
