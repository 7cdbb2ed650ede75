"""The number of devices of a run, and the rank read from the environment."""

import pytest

from core.errors import SpecError
from core.program.control_group import available_cores
from core.specs.pretraining import PretrainConfig
from core.specs.run import RunConfig
from core.training.devices import check_num_ranks, num_cuda_ranks, num_ranks_here
from core.training.process_group import RENDEZVOUS, RankPlace, SingleRank

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"}


@pytest.mark.parametrize(("visible", "batch", "expected"), [(1, 64, 1), (4, 64, 4), (3, 64, 2), (8, 30, 6)])
def test_auto_takes_as_many_devices_as_the_batch_divides_among(
    visible: int, batch: int, expected: int
) -> None:
    assert num_cuda_ranks(RunConfig(batch_size=batch), num_visible=visible) == expected


def test_an_explicit_number_of_devices() -> None:
    run = RunConfig(batch_size=64, num_devices=2)
    assert num_cuda_ranks(run, num_visible=4) == 2
    with pytest.raises(SpecError, match=r"2 CUDA devices are requested, but 1 are visible") as refused:
        num_cuda_ranks(run, num_visible=1)
    assert refused.value.pointer == "/overrides/run/num_devices"


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(ValueError, match=r"batch_size 65 .* cannot be divided equally among num_devices 2"):
        RunConfig(batch_size=65, num_devices=2)
    with pytest.raises(SpecError, match=r"batch_size 64 .* among 3 ranks"):
        check_num_ranks(RunConfig(batch_size=64), 3)


def test_another_number_of_ranks_than_asked_for_is_refused() -> None:
    check_num_ranks(RunConfig(batch_size=64, num_devices=2), 2)
    with pytest.raises(SpecError, match=r"num_devices is 2, but the run was started with 1 rank"):
        check_num_ranks(RunConfig(batch_size=64, num_devices=2), 1)


def test_a_place_is_read_from_what_torchrun_or_our_launcher_sets() -> None:
    assert RankPlace.of_environment(TORCHRUN) == RankPlace(3, 4, 1, "env://")
    ours = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", RENDEZVOUS: "file:///tmp/x"}
    assert RankPlace.of_environment(ours) == RankPlace(0, 2, 0, "file:///tmp/x")


@pytest.mark.parametrize("missing", ["RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR"])
def test_an_incomplete_environment_is_ignored(missing: str) -> None:
    assert RankPlace.of_environment({k: v for k, v in TORCHRUN.items() if k != missing}) is None


def test_ranks_share_the_batch_without_gap_or_overlap() -> None:
    shares = []
    for rank in range(4):
        ranks = SingleRank()
        ranks.rank, ranks.num_ranks = rank, 4
        shares += range(12)[ranks.own_clips(12)]
    assert shares == list(range(12))


def test_more_processes_than_cores_are_refused() -> None:
    cores = available_cores()
    run = RunConfig(device="cpu", num_devices=2 * cores, batch_size=2 * cores)
    with pytest.raises(SpecError, match=rf"num_devices is {2 * cores}, but .* {cores} core"):
        num_ranks_here(PretrainConfig(recipe="stc", run=run))
