"""Estimates parameters, checkpoint size and memory of a pretraining run from its configuration (torch-free).

Parameters are counted exactly. The checkpoint size leaves out the small buffers of norms and graphs. Memory
is an estimate: weights and gradients are counted, and stored activations are a measured multiple of the graph
blocks' outputs, which are the largest part (measured peaks: docs/explanation/performance.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.pose.skeleton import HAND, TRUNK_PART, PartSkeleton
from core.specs.pretraining import EncoderConfig, PretrainConfig

_NUM_PARTITIONS = 4
_FP32_BYTES = 4
_COPIES_KEPT = {"native": 9.6, "eager": 14.5}
"""Stored activations of a clip, as a multiple of the graph blocks' outputs (measured at full size)."""
_PROGRAM_BYTES = 350 * 2**20
"""Python, PyTorch and their libraries."""


@dataclass(frozen=True)
class Footprint:
    """Size of a run: parameters, checkpoint and peak memory."""

    num_parameters: int
    """Number of trained parameters: both streams' encoders and projection heads."""
    checkpoint_bytes: int
    """Bytes of a checkpoint: query and key networks, optimiser state, queues."""
    step_memory_bytes: int
    """Estimated peak memory of a training step, on the host or on each device."""


def footprint(config: PretrainConfig) -> Footprint:
    """Estimate the footprint of a resolved configuration; the batch is divided among devices."""
    num_streams, spaces = len(config.encoder.streams), config.spaces
    trained = num_streams * count_parameters(config.encoder, num_spaces=len(spaces))
    lengths = 2 * config.contrast.part_queue_length
    lengths += config.contrast.fused_queue_length if "fused" in spaces else 0
    queues = num_streams * lengths * config.encoder.embedding_width
    memory = 2 if config.optimiser.algorithm == "adamw" else 1
    checkpoint = _FP32_BYTES * ((2 + memory) * trained + queues)
    devices = config.run.num_devices if isinstance(config.run.num_devices, int) else 1
    clips = config.run.batch_size // devices
    held = _FP32_BYTES * ((3 + memory) * trained + queues)  # query, key, gradient, optimiser state
    if config.run.precision != "fp32":
        held += 2 * 2 * trained  # copies of query and key in bf16
    kept = clips * _kept_bytes(config)
    return Footprint(trained, checkpoint, int(held + kept + _PROGRAM_BYTES))


def count_parameters(encoder: EncoderConfig, *, num_spaces: int) -> int:
    """Count the parameters of one stream's encoder with its projection heads."""
    width = encoder.feature_width
    parts = sum(_part(part, encoder) for part in (HAND, TRUNK_PART))
    transformers = _transformer(2 * width, encoder.hand_feed_forward_width, encoder.num_transformer_blocks)
    transformers += _transformer(width, encoder.trunk_feed_forward_width, encoder.num_transformer_blocks)
    hidden = encoder.projection_width
    head = _linear(width, hidden) + _linear(hidden, encoder.embedding_width)
    return parts + transformers + 2 * _pooling(encoder) + num_spaces * head


def _pooling(encoder: EncoderConfig) -> int:
    width, num_segments = encoder.feature_width, encoder.num_time_segments
    return _linear(width, 1) + (_linear(num_segments * width, width) if num_segments > 1 else 0)


def _part(part: PartSkeleton, encoder: EncoderConfig) -> int:
    width, (joint, pooled) = encoder.feature_width, _widths(encoder)
    blocks = sum(_block(a, b, residual=index > 0) for index, (a, b) in enumerate(pairwise(joint)))
    blocks += sum(_block(a, b, residual=True) for a, b in pairwise(pooled))
    convolutions = 5 * width**2 + width + 2 * (3 * width**2 + width)
    temporal = convolutions + _linear(2 * width, width) + _norm(width)
    num_nodes = len(part.sub_parts) if encoder.sub_part_readout == "joined" else 1
    num_coordinates = 2 * part.num_joints if encoder.coordinate_shortcut else 0
    output = _linear(num_nodes * pooled[-1] + num_coordinates, width) + _norm(width)
    return _norm(2 * part.num_joints) + blocks + output + encoder.num_temporal_blocks * temporal


def _block(in_width: int, out_width: int, *, residual: bool) -> int:
    count = _linear(in_width, _NUM_PARTITIONS * out_width) + _linear(out_width, out_width)
    count += 2 * _norm(out_width)
    if residual and in_width != out_width:
        count += _linear(in_width, out_width) + _norm(out_width)
    return count


def _transformer(width: int, feed_forward_width: int, num_blocks: int) -> int:
    block = 4 * _linear(width, width) + 2 * _norm(width)
    block += _linear(width, feed_forward_width) + _linear(feed_forward_width, width)
    return _norm(width) + num_blocks * block


def _kept_bytes(config: PretrainConfig) -> float:
    """Estimate the stored activations of one clip: a multiple of the outputs of all graph blocks."""
    joint, pooled = _widths(config.encoder)
    per_frame = sum(
        num_groups * (part.num_joints * sum(joint[1:]) + len(part.sub_parts) * sum(pooled[1:]))
        for part, num_groups in ((HAND, 2), (TRUNK_PART, 1))
    )
    size = _FP32_BYTES if config.run.precision == "fp32" else 2
    copies = _COPIES_KEPT["native" if config.run.engine in ("native", "auto") else "eager"]
    return len(config.encoder.streams) * config.views.num_frames * per_frame * size * copies


def _widths(encoder: EncoderConfig) -> tuple[Sequence[int], Sequence[int]]:
    joint = (2, *encoder.graph_block_widths)
    return joint, (joint[-1], *encoder.pooled_block_widths)


def _linear(in_width: int, out_width: int) -> int:
    return in_width * out_width + out_width


def _norm(width: int) -> int:
    return 2 * width
