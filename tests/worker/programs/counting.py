"""A small real program: counts steps, saves checkpoints, resumes exactly, and stops when asked to.

What it does is in the specification's overrides. Its "weights" are a chain of hashes, so that a run that was
interrupted anywhere ends with the same bytes as one that was not, or else shows that it did not.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import CheckpointError, CorpusError, Stopped
from core.program.frame import Launch, main
from core.specs.jobs import PretrainSpec


def count(launch: Launch[PretrainSpec]) -> Mapping[str, object]:
    """Count to `steps`, and make an encoder of what was counted."""
    wanted: dict[str, Any] = launch.spec.overrides
    steps, every = int(wanted.get("steps", 20)), int(wanted.get("checkpoint_every", 5))
    step, state = _resume(launch.resume, wanted)
    attempt = int(launch.out.name.removeprefix("attempt_"))
    pause = threading.Event()
    launch.observer.on_phase("counting", total_steps=steps)
    while step < steps:
        state = hashlib.sha256(f"{state} {step}".encode()).hexdigest()
        step += 1
        pause.wait(float(wanted.get("step_seconds", 0.0)))
        launch.observer.on_step(step, {"loss": 1.0 / step, "samples_per_second": 7.0})
        _misbehave(wanted, step=step, attempt=attempt)
        stop = launch.observer.should_stop()
        if step % every == 0 or step == steps or stop:
            _save(launch, step, state)
        if stop:
            raise Stopped(f"stopped after step {step}")
    return _encoder(launch.out, state, steps)


def _misbehave(wanted: dict[str, Any], *, step: int, attempt: int) -> None:
    """Faults on demand: at step `at_step` of the attempts below `until_attempt`."""
    if step != wanted.get("at_step") or attempt >= wanted.get("until_attempt", 1_000):
        return
    fault = wanted["fault"]
    if fault == "refuse":
        raise CorpusError("This corpus is not fit to be counted.")
    if fault == "kill_supervisor":
        sys.stderr.write("What is that knife for?\n")
        os.kill(os.getppid(), signal.SIGKILL)
        threading.Event().wait()
    if fault == "crash":
        raise RuntimeError("Something broke.")
    if fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "hang":
        threading.Event().wait()
    if fault == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if fault == "orphan":
        forever = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
        subprocess.Popen([sys.executable, "-c", forever], start_new_session=True)


def _save(launch: Launch[PretrainSpec], step: int, state: str) -> None:
    folder = launch.out / "checkpoints" / f"step_{step:08d}"
    staging = folder.with_name(f".{folder.name}")
    staging.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"step": step, "state": state}).encode()
    (staging / "state.json").write_bytes(content)
    entry = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (staging / "manifest.json").write_text(json.dumps({"step": step, "files": {"state.json": entry}}))
    if not folder.exists():
        staging.rename(folder)
    launch.observer.on_checkpoint(folder, step=step)


def _resume(checkpoint: Path | None, wanted: dict[str, Any]) -> tuple[int, str]:
    if checkpoint is None:
        return 0, ""
    saved = json.loads((checkpoint / "state.json").read_bytes())
    if saved["step"] == wanted.get("unusable_step"):
        raise CheckpointError(f"The checkpoint of step {saved['step']} belongs to another run.")
    return int(saved["step"]), str(saved["state"])


def _encoder(out: Path, state: str, steps: int) -> dict[str, object]:
    folder = out / "encoder"
    folder.mkdir(exist_ok=True)
    (folder / "encoder.safetensors").write_text(state)
    (folder / "card.json").write_text(json.dumps({"counted": steps}))
    digest = hashlib.sha256(state.encode()).hexdigest()
    return {"encoder": "encoder", "sha256": digest, "steps": steps, "final_loss": 1.0 / steps}


def expected_weights(steps: int) -> str:
    """What a run without any interruption ends with."""
    state = ""
    for step in range(steps):
        state = hashlib.sha256(f"{state} {step}".encode()).hexdigest()
    return state


if __name__ == "__main__":
    sys.exit(main(count, PretrainSpec))
