"""The real training programs under the real service: a killed run ends with the same bytes."""

from typing import Any

import pytest

from core.corpora.writing import write_corpus
from core.jobs.database import reading
from core.jobs.tables.artifacts import CheckpointRow, EncoderRow
from core.specs.fine_tuning import FineTuneConfig
from core.specs.import_jobs import SplitConfig
from core.specs.jobs import EvaluateSpec, LeakAuditSpec, PretrainSpec
from tests.core.corpora.conftest import three_signers
from tests.core.small import OVERRIDES
from tests.servers.service import Service

pytestmark = [pytest.mark.system, pytest.mark.slow]
PRETRAIN = "core.training.pretrain"
EVALUATE = "core.evaluation.evaluate"
SMALL: dict[str, Any] = {
    **OVERRIDES,
    "run": {"num_epochs": 15, "checkpoint_every_steps": 5, "batch_size": 4, "device": "cpu"},
}


def test_a_killed_pretraining_ends_with_the_bytes_of_one_that_was_not(service: Service) -> None:
    folder = service.store.corpus_folder("cor_1")
    folder.rmdir()
    write_corpus(folder, three_signers(), name="signers", split=SplitConfig(), provenance={"from": "test"})
    spec = PretrainSpec(corpus="cor_1", name="letters", recipe="smoke", overrides=SMALL)
    _ = service.broker
    service.environment["SIGNFORGE_STALL_SECONDS"] = (
        "60"  # loading torch is silent, and slow on a busy machine
    )
    service.start_module("worker.reconciler")
    service.start_module("worker.main")
    killed = service.submit_spec(spec)
    service.wait_for_step(killed, 10)
    service.kill(PRETRAIN)
    undisturbed = service.submit_spec(spec)
    assert service.wait_for_state(killed, "succeeded", within_seconds=90).attempt == 2
    assert service.wait_for_state(undisturbed, "succeeded", within_seconds=90).attempt == 1
    with reading(service.engine) as session:
        first, second = session.query(EncoderRow).order_by("version").all()
    assert first.sha256 == second.sha256
    assert {first.job_id, second.job_id} == {killed, undisturbed}
    evaluation = service.submit_spec(EvaluateSpec(corpus="cor_1", encoder=first.id, num_neighbours=3))
    result = service.wait_for_state(evaluation, "succeeded", within_seconds=90).result
    assert result is not None
    assert 0 <= result["scores"]["top1"] <= 1
    assert (result["scores"]["num_train"], result["scores"]["num_test"]) == (8, 4)
    later = service.submit_spec(spec.model_copy(update={"start": first.id, "name": "later"}))
    service.wait_for_state(later, "succeeded", within_seconds=90)
    with reading(service.engine) as session:
        (made,) = session.query(EncoderRow).filter_by(name="later")
    assert made.card["start"] == {"name": "letters", "sha256": first.sha256}
    audit = service.submit_spec(LeakAuditSpec(corpus="cor_1", folds="each_signer"))
    result = service.wait_for_state(audit, "succeeded", within_seconds=90).result
    assert result is not None
    assert [fold["num_train"] for fold in result["leak_audit"]["folds"]] == [8, 8, 8]
    _a_killed_fine_tuning_ends_with_the_scores_of_one_that_was_not(service, first.id)
    cancelled = service.submit_spec(spec)
    service.wait_for_step(cancelled, 5)
    service.cancel(cancelled)
    service.wait_for_state(cancelled, "cancelled")
    service.wait_for_no_process(PRETRAIN)


def _a_killed_fine_tuning_ends_with_the_scores_of_one_that_was_not(service: Service, encoder: str) -> None:
    config = FineTuneConfig(num_epochs=15, batch_size=4, min_crop_frames=4, checkpoint_every_epochs=2)
    spec = EvaluateSpec(corpus="cor_1", encoder=encoder, protocol="fine_tune", num_seeds=2, fine_tune=config)
    killed = service.submit_spec(spec)
    service.wait_for_step(killed, 10)
    service.kill(EVALUATE)
    undisturbed = service.submit_spec(spec)
    ended = [service.wait_for_state(job, "succeeded", within_seconds=90) for job in (killed, undisturbed)]
    assert [job.attempt for job in ended] == [2, 1]
    scores = [job.result["scores"] for job in ended if job.result is not None]
    assert scores[0] == scores[1]
    with reading(service.engine) as session:
        saved = session.query(CheckpointRow).filter_by(job_id=killed).all()
    assert saved
    assert all(row.deleted_at is not None for row in saved), "an evaluation that is done needs none"
