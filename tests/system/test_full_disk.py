"""A disk that fills up under a training job costs a checkpoint, not the job.

The artifact folder is a small tmpfs in a mount namespace that the service has for itself; root can make one.
"""

import subprocess
from pathlib import Path

import pytest

from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from core.specs.jobs import PretrainSpec
from signforge import Client
from signforge.client.event_models import CheckpointEvent, LogEvent
from signforge.client.models import Job
from tests.servers.small_disk import can_mount, on_small_disk
from tests.system.running_service import RunningService

pytestmark = [pytest.mark.system, pytest.mark.slow]

_ROOM_MEGABYTES = 24
"""For the corpus and two checkpoints of 8 MB, not for a third beside them while it is written."""


@pytest.mark.skipif(not can_mount(), reason="needs to mount a small tmpfs in a namespace of its own")
def test_a_job_outlives_a_full_disk_with_the_same_bytes(tmp_path: Path) -> None:
    artifacts, poses = tmp_path / "artifacts", tmp_path / "poses.npz"
    artifacts.mkdir()
    save_npz(generate(SyntheticConfig(num_signs=5, num_signers=4, takes_per_sign=2, seed=3)), poses)
    small_disk = on_small_disk(artifacts, megabytes=_ROOM_MEGABYTES)
    settings = {"artifacts": str(artifacts), "backoff_seconds": "0.5"}
    with (
        RunningService(tmp_path / "data", inside=small_disk, **settings) as service,
        service.client() as client,
    ):
        _finished(client, client.corpora.add(poses, name="signs"))
        job = client.jobs.submit(_pretraining())
        saved, complained = 0, ""
        for event in client.jobs.events(job.id):
            saved += isinstance(event, CheckpointEvent)
            if isinstance(event, LogEvent) and "The disk is full" in event.data.message:
                complained = event.data.message
                break
        assert saved >= 2, "what was saved before stays"
        assert "Free some" in complained
        _enlarge(service.process_id, artifacts)
        disturbed = _finished(client, job)
        undisturbed = _finished(client, client.jobs.submit(_pretraining()))
        digests = {
            client.encoders.get(str(each.result["encoder_id"])).sha256 for each in (disturbed, undisturbed)
        }  # type: ignore[index]
        assert len(digests) == 1


def _enlarge(process_id: int, folder: Path) -> None:
    remount = ["mount", "-o", "remount,size=200m", str(folder)]
    subprocess.run(["nsenter", "--mount", "--target", str(process_id), *remount], check=True)


def _pretraining() -> PretrainSpec:
    run = {"num_epochs": 6, "batch_size": 10, "checkpoint_every_steps": 2, "log_every_steps": 1}
    return PretrainSpec(name="same", corpus="signs", recipe="smoke", overrides={"run": run})


def _finished(client: Client, job: Job) -> Job:
    job = client.jobs.wait(job.id, timeout=120)
    assert job.has_succeeded, f"{job.state}: {job.status_message}"
    return job
