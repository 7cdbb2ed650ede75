"""Final writes: results in the same transaction, cancel and pause requests respected, attempts counted."""

import threading

import pytest
from sqlalchemy import Engine, inspect

from core.errors import LeaseLost
from core.jobs.database import now, reading, transaction
from core.jobs.ledger import outcomes
from core.jobs.ledger.leases import Claim
from core.jobs.ledger.outcomes import EncoderFile
from core.jobs.ledger.reports import checkpoints_of, commit_checkpoint
from core.jobs.states import Reason, State
from core.jobs.tables.artifacts import CorpusRow, EncoderRow, EvaluationRow
from core.jobs.tables.jobs import JobAttemptRow, OutboxRow
from core.specs.import_jobs import ImportEncoderSpec, ImportSpec
from core.specs.jobs import EvaluateSpec, PretrainSpec
from tests.core.jobs.arranging import POLICY, claim_next, events, hold, job

IMPORT = ImportSpec(name="signers", source="upl_1")
IMPORTED = {
    "corpus": "corpus",
    "num_clips": 3,
    "num_frames": 90,
    "digest": "d1",
    "split_counts": {"train": 3},
}


def test_an_import_makes_a_corpus(engine: Engine) -> None:
    claimed = hold(engine, spec=IMPORT)
    assert _import(engine, claimed, "cor_1") == State.SUCCEEDED
    with reading(engine) as session:
        corpus = session.get_one(CorpusRow, "cor_1")
        assert (corpus.name, corpus.owner, corpus.digest) == ("signers", "ada", "d1")
        assert corpus.summary["num_clips"] == 3
        assert session.get_one(JobAttemptRow, (claimed.job_id, 1)).outcome == "succeeded"
    row = job(engine, claimed.job_id)
    assert row.result is not None
    assert (row.result["corpus_id"], row.result["num_frames"]) == ("cor_1", 90)
    assert events(engine, claimed.job_id)[-1].data["to"] == "succeeded"


def test_a_corpus_name_is_taken_once(engine: Engine) -> None:
    first, second = hold(engine, spec=IMPORT), hold(engine, spec=IMPORT)
    assert _import(engine, first, "cor_1") == State.SUCCEEDED
    assert _import(engine, second, "cor_2") == State.FAILED
    row = job(engine, second.job_id)
    assert row.status_reason == "user_error"
    assert "'signers'" in str(row.status_message)


