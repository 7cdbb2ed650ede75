"""Features of clips: from an encoder, or the keypoints themselves as a baseline."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from core.augment.temporal import centre_crop, resize_points
from core.augment.views import ClipBatch
from core.corpora.packed import PackedCorpus
from core.exchange.clip_encoder import ClipEncoder
from core.pose.skeleton import HANDS, LEFT_SHOULDER, RIGHT_SHOULDER, TRUNK
from core.pose.streams import about_own_points
from core.program.heartbeat import stop_if_requested
from core.program.observer import Observer

CLIPS_AT_ONCE = 64
"""Clips per forward pass."""
_KEYPOINT_FRAMES = 32


def encoder_features(
    model: ClipEncoder, corpus: PackedCorpus, indices: Int64[np.ndarray, " N"], observer: Observer
) -> Float[Tensor, "N D"]:
    """Embed the selected clips in evaluation mode.

    Raises:
        Stopped: the observer asked to stop.
    """
    observer.on_phase("embedding", total_steps=len(indices))
    rows = []
    for first in range(0, len(indices), CLIPS_AT_ONCE):
        stop_if_requested(observer, doing="embedding")
        batch = corpus.gather(
            indices[first : first + CLIPS_AT_ONCE], max_frames=model.views.max_source_frames
        )
        rows.append(model.embed_batch(ClipBatch.of(batch, model.device)).float().cpu())
        observer.on_step(min(first + CLIPS_AT_ONCE, len(indices)), {})
    return torch.cat(rows)


def keypoint_features(
    corpus: PackedCorpus, indices: Int64[np.ndarray, " N"], *, placed: bool = False
) -> Float[Tensor, "N D"]:
    """Return the pose itself, resampled to 32 frames; the trunk is centred and scaled by the shoulders.

    Hands are in coordinates of their crop, or `placed` about their own points, in one size.
    """
    batches = (indices[first : first + CLIPS_AT_ONCE] for first in range(0, len(indices), CLIPS_AT_ONCE))
    on_cpu = (ClipBatch.of(corpus.gather(each), torch.device("cpu")) for each in batches)
    return torch.cat([_keypoints(batch, placed=placed) for batch in on_cpu])


def _keypoints(batch: ClipBatch, *, placed: bool) -> Float[Tensor, "B D"]:
    crop = centre_crop(batch.lengths, fraction=1.0, max_frames=int(batch.lengths.max()))
    points = resize_points(batch.points, batch.offsets, crop, num_frames=_KEYPOINT_FRAMES)  # (B, T, 49, 2)
    trunk = points[:, :, TRUNK]
    left, right = trunk[:, :, LEFT_SHOULDER, None], trunk[:, :, RIGHT_SHOULDER, None]  # (B, T, 1, 2)
    width = (left - right).norm(dim=-1, keepdim=True).mean(dim=1, keepdim=True).clamp(min=1e-3)
    trunk = (trunk - (left + right) / 2) / width
    hands = points[:, :, HANDS]
    return torch.cat([about_own_points(hands) if placed else hands, trunk], dim=2).flatten(1)
