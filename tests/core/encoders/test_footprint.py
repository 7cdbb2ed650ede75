"""Footprints against real networks and measured peaks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.contrast.stc import SpatialTemporalConsistency
from core.encoders.footprint import count_parameters, footprint
from core.specs.pretraining import EncoderConfig, PretrainConfig
from core.specs.recipes import SMOKE, STC, STC_PAPER
from tests.core.small import REPAIRED, SMALL

MEBIBYTE = 2**20


@pytest.mark.slow
@pytest.mark.parametrize(
    "config", [SMALL, REPAIRED, SMOKE.config, STC.config, STC_PAPER.config], ids=lambda config: config.recipe
)
def test_parameters_are_counted_exactly_and_checkpoints_nearly(config: PretrainConfig) -> None:
    model = SpatialTemporalConsistency(config)
    trained = sum(parameter.numel() for parameter in model.query.parameters())
    state = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    found = footprint(config)
    assert found.num_parameters == trained
    buffers = 100_000  # of norms and graphs
    assert found.checkpoint_bytes <= state + 4 * trained <= 1.001 * found.checkpoint_bytes + buffers


@pytest.mark.slow
@settings(deadline=None, max_examples=15)
@given(
    st.lists(st.sampled_from([4, 8, 12]), min_size=1, max_size=3),
    st.lists(st.sampled_from([4, 8]), min_size=1, max_size=2),
    st.integers(0, 2),
    st.integers(1, 2),
)
def test_parameters_of_any_shape(joint: list[int], pooled: list[int], temporal: int, blocks: int) -> None:
    encoder = EncoderConfig(
        **{
            **SMALL.encoder.model_dump(),
            "graph_block_widths": joint,
            "pooled_block_widths": pooled,
            "num_temporal_blocks": temporal,
            "num_transformer_blocks": blocks,
        }
    )
    config = SMALL.model_copy(update={"encoder": encoder})
    network = SpatialTemporalConsistency(config).query["joint"]
    assert count_parameters(encoder, num_spaces=3) == sum(
        parameter.numel() for parameter in network.parameters()
    )


@pytest.mark.parametrize(
    ("engine", "batch_size", "measured_mebibytes"),
    [("native", 16, 3730), ("native", 32, 5252), ("eager", 16, 4540), ("eager", 32, 6824)],
)
def test_memory_is_about_what_was_measured(engine: str, batch_size: int, measured_mebibytes: int) -> None:
    """Peaks of docs/explanation/performance.md, `benchmarks/step.py`."""
    run = STC.config.run.model_copy(
        update={"engine": engine, "batch_size": batch_size, "precision": "bf16", "device": "cpu"}
    )
    estimate = footprint(STC.config.model_copy(update={"run": run})).step_memory_bytes / MEBIBYTE
    assert estimate == pytest.approx(measured_mebibytes, rel=0.05)


def test_each_device_has_its_share_of_the_batch() -> None:
    def memory(num_devices: int) -> int:
        run = STC.config.run.model_copy(update={"batch_size": 64, "num_devices": num_devices})
        return footprint(STC.config.model_copy(update={"run": run})).step_memory_bytes

    assert memory(1) > memory(2) > memory(4) > memory(1) / 4
