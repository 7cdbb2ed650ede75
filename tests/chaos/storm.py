"""One run: undisturbed runs first, then the storm, then quiet, then the audit."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from core.jobs.database import reading
from core.pose.synthetic.recording import SyntheticConfig, generate, save_npz
from core.specs.jobs import PretrainSpec
from tests.chaos.audit import Undisturbed, audit
from tests.chaos.faults import Assailant
from tests.chaos.owner import Owner
from tests.chaos.plan import Plan
from tests.chaos.world import World
from tests.core.small import OVERRIDES
from tests.servers.small_disk import is_small
from tests.servers.starting import wait_for

NUM_SEEDS, MOST_UNFINISHED, NUM_EPOCHS = 3, 5, 30
"""Each seed of the jobs takes an undisturbed run first, and what is unfinished has to end afterwards; so a
short storm has less of each."""
_SHORT_SECONDS, _FEW, _FEW_EPOCHS = 60.0, 2, 12
_CORPUS = "signs"
_TICK_SECONDS = 0.05
_SETTLING_SECONDS = 300.0
Say = Callable[[str], None]


@dataclass
class Report:
    """What happened."""

    seconds: float
    settling: float
    faults: "Counter[str]"
    jobs: int
    attempts: int
    states: "Counter[str]"
    lost: int
    doubled: int
    left: list[str]
    violations: list[str] = field(default_factory=list)


def storm(folder: Path, *, seed: int, seconds: float, database: str, say: Say) -> Report:
    """Break a service for `seconds`, let it settle, and look."""
    os.environ.update({"OMP_WAIT_POLICY": "PASSIVE"})
    world = World(folder, database=database, draw=random.Random(f"{seed} restarts"))
    try:
        is_short = seconds < _SHORT_SECONDS
        num_seeds = 1 if is_short else NUM_SEEDS
        num_epochs = _FEW_EPOCHS if is_short else NUM_EPOCHS
        specs = {seed: _spec(seed, num_epochs) for seed in range(num_seeds)}
        undisturbed = _undisturbed_runs(world, specs, say)
        if not is_small(folder):
            say("The disk is not filled: that takes a tmpfs, which this user may not mount.")
        plan = Plan(seed, num_seeds=num_seeds)
        most_unfinished = _FEW if is_short else MOST_UNFINISHED
        owner = Owner(world.client(), plan, specs, most_unfinished=most_unfinished)
        return _storm(world, plan, owner, undisturbed, seconds, say)
    finally:
        world.stop()
        world.close()


def _storm(
    world: World,
    plan: Plan,
    owner: Owner,
    undisturbed: dict[int, Undisturbed],
    seconds: float,
    say: Say,
) -> Report:
    assailant = Assailant(world)
    submitting = threading.Thread(target=owner.run, daemon=True)
    submitting.start()
    began = time.monotonic()
    blow = plan.next_blow()
    strike_at = began + blow.after_seconds
    while (now := time.monotonic()) - began < seconds:
        world.tick(now)
        assailant.undo_due(now)
        if now >= strike_at:
            if assailant.strike(blow, now):
                say(f"{now - began:7.1f} s  {blow.part or ''} {blow.fault} ({blow.seconds:.1f} s)")
            blow = plan.next_blow()
            strike_at = now + blow.after_seconds
        time.sleep(_TICK_SECONDS)
    assailant.undo_all()
    owner.be_content()
    quiet_at = time.monotonic()
    say("Quiet now.")
    _settle(world, owner, submitting)
    settling = time.monotonic() - quiet_at
    owner.leave()
    owner.join(30)
    left = world.stop()
    with reading(world.engine) as session:
        found = audit(session, world.store, owner.receipts, undisturbed)
    violations = [*found.violations, *owner.faults]
    violations += [f"no fault ever met the {part}" for part in assailant.never_met()]
    violations += [f"a process was left: {command}" for command in left]
    return Report(
        seconds,
        settling,
        assailant.counts,
        found.jobs,
        found.attempts,
        found.states,
        found.lost,
        found.doubled,
        left,
        violations,
    )


def _settle(world: World, owner: Owner, submitting: threading.Thread) -> None:
    """Wait for the end of every job, which nothing disturbs now, or of the owner, whose fault is reported."""
    deadline = time.monotonic() + _SETTLING_SECONDS
    while time.monotonic() < deadline and submitting.is_alive() and not owner.has_everything:
        world.tick(time.monotonic())
        time.sleep(_TICK_SECONDS)


def _undisturbed_runs(world: World, specs: Mapping[int, PretrainSpec], say: Say) -> dict[int, Undisturbed]:
    """Import the corpus as a job, and run the program for each seed with nobody near."""
    poses = world.folder / "poses.npz"
    save_npz(generate(SyntheticConfig(num_signs=4, num_signers=3, takes_per_sign=2, seed=3)), poses)
    client = world.client()

    def ready() -> bool:
        world.tick(time.monotonic())
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{world.url}/readyz", trust_env=False).is_success
        return False

    wait_for(ready, within_seconds=60, what="the service's start")
    job = client.jobs.wait(client.corpora.add(poses, name=_CORPUS).id, timeout=120)
    assert job.has_succeeded, job.status_message
    assert job.result is not None
    corpus = world.store.corpus_folder(str(job.result["corpus_id"]))
    runs = {}
    for seed, spec in specs.items():
        runs[seed] = _run_alone(world.folder / f"alone_{seed}", spec, corpus)
        say(f"Undisturbed, seed {seed}: {runs[seed].sha256[:12]}, {len(runs[seed].losses)} losses")
    return runs


def _run_alone(folder: Path, spec: PretrainSpec, corpus: Path) -> Undisturbed:
    folder.mkdir()
    (folder / "spec.json").write_text(spec.model_copy(update={"corpus": str(corpus)}).model_dump_json())
    command = [sys.executable, "-m", "core.training.pretrain", "--events"]
    command += ["--spec", str(folder / "spec.json"), "--out", str(folder / "out")]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    losses = {
        int(event["step"]): float(event["metrics"]["loss"])
        for event in events
        if event["event"] == "step" and "loss" in event["metrics"]
    }
    (result,) = (event for event in events if event["event"] == "result")
    shutil.rmtree(folder)
    return Undisturbed(str(result["sha256"]), losses)


def _spec(seed: int, num_epochs: int) -> PretrainSpec:
    """A real run, as small as it can be: about a second of training between start and end."""
    run = {
        **OVERRIDES["run"],
        "seed": seed,
        "num_epochs": num_epochs,
        "batch_size": 8,
        "checkpoint_every_steps": 5,
        "engine": "eager",
        "precision": "fp32",
    }
    return PretrainSpec(name="storm", corpus=_CORPUS, recipe="smoke", overrides={**OVERRIDES, "run": run})
