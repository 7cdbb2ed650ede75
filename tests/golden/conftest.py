"""The released model's weights and inputs, filled by the formulas of the data's README."""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.augment.views import View
from core.contrast.stc import SpatialTemporalConsistency
from core.specs.pretraining import ContrastConfig, EncoderConfig, NeighbourConfig, PretrainConfig
from core.specs.run import RunConfig
from tests.golden.released_training import from_released


@dataclass(frozen=True)
class Golden:
    arrays: Any
    facts: dict[str, Any]
    state: dict[str, torch.Tensor]

    def array(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[name])


@pytest.fixture(scope="session")
def golden(shared_data: Path) -> Golden:
    facts = json.loads((shared_data / "golden" / "golden.json").read_text())
    arrays = np.load(shared_data / "golden" / "golden.npz")
    return Golden(arrays, facts, released_state(facts, arrays))


@pytest.fixture
def model(golden: Golden) -> SpatialTemporalConsistency:
    network = SpatialTemporalConsistency(golden_config(golden.facts))
    network.load_state_dict(from_released(golden.state, network.state_dict()))
    return network


def golden_config(facts: dict[str, Any]) -> PretrainConfig:
    return PretrainConfig(
        recipe="golden",
        encoder=EncoderConfig(graph_dropout=0, output_dropout=0, transformer_dropout=0),
        contrast=ContrastConfig(
            fused_queue_length=facts["queue_fused"],
            part_queue_length=facts["queue_part"],
            consistency=NeighbourConfig(num_neighbours=facts["topk_part"]),
            transfer=NeighbourConfig(num_neighbours=facts["topk_fused"]),
        ),
        run=RunConfig(batch_size=facts["batch"]),
    )


def released_state(facts: dict[str, Any], arrays: Any) -> dict[str, torch.Tensor]:
    state = {name: filled(name, tuple(shape)) for name, shape in facts["state_dict_shapes"].items()}
    for norm in [name for name in state if name.endswith("running_var")]:
        state[norm.replace("running_var", "num_batches_tracked")] = torch.zeros((), dtype=torch.long)
    for network in ("encoder_q", "encoder_k", "encoder_q_motion", "encoder_k_motion"):
        for module, part in (("st_gcn_hand", "hand"), ("st_gcn_body", "trunk")):
            state[f"{network}.embed.{module}.A"] = torch.from_numpy(arrays[f"graph/{part}"])
            state[f"{network}.embed.{module}.A_pool"] = torch.from_numpy(arrays[f"graph/{part}_pooled"])
    return state


def filled(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    seed = zlib.crc32(name.encode()) & 0x7FFFFFFF
    values = np.random.RandomState(seed).uniform(-1, 1, size=shape)
    last = name.rsplit(".", 1)[-1]
    if name.startswith("queue"):
        values = values / np.linalg.norm(values, axis=0)
    elif last == "running_var":
        values = 1 + 0.5 * np.abs(values)
    elif last in ("running_mean", "bias", "beta"):
        values = 0.1 * values
    elif last == "gamma" or (last == "weight" and len(shape) == 1):
        values = 1 + 0.1 * values
    else:
        values = values * np.sqrt(3 / np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def golden_view(facts: dict[str, Any], seed: int) -> View:
    """The points stay float64: the released numbers come from motion differenced before rounding."""
    random, clips, frames = np.random.RandomState(seed), facts["batch"], facts["frames"]
    parts = []
    for joints in (21, 21, 7):
        start = random.uniform(0.2, 0.8, (clips, 1, joints, 2))
        steps = random.uniform(-0.02, 0.02, (clips, frames, joints, 2)).cumsum(1)
        parts.append(np.clip(start + steps, 0, 1))
    visible = random.uniform(size=(clips, 2 * frames)) < 0.7
    return View(
        points=torch.from_numpy(np.concatenate(parts, axis=2)),
        hand_visible=torch.from_numpy(visible.reshape(clips, 2, frames).swapaxes(1, 2).copy()),
    )


@pytest.fixture(scope="session")
def query_view(golden: Golden) -> View:
    return golden_view(golden.facts, 11)


@pytest.fixture(scope="session")
def key_view(golden: Golden) -> View:
    return golden_view(golden.facts, 22)
