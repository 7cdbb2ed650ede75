"""Map tensor names of an encoder to names in the paper's released checkpoints.

Released files hold `encoder_q.` (joint), `encoder_q_motion.` (motion), and tensors that are not part of an
encoder (see `core.exchange.released_encoder`). They use convolutions, with trailing axes of length 1, where
this project uses linear layers.
"""

from collections.abc import Iterable, Mapping

_NETWORKS = {"joint": "encoder_q", "motion": "encoder_q_motion"}
_PARTS = {"hand": ("embed.st_gcn_hand", "GCN_Tran_Hand"), "trunk": ("embed.st_gcn_body", "GCN_Tran_Body")}
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


def encoder_names(names: Iterable[str]) -> dict[str, str]:
    """Map each name in a `ClipEncoder` to its released name; all blocks of a part share one graph."""
    return {
        name: f"{_NETWORKS[stream]}.{_inside_network(rest)}"
        for name in names
        for stream, rest in [name.removeprefix("streams.").split(".", 1)]
    }


def _inside_network(name: str) -> str:
    owner, rest = name.split(".", 1)
    kind, part = owner.split("_")
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
