"""Launches the ranks of a distributed run on one machine, and ends them together.

It replaces `torchrun` on one machine; unlike there, no rank outlives the launcher. If the launcher dies, the
ranks are killed. If a rank fails, the launcher kills the others and reports the error. A stop request is
passed on, and the ranks stop at the same step.
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

from core.program.frame import Launch
from core.program.lifeline import tied_module
from core.program.observer import Observer, parse_event
from core.specs.jobs import PretrainSpec
from core.training.process_group import RENDEZVOUS
from core.training.rank_outcome import Event, RankEvent, is_failure, outcome

_TICK_SECONDS = 0.1
_FINAL_EVENTS_SECONDS = 5.0
_FINAL_EVENTS = ("result", "error", "stopped")


def launch_ranks(
    module: str, launch: Launch[PretrainSpec], *, num_ranks: int, num_threads: int
) -> dict[str, Any]:
    """Run the program `module` on `num_ranks` ranks with `num_threads` threads each; returns its result.

    Call it on the main thread, because the ranks are killed when the thread that started them ends.

    Raises:
        Stopped: the observer asked to stop, and rank 0 has saved.
        RankFailed: a rank failed; all ranks have ended.
    """
    with TemporaryDirectory(prefix="signforge-ranks-") as folder:
        spec = Path(folder) / "spec.json"
        spec.write_text(launch.spec.model_dump_json())
        arguments = ["--spec", str(spec), "--out", str(launch.out), "--events"]
        if launch.resume is not None:
            arguments += ["--resume", str(launch.resume)]
        if launch.keep_all:
            arguments.append("--keep-all-checkpoints")
        command = tied_module(module, *arguments)
        environments = [
            rank_environment(rank, num_ranks, rendezvous=Path(folder) / "meeting", num_threads=num_threads)
            for rank in range(num_ranks)
        ]
        return _Ranks(command, environments, launch.observer).until_end()


def rank_environment(rank: int, num_ranks: int, *, rendezvous: Path, num_threads: int) -> dict[str, str]:
    """Return the environment of a rank; gloo uses the loopback device."""
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")
    return {
        "GLOO_SOCKET_IFNAME": loopback,
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(num_ranks),
        "LOCAL_WORLD_SIZE": str(num_ranks),
        "OMP_NUM_THREADS": str(num_threads),
        RENDEZVOUS: rendezvous.as_uri(),
    }


class _Ranks:
    """The processes of the ranks, and the events they wrote."""

    def __init__(
        self, command: Sequence[str], environments: Sequence[Mapping[str, str]], observer: Observer
    ) -> None:
        self._observer = observer
        self._inbox: SimpleQueue[RankEvent] = SimpleQueue()
        self._final_events: list[RankEvent] = []
        self._asked_to_stop = False
        self._processes: list[subprocess.Popen[str]] = []
        try:
            for environment in environments:
                self._processes.append(_start(command, environment))
        except BaseException:
            self._kill()
            raise
        self._listeners = [
            threading.Thread(target=self._listen, args=(rank,), daemon=True)
            for rank in range(len(self._processes))
        ]
        for listener in self._listeners:
            listener.start()

    def until_end(self) -> dict[str, Any]:
        """Pass on events of rank 0 until all ranks have ended or one has failed; then kill the rest."""
        try:
            exit_codes = self._exit_codes()
            while len(exit_codes) < len(self._processes) and not any(map(is_failure, exit_codes.values())):
                self._take_event(_TICK_SECONDS)
                self._pass_on_stop()
                exit_codes = self._exit_codes()
        finally:
            self._kill()
        for listener in self._listeners:
            listener.join(_FINAL_EVENTS_SECONDS)
        while self._take_event(0.0):
            pass
        return outcome(exit_codes, self._final_events, asked_to_stop=self._asked_to_stop)

    def _exit_codes(self) -> dict[int, int]:
        codes = {rank: process.poll() for rank, process in enumerate(self._processes)}
        return {rank: code for rank, code in codes.items() if code is not None}

    def _take_event(self, within_seconds: float) -> bool:
        try:
            taken = self._inbox.get(timeout=within_seconds) if within_seconds else self._inbox.get_nowait()
        except Empty:
            return False
        if taken.event["event"] in _FINAL_EVENTS:
            self._final_events.append(taken)
        elif taken.rank == 0:
            pass_on(taken.event, self._observer)
        return True

    def _pass_on_stop(self) -> None:
        if self._asked_to_stop or not self._observer.should_stop():
            return
        self._asked_to_stop = True
        for process in self._processes:
            process.terminate()

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
            if process.stdin is not None:
                process.stdin.close()

    def _listen(self, rank: int) -> None:
        stream = self._processes[rank].stdout
        assert stream is not None
        with stream:
            for line in stream:
                if (event := parse_event(line)) is not None:
                    self._inbox.put(RankEvent(rank, event))
                else:  # output of a library
                    sys.stderr.write(f"rank {rank}: {line}")


def pass_on(event: Event, observer: Observer) -> None:
    """Forward an event of a rank to an observer."""
    match event:
        case {"event": "phase", "phase": phase, "total_steps": total_steps}:
            observer.on_phase(phase, total_steps=total_steps)
        case {"event": "step", "step": step, "metrics": metrics}:
            observer.on_step(step, metrics)
        case {"event": "checkpoint", "path": path, "step": step}:
            observer.on_checkpoint(Path(path), step=step)
        case {"event": "log", "message": message}:
            observer.on_log(message)


def _start(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
