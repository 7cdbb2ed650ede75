"""The last write of an attempt: commit its artifacts, then write its outcome in one fenced transaction."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from core.errors import EncoderError, SignforgeError, StorageError
from core.jobs.identifiers import new_id
from core.jobs.job_kind import Artifact
from core.jobs.kinds import KINDS
from core.jobs.ledger import outcomes
from core.jobs.ledger.fence import RetryPolicy
from core.jobs.ledger.leases import Claim
from core.jobs.ledger.reports import mark_checkpoints_deleted
from core.jobs.states import Reason, State
from core.jobs.storage.artifacts import ArtifactStore
from worker.attempt.verdict import Fate, ProgramEnd, Verdict

Write = Callable[[Session], State]


def settlement(
    claim: Claim,
    verdict: Verdict,
    ending: ProgramEnd,
    *,
    out: Path,
    store: ArtifactStore,
    policy: RetryPolicy,
    resumed_from: str | None,
) -> Write:
    """Commit the artifacts of a success and return the write that ends the attempt.

    The write may be retried. `resumed_from` is the id of the checkpoint that the program resumed from. If the
    program could not use it, the next attempt does not get it again.
    """
    if verdict.fate == Fate.SUCCEEDED:
        assert ending.result is not None
        return _success(claim, ending.result, out, store, policy)
    if verdict.fate == Fate.FAILED:
        return lambda session: outcomes.fail(
            session, claim.lease, reason=verdict.reason, message=verdict.message
        )
    if verdict.fate == Fate.CANCELLED:
        return lambda session: outcomes.confirm_cancelled(session, claim.lease)
    if verdict.fate == Fate.PAUSED:
        return lambda session: outcomes.confirm_paused(session, claim.lease)
    unusable = resumed_from if verdict.reason == Reason.CHECKPOINT_UNUSABLE else None
    return _requeue(claim, verdict, policy, unusable)


def _requeue(claim: Claim, verdict: Verdict, policy: RetryPolicy, unusable: str | None) -> Write:
    def write(session: Session) -> State:
        if unusable is not None:
            mark_checkpoints_deleted(session, claim.lease, [unusable])
        return outcomes.requeue(
            session,
            claim.lease,
            charged=verdict.fate == Fate.RETRY,
            reason=verdict.reason,
            message=verdict.message,
            policy=policy,
        )

    return write


def _success(
    claim: Claim, result: dict[str, Any], out: Path, store: ArtifactStore, policy: RetryPolicy
) -> Write:
    """Commit the artifacts of a result. An invalid result is an internal error, which is retried."""
    try:
        return _SUCCESSES[KINDS[claim.kind].makes](claim, result, out, store)
    except (SignforgeError, OSError, ValueError, KeyError) as error:
        reason = Reason(error.reason) if isinstance(error, StorageError) else Reason.INTERNAL_ERROR
        message = f"The program's result cannot be used: {error!r}."
        return _requeue(claim, Verdict(Fate.RETRY, reason, message), policy, None)


def _with_corpus(claim: Claim, result: dict[str, Any], out: Path, store: ArtifactStore) -> Write:
    corpus_id, source = new_id("cor"), out / str(result["corpus"])
    size = sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
    location = store.location_of(store.corpus_folder(corpus_id))
    store.commit(source, location)
    return lambda session: outcomes.succeed_import(
        session, claim.lease, corpus_id=corpus_id, location=location, size_bytes=size, result=result
    )


def _with_encoder(claim: Claim, result: dict[str, Any], out: Path, store: ArtifactStore) -> Write:
    encoder_id = new_id("enc")
    source, location = out / str(result["encoder"]), store.location_of(store.encoder_folder(encoder_id))
    weights = source / "encoder.safetensors"
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != result["sha256"]:
        raise EncoderError(f"{weights.name} has sha256 {digest} instead of {result['sha256']} in the result.")
    card = json.loads((source / "card.json").read_bytes())
    size = weights.stat().st_size
    store.commit(source, location)
    encoder = outcomes.EncoderFile(encoder_id, location, digest, size, card)
    return lambda session: outcomes.succeed_pretrain(session, claim.lease, encoder=encoder, result=result)


def _with_evaluation(claim: Claim, result: dict[str, Any], _out: Path, _store: ArtifactStore) -> Write:
    scores = {"scores": dict(result["scores"])}
    return lambda session: outcomes.succeed_evaluate(session, claim.lease, result=scores)


def _with_result_alone(claim: Claim, result: dict[str, Any], _out: Path, _store: ArtifactStore) -> Write:
    return lambda session: outcomes.succeed(session, claim.lease, result=result)


_SUCCESSES: Mapping[Artifact | None, Callable[[Claim, dict[str, Any], Path, ArtifactStore], Write]] = {
    Artifact.CORPUS: _with_corpus,
    Artifact.ENCODER: _with_encoder,
    Artifact.EVALUATION: _with_evaluation,
    None: _with_result_alone,
}
"""Artifact that a job kind makes -> its commit."""
