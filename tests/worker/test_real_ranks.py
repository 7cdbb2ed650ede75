"""A pretraining job on two ranks under the real service: no rank outlives its attempt."""

from typing import Any

import pytest

from core.corpora.writing import write_corpus
from core.jobs.database import reading
from core.jobs.tables.artifacts import EncoderRow
from core.specs.import_jobs import SplitConfig
from core.specs.jobs import PretrainSpec
from tests.core.corpora.conftest import three_signers
from tests.core.small import OVERRIDES
from tests.core.training.launching import PRETRAIN
from tests.servers.service import Service
from worker.processes import marked

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.slowest]
TWO_RANKS: dict[str, Any] = {
    **OVERRIDES,
    "run": {
        "num_devices": 2,
        "device": "cpu",
        "batch_size": 4,
        "num_epochs": 15,
        "checkpoint_every_steps": 5,
        "synchronised_batch_statistics": False,
    },
}


def test_a_job_on_two_ranks_survives_the_death_of_one_and_leaves_none_behind(service: Service) -> None:
    folder = service.store.corpus_folder("cor_1")
    folder.rmdir()
    write_corpus(folder, three_signers(), name="signers", split=SplitConfig(), provenance={"from": "test"})
    service.environment["SIGNFORGE_STALL_SECONDS"] = "60"  # two ranks start slowly beside another test
    _ = service.broker
    service.start_module("worker.reconciler")
    service.start_module("worker.main")
    spec = PretrainSpec(corpus="cor_1", name="letters", recipe="smoke", overrides=TWO_RANKS)

    bereaved = service.submit_spec(spec)
    service.wait_for_step(bereaved, 5)
    _kill_rank(service, 1)
    undisturbed = service.submit_spec(spec)
    assert service.wait_for_state(bereaved, "succeeded", within_seconds=120).attempt == 2
    first_attempt = service.attempts(bereaved)[0]
    assert first_attempt.outcome == "worker_lost"
    assert service.wait_for_state(undisturbed, "succeeded", within_seconds=120).attempt == 1
    with reading(service.engine) as session:
        first, second = session.query(EncoderRow).order_by("version").all()
    assert first.sha256 == second.sha256

    longer = {**TWO_RANKS, "run": {**TWO_RANKS["run"], "num_epochs": 100_000}}
    cancelled = service.submit_spec(spec.model_copy(update={"overrides": longer}))
    service.wait_for_step(cancelled, 5)
    mark = str(service.job(cancelled).lease_token)
    assert len(marked(mark)) == 4, "supervisor, launcher and two ranks"
    service.cancel(cancelled)
    service.wait_for_state(cancelled, "cancelled")
    service.wait_for_no_process(PRETRAIN, "worker.supervisor")
    assert marked(mark) == []


def _kill_rank(service: Service, rank: int) -> None:
    (found,) = (each for each in service.processes(PRETRAIN) if each.environ().get("RANK") == str(rank))
    found.kill()