def test_versions_of_an_encoder_count_up_even_at_once(engine: Engine) -> None:
    claims = [hold(engine) for _ in range(5)]
    threads = [
        threading.Thread(target=_pretrain, args=(engine, claimed, f"enc_{number}"))
        for number, claimed in enumerate(claims)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as session:
        assert sorted(row.version for row in session.query(EncoderRow)) == [1, 2, 3, 4, 5]


def test_an_encoder_knows_where_it_comes_from(engine: Engine) -> None:
    assert _import(engine, hold(engine, spec=IMPORT), "cor_1") == State.SUCCEEDED
    claimed = hold(engine, spec=PretrainSpec(corpus="cor_1", name="letters"))
    with transaction(engine) as session:
        for step in (5, 10):
            commit_checkpoint(
                session, claimed.lease, step=step, location=f"{step}", manifest={}, size_bytes=1
            )
    assert _pretrain(engine, claimed, "enc_1") == State.SUCCEEDED
    with reading(engine) as session:
        encoder = session.get_one(EncoderRow, "enc_1")
        last = events(engine, claimed.job_id, "checkpoint")[-1].data["id"]
        assert (encoder.corpus_id, encoder.checkpoint_id) == ("cor_1", last)
        assert (encoder.name, encoder.version, encoder.size_bytes) == ("letters", 1, 3)
    assert job(engine, claimed.job_id).result == {
        "encoder_id": "enc_1",
        "encoder_name": "letters",
        "encoder_version": 1,
        "steps": 9,
    }


def test_an_imported_encoder_is_a_version_of_its_name_without_corpus_and_checkpoint(engine: Engine) -> None:
    assert _pretrain(engine, hold(engine, spec=PretrainSpec(corpus="cor_1", name="letters")), "enc_1")
    claimed = hold(engine, spec=ImportEncoderSpec(name="letters", source="upl_1"))
    assert _pretrain(engine, claimed, "enc_2") == State.SUCCEEDED
    with reading(engine) as session:
        encoder = session.get_one(EncoderRow, "enc_2")
        assert (encoder.name, encoder.version, encoder.job_id) == ("letters", 2, claimed.job_id)
        assert (encoder.corpus_id, encoder.checkpoint_id) == (None, None)


def test_an_evaluation_keeps_its_scores(engine: Engine) -> None:
    assert _import(engine, hold(engine, spec=IMPORT), "cor_1") == State.SUCCEEDED
    claimed = hold(engine, spec=EvaluateSpec(corpus="cor_1", features="keypoints"))
    with transaction(engine) as session:
        result = {"scores": {"top1": 0.5}}
        assert outcomes.succeed_evaluate(session, claimed.lease, result=result) == State.SUCCEEDED
    with reading(engine) as session:
        row = session.query(EvaluationRow).one()
        assert (row.corpus_id, row.encoder_id, row.scores) == ("cor_1", None, {"top1": 0.5})
    assert job(engine, claimed.job_id).result == {"evaluation_id": row.id, "scores": {"top1": 0.5}}


def test_an_evaluation_keeps_its_tables_from_its_job_and_lets_its_checkpoints_go(engine: Engine) -> None:
    assert _import(engine, hold(engine, spec=IMPORT), "cor_1") == State.SUCCEEDED
    spec = EvaluateSpec(corpus="cor_1", encoder="enc_1", protocol="fine_tune")
    claimed = hold(engine, spec=spec.model_copy(update={"encoder": None}))
    ranks = [{"fold": "test", "clip": "1", "signer": None, "gloss": "a", "ranks": [1]}]
    scores = {"top1": 0.5, "per_class": [{"gloss": "a", "num_test": 2, "top1": 0.5}], "confusions": []}
    with transaction(engine) as session:
        for step in (5, 10):
            row = commit_checkpoint(
                session, claimed.lease, step=step, location=f"{step}", manifest={}, size_bytes=1
            )
        row.pinned = True
        outcomes.succeed_evaluate(session, claimed.lease, result={"scores": {**scores, "per_clip": ranks}})
    with reading(engine) as session:
        row = session.query(EvaluationRow).one()
        assert "per_clip" in inspect(row).unloaded, "it is read when it is asked for"
        assert (row.scores, row.all_scores) == (scores, {**scores, "per_clip": ranks})
        assert [row.step for row in checkpoints_of(session, claimed.job_id)] == [10], "it is pinned"
    told = job(engine, claimed.job_id).result
    assert told is not None
    assert told["scores"] == {"top1": 0.5}


@pytest.mark.parametrize("wish", [State.CANCELLING, State.PAUSING])
@pytest.mark.parametrize("ending", ["success", "failure", "fault"])
def test_a_wish_to_stop_comes_before_how_the_program_ended(engine: Engine, wish: State, ending: str) -> None:
    claimed = hold(engine, state=wish)
    becomes = State.CANCELLED if wish == State.CANCELLING else State.PAUSED
    with transaction(engine) as session:
        if ending == "success":
            encoder = EncoderFile("enc_1", "e", "ab", 3, {})
            state = outcomes.succeed_pretrain(session, claimed.lease, encoder=encoder, result={})
        elif ending == "failure":
            state = outcomes.fail(session, claimed.lease, reason=Reason.USER_ERROR, message="no")
        else:
            state = outcomes.requeue(
                session, claimed.lease, charged=True, reason=Reason.STALLED, message="", policy=POLICY
            )
    assert state == becomes
    row = job(engine, claimed.job_id)
    assert (row.state, row.result, row.charged_attempts) == (becomes, None, 0)


def test_confirming_what_nobody_asked_for_is_fenced(engine: Engine) -> None:
    claimed = hold(engine)
    for confirm in (outcomes.confirm_cancelled, outcomes.confirm_paused):
        with pytest.raises(LeaseLost), transaction(engine) as session:
            confirm(session, claimed.lease)
    assert job(engine, claimed.job_id).state == "running"


def test_a_drain_is_not_charged_and_the_job_is_ready_at_once(engine: Engine) -> None:
    claimed = hold(engine)
    for expected in range(2, 8):  # more often than a charged job would be tried
        with transaction(engine) as session:
            outcomes.requeue(
                session, claimed.lease, charged=False, reason=Reason.DRAINED, message="m", policy=POLICY
            )
            assert session.get_one(OutboxRow, claimed.job_id).ring_at <= now(session)
        again = claim_next(engine)
        assert again is not None
        claimed = again
        assert claimed.attempt == expected
    row = job(engine, claimed.job_id)
    assert (row.charged_attempts, row.state) == (0, "starting")


def test_faults_are_charged_until_the_job_fails(engine: Engine) -> None:
    claimed = hold(engine)
    with transaction(engine) as session:
        outcomes.requeue(
            session, claimed.lease, charged=True, reason=Reason.STALLED, message="Silence.", policy=POLICY
        )
        doorbell = session.get_one(OutboxRow, claimed.job_id)
    row = job(engine, claimed.job_id)
    assert (row.state, row.charged_attempts, row.status_reason) == ("queued", 1, "stalled")
    assert doorbell.ring_at == row.not_before
    with transaction(engine) as session:
        session.get_one(type(row), row.id).charged_attempts = POLICY.max_attempts - 1
        session.get_one(type(row), row.id).not_before = None
    again = claim_next(engine)
    assert again is not None
    with transaction(engine) as session:
        state = outcomes.requeue(
            session, again.lease, charged=True, reason=Reason.STALLED, message="Silence.", policy=POLICY
        )
    assert state == State.FAILED
    assert job(engine, row.id).status_message == "Silence. Gave up after 3 attempts."


def _import(engine: Engine, claimed: Claim, corpus_id: str) -> State:
    with transaction(engine) as session:
        return outcomes.succeed_import(
            session,
            claimed.lease,
            corpus_id=corpus_id,
            location=f"corpora/{corpus_id}",
            size_bytes=3,
            result=IMPORTED,
        )


def _pretrain(engine: Engine, claimed: Claim, encoder_id: str) -> State:
    encoder = EncoderFile(encoder_id, f"encoders/{encoder_id}", "ab", 3, {"steps": 9})
    with transaction(engine) as session:
        return outcomes.succeed_pretrain(
            session, claimed.lease, encoder=encoder, result={"encoder": "encoder", "steps": 9}
        )


def test_a_message_no_database_can_keep_is_kept_readable(engine: Engine) -> None:
    """A file name of a hostile or an old archive may be no text at all."""
    claimed = hold(engine)
    with transaction(engine) as session:
        outcomes.fail(
            session, claimed.lease, reason=Reason.DATA_UNUSABLE, message="caf\udce9\0.npy is damaged"
        )
    assert job(engine, claimed.job_id).status_message == "caf?\N{REPLACEMENT CHARACTER}.npy is damaged"
