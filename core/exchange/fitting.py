"""Takes the statistics by which an embedding standardises its pieces from clips, without their labels."""

import numpy as np
import torch
from jaxtyping import Int64

from core.augment.views import ClipBatch
from core.corpora.ragged import Clips
from core.encoders.halves import Standardised
from core.encoders.pass_context import PassContext
from core.exchange.clip_encoder import ClipEncoder

_MAX_CLIPS = 1024
_CLIPS_AT_ONCE = 64


@torch.inference_mode()
def fit_halves(model: ClipEncoder, source: Clips, clips: Int64[np.ndarray, " N"]) -> None:
    """Set the statistics of `model.halves` from `clips` of `source`, or from 1,024 evenly spaced ones.

    Does nothing if the embedding has no such pieces.
    """
    if not model.halves:
        return
    some = clips[np.linspace(0, len(clips) - 1, min(len(clips), _MAX_CLIPS)).round().astype(np.int64)]
    ready = model.for_inference(PassContext())
    rows: dict[str, list[torch.Tensor]] = {name: [] for name in model.halves}
    for first in range(0, len(some), _CLIPS_AT_ONCE):
        batch = source.gather(some[first : first + _CLIPS_AT_ONCE], max_frames=model.views.max_source_frames)
        view = ready.centre_view(ClipBatch.of(batch, model.device))
        for name, found in ready.rows_of_halves(view, ready(view)).items():
            rows[name].append(found)
    for name, piece in model.halves.items():
        assert isinstance(piece, Standardised)
        piece.fit(torch.cat(rows[name]))
