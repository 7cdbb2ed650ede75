"""The names of the paper's released checkpoints, and ours for the same tensors.

Their files hold `encoder_q.` / `encoder_k.` (joint) and `encoder_q_motion.` / `encoder_k_motion.` (motion),
and one queue a space and stream as columns (D, K); ours are rows (K, D). They keep channels in convolutions
with trailing axes of length 1; ours are linear layers.
"""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from core.pose.streams import STREAMS

_NETWORKS = {
    ("query", "joint"): "encoder_q",
    ("query", "motion"): "encoder_q_motion",
    ("key", "joint"): "encoder_k",
    ("key", "motion"): "encoder_k_motion",
}
_PARTS = {"hand": ("embed.st_gcn_hand", "GCN_Tran_Hand"), "trunk": ("embed.st_gcn_body", "GCN_Tran_Body")}
_QUEUES = {"fused": "queue", "hand": "queue_hand", "trunk": "queue_body"}
_HEADS = {"fused": "fc", "hand": "hand_fc", "trunk": "body_fc"}
_POOLING = {"hand": "weight_hand", "trunk": "weight_body"}

_BLOCK = {
    "graph_conv.spread": "gcn.conv",
    "graph_conv.adjacency": "A",
    "graph_norm": "tcn.0",
    "mix_norm": "tcn.4",
    "mix": "tcn.3",
    "shortcut": "residual",
}
_TEMPORAL = {
    "wide": "conv1d_5.0",
    "narrow_first": "conv1d_3_1.0",
    "narrow_second": "conv1d_3_2.0",
    "mix": "conv1x1",
    "norm": "bn",
}
_TRANSFORMER = {
    "query": "attn.proj_q",
    "key": "attn.proj_k",
    "value": "attn.proj_v",
    "attended": "proj",
    "attention_norm": "norm1",
    "expand": "pwff.fc1",
    "contract": "pwff.fc2",
    "feed_forward_norm": "norm2",
}
_GAMMA_BETA = {"weight": "gamma", "bias": "beta"}


def from_released(state: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state for `core.contrast.stc.SpatialTemporalConsistency` with the released tensors.

    `ours` is such a module's state: it says which names and shapes are wanted, and keeps what the released
    files have no word for (queue positions). Names missing from `state` raise KeyError.
    """
    return {
        name: tensor if (released := released_name(name)) is None else _reshaped(state[released], tensor)
        for name, tensor in ours.items()
    }


def encoder_names(names: Iterable[str]) -> dict[str, str]:
    """Map each name in a `core.exchange.clip_encoder.ClipEncoder` to theirs; a part has its graphs once."""
    return {
        name: f"{_NETWORKS['query', stream]}.{_inside_network(f'encoder.{rest}')}"
        for name in names
        for stream, rest in [name.removeprefix("streams.").split(".", 1)]
    }


def released_names(names: Iterable[str]) -> dict[str, str]:
    """Map each of our names that the released files know to theirs."""
    return {name: released for name in names if (released := released_name(name)) is not None}


def released_name(name: str) -> str | None:
    """Return the released file's name for one of ours, or None where it has none."""
    role, stream, rest = name.split(".", 2)
    if role == "queues":
        space, tensor = rest.split(".")
        suffix = "" if stream == STREAMS[0] else "_motion"
        return None if tensor == "position" else _QUEUES[space] + suffix
    return f"{_NETWORKS[role, stream]}.{_inside_network(rest)}"


def _inside_network(name: str) -> str:
    kind, part, rest = re.fullmatch(
        r"(?:encoder|projection)\.(heads|[a-z]+(?=_))[_.]([a-z]+)\.(.*)", name
    ).groups()  # type: ignore[union-attr]
    if kind == "heads":
        return f"proj.{_HEADS[part]}.{rest}"
    network, transformer = _PARTS[kind]
    if part == "pooling":
        return f"proj.{_POOLING[kind]}.{rest.removeprefix('score.')}"
    if part == "transformer":
        return f"{transformer}.{_inside_transformer(rest)}"
    return f"{network}.{_inside_part_network(rest)}"


def _inside_transformer(name: str) -> str:
    if name.startswith("input_norm."):
        return f"norm.{_GAMMA_BETA[name.removeprefix('input_norm.')]}"
    _, index, layer, tensor = name.split(".")
    return f"blocks.{index}.{_TRANSFORMER[layer]}.{_GAMMA_BETA[tensor] if 'norm' in layer else tensor}"


def _inside_part_network(name: str) -> str:
    layer, rest = name.split(".", 1)
    if layer in ("joint_blocks", "pooled_blocks"):
        index, inside = rest.split(".", 1)
        pooled = layer == "pooled_blocks"
        if inside == "graph_conv.adjacency":
            return "A_pool" if pooled else "A"
        return f"{'st_gcn_pool' if pooled else 'st_gcn_networks'}.{index}.{_renamed(inside, _BLOCK)}"
    if layer == "temporal_blocks":
        index, inside = rest.split(".", 1)
        return f"tcn_full_b{int(index) + 1}.{_renamed(inside, _TEMPORAL)}"
    return f"{ {'input_norm': 'data_bn', 'output': 'conv4.0', 'output_norm': 'conv4.1'}[layer] }.{rest}"


def _renamed(name: str, table: Mapping[str, str]) -> str:
    layer = next(ours for ours in table if name.startswith(ours + "."))
    return table[layer] + name.removeprefix(layer)


def _reshaped(released: Tensor, ours: Tensor) -> Tensor:
    """Drop trailing axes of length 1; turn a queue's columns into rows."""
    if released.dim() == 2 and ours.shape == released.shape[::-1] and ours.shape != released.shape:
        return released.T.contiguous()
    return released.reshape(ours.shape)
