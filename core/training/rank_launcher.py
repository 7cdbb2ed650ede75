"""Starts the ranks of a run on this machine, and ends them together.

It plays `torchrun`'s part for one machine, with one difference that matters to a service: no rank outlives
it. If the launcher dies, the ranks are killed; if a rank ends before its time, the launcher kills the others
and says why. Asked to stop, it passes that on, and the ranks stop at the same step.
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
_LAST_WORDS_SECONDS = 5.0
_LAST_WORDS = ("result", "error", "stopped")


def launch_ranks(
    module: str, launch: Launch[PretrainSpec], *, num_ranks: int, num_threads: int
) -> dict[str, Any]:
    """Run the program `module` on `num_ranks` ranks with `num_threads` threads each; returns its result.

    Call it on the main thread: the ranks die with the thread that starts them.

    Raises:
        Stopped: the observer asked to stop, and rank 0 has saved.
        RankFailed: a rank ended before its time; all are gone.
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
    """The variables that tell a rank its place; gloo talks over the loopback device."""
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
    """The running ranks, and what they have said."""

    def __init__(
        self, command: Sequence[str], environments: Sequence[Mapping[str, str]], observer: Observer
    ) -> None:
        self._observer = observer
        self._inbox: SimpleQueue[RankEvent] = SimpleQueue()
        self._last_words: list[RankEvent] = []
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
        """Pass on what rank 0 says until all have ended or one has failed; then see that all are gone."""
        try:
            exit_codes = self._exit_codes()
            while len(exit_codes) < len(self._processes) and not any(map(is_failure, exit_codes.values())):
                self._hear(_TICK_SECONDS)
                self._pass_on_stop()
                exit_codes = self._exit_codes()
        finally:
            self._kill()
        for listener in self._listeners:
            listener.join(_LAST_WORDS_SECONDS)
        while self._hear(0.0):
            pass
        return outcome(exit_codes, self._last_words, asked_to_stop=self._asked_to_stop)

    def _exit_codes(self) -> dict[int, int]:
        codes = {rank: process.poll() for rank, process in enumerate(self._processes)}
        return {rank: code for rank, code in codes.items() if code is not None}

    def _hear(self, within_seconds: float) -> bool:
        try:
            heard = self._inbox.get(timeout=within_seconds) if within_seconds else self._inbox.get_nowait()
        except Empty:
            return False
        if heard.event["event"] in _LAST_WORDS:
            self._last_words.append(heard)
        elif heard.rank == 0:
            pass_on(heard.event, self._observer)
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
                else:  # some library printed it
                    sys.stderr.write(f"rank {rank}: {line}")


def pass_on(event: Event, observer: Observer) -> None:
    """Tell an observer what a rank's observer was told."""
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
