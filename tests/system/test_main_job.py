"""The main job, whole: `signforge up`, poses in over HTTP, a finished encoder out, scored, used and kept."""

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from core.specs.import_jobs import SplitConfig
from core.specs.jobs import EvaluateSpec, PretrainSpec
from signforge import Client, load_encoder, read_clips
from signforge.client.event_models import CheckpointEvent, MetricEvent, StateEvent
from signforge.client.models import Job
from signforge.client.transport.download import file_sha256
from tests.core.small import OVERRIDES
from tests.servers.postgres import postgres
from tests.servers.s3 import S3Server
from tests.system.running_service import RunningService, none_left

pytestmark = [pytest.mark.system, pytest.mark.slow]

POSES = SyntheticConfig(num_signs=5, num_signers=4, takes_per_sign=2, seed=3)
NEW_SIGNER = "signer-03"
JOB_SECONDS = 120.0


@pytest.fixture(scope="module")
def poses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("poses") / "poses.npz"
    save_npz(generate(POSES), path)
    return path


@pytest.fixture
def cluster(s3: S3Server) -> Iterator[dict[str, str]]:
    """PostgreSQL and a bucket. The tutorial's page does the same with SQLite and a folder."""
    bucket = {name: str(value) for name, value in s3.settings(s3.make_bucket()).items()}
    with postgres() as url:
        yield {"database_url": url, **bucket}


def test_from_poses_to_an_encoder_in_use(poses: Path, tmp_path: Path, cluster: dict[str, str]) -> None:
    with RunningService(tmp_path / "data", **cluster) as service, service.client() as client:
        _make_corpus(client, poses)
        summary = client.corpora.get("signs").summary
        assert summary["num_clips"] == POSES.num_clips
        assert summary["split_counts"] == {"train": 30, "test": 10}

        job = client.jobs.submit(_pretraining(num_epochs=2, name="signs-encoder"))
        events = list(client.jobs.events(job.id))
        states = [event.data.target for event in events if isinstance(event, StateEvent)]
        assert states == ["queued", "starting", "running", "succeeded"]
        assert any(isinstance(event, CheckpointEvent) for event in events)
        told = {
            event.data.step: event.data.metrics["loss"] for event in events if isinstance(event, MetricEvent)
        }
        losses = {metric.step: metric.value for metric in client.jobs.metrics(job.id, name="loss")}
        assert list(losses) == [1, 2, 3, 4, 5, 6]
        assert told
        assert told.items() <= losses.items()
        assert np.isfinite(list(losses.values())).all()

        for features in ("keypoints", "untrained", "encoder"):
            spec = EvaluateSpec(corpus="signs", encoder="signs-encoder", features=features, num_neighbours=3)
            scores = _finished(client, client.jobs.submit(spec)).result["scores"]  # type: ignore[index]
            assert (scores["num_train"], scores["num_test"], scores["num_classes"]) == (30, 10, 5)
            assert 0 <= scores["top1"] <= scores["mean_reciprocal_rank"] <= 1
            assert "top5" not in scores, "of five glosses it is always 1"
        found = client.encoders.get("signs-encoder")
        assert {evaluation.features for evaluation in found.evaluations} >= {"untrained", "encoder"}

        path = client.encoders.download(found.id, tmp_path)
        assert not (tmp_path / "data" / "signforge.db").exists(), "the database is elsewhere"
        processes = service.processes()
        assert service.stop() == 0
        assert none_left(processes)

    assert file_sha256(path) == found.sha256
    encoder = load_encoder(path)
    assert encoder.card.name == "signs-encoder"
    assert encoder.card.corpus.num_clips == 30, "the new signer was not learned from"
    clips = read_clips(poses)
    features = encoder.embed(clips)
    assert features.shape == (POSES.num_clips, encoder.card.embedding_width)
    assert np.isfinite(features).all()
    np.testing.assert_allclose(encoder.embed(clips[7:9]), features[7:9], atol=1e-5)


def test_a_service_stopped_in_the_middle_ends_with_the_same_bytes(poses: Path, tmp_path: Path) -> None:
    spec = _pretraining(num_epochs=6, name="twice")
    with RunningService(tmp_path / "data") as service, service.client() as client:
        _make_corpus(client, poses)
        unbroken = _finished(client, client.jobs.submit(spec))
        broken = client.jobs.submit(spec)
        for event in client.jobs.events(broken.id):
            if isinstance(event, CheckpointEvent):
                break
        processes = service.processes()
        assert service.stop(signal.SIGTERM) == 0
        assert none_left(processes)

    with RunningService(tmp_path / "data") as service, service.client() as client:
        resumed = _finished(client, broken)
        assert resumed.attempt == 2
        first, second = client.encoders.list()[::-1]
        assert (first.job_id, second.job_id) == (unbroken.id, resumed.id)
        assert (first.version, second.version) == (1, 2)
        assert first.sha256 == second.sha256
        _a_second_signal_kills_a_running_job_and_all_else(service, client)


def _a_second_signal_kills_a_running_job_and_all_else(service: RunningService, client: Client) -> None:
    job = client.jobs.submit(_pretraining(num_epochs=1000, name="long"))
    for event in client.jobs.events(job.id):
        if isinstance(event, CheckpointEvent):
            break
    processes = service.processes()
    assert any("core.training.pretrain" in " ".join(process.cmdline()) for process in processes)
    processes[0].send_signal(signal.SIGINT)
    assert service.stop(signal.SIGTERM) == 0
    assert none_left(processes)


def _pretraining(*, num_epochs: int, name: str) -> PretrainSpec:
    """Three steps an epoch: 30 clips in batches of 10, a checkpoint every other step."""
    run = {"num_epochs": num_epochs, "batch_size": 10, "checkpoint_every_steps": 2, "log_every_steps": 1}
    return PretrainSpec(name=name, corpus="signs", recipe="smoke", overrides={**OVERRIDES, "run": run})


def _make_corpus(client: Client, poses: Path) -> None:
    split = SplitConfig(by="signer", test=(NEW_SIGNER,))
    _finished(client, client.corpora.add(poses, name="signs", split=split))


def _finished(client: Client, job: Job) -> Job:
    job = client.jobs.wait(job.id, timeout=JOB_SECONDS)
    assert job.has_succeeded, f"{job.state}: {job.status_message}"
    return job
