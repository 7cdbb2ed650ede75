"""The embedded service: everything on one machine, started and watched over by one command."""

import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from core.errors import StorageError
from core.exchange.base_encoder import BASE_NAME
from core.jobs.private_files import keep_files_private
from core.jobs.settings import Settings
from core.program.idle_threads import sleeping_threads
from signforge.client.errors import ServiceError
from signforge.client.transport.address import address_file, url_of
from signforge.embedded import broker
from signforge.embedded.children import Child
from signforge.embedded.folder_lock import folder_lock
from signforge.embedded.keeper import Keeper
from signforge.embedded.signals import SignalInbox
from worker.drain import WINDING_UP_SECONDS

Say = Callable[[str], None]

_START_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_WATCH_SECONDS = 0.5
_STOP_SECONDS = 10.0
_PROGRAMS = {"API": "api.main", "reconciler": "worker.reconciler", "worker": "worker.main"}


def run(settings: Settings, say: Say, *, hint: str = "") -> int:
    """Run the embedded service until SIGINT or SIGTERM; a second one kills. Returns the exit code.

    `hint` is said when the service is ready.

    Raises:
        ServiceError: the data folder or the port is taken, or a part does not start.
        StorageError: the data folder cannot be used.
    """
    settings = settings.model_copy(update={"data_folder": settings.data_folder.absolute()})
    if not settings.data_folder.exists():
        _listenable_port(settings)  # before a folder is made for nothing
    for warning in keep_files_private(settings.data_folder):
        say(f"Warning: {warning}")
    with folder_lock(settings.data_folder), SignalInbox() as inbox:
        settings = settings.model_copy(update={"port": _listenable_port(settings)})
        service = LocalService(settings, inbox, say, hint=hint)
        try:
            service.start()
            service.watch()
        finally:
            service.stop()
        return 0


class LocalService:
    """The broker, the API, the reconciler and one worker as children of this process."""

    def __init__(self, settings: Settings, inbox: SignalInbox, say: Say, *, hint: str = "") -> None:
        self._settings = settings
        self._inbox = inbox
        self._say = say
        self._hint = hint
        self._url = url_of(settings.host, settings.port)
        self._keepers: list[Keeper] = []
        self._broker: Child | None = None
        self._was_ready = False

    def start(self) -> None:
        """Start everything and return when the service is ready, or when it was asked to stop.

        Raises:
            ServiceError: a part stopped, or was not ready within half a minute.
        """
        environment = _environment(self._settings)
        if not self._settings.broker_url:
            broker.stop_orphan(self._settings.broker_socket)
            self._broker = broker.broker_child(
                self._settings, log=self._log("broker"), environment=environment
            )
            self._begin(self._broker)
        for name, module in _PROGRAMS.items():
            arguments = [sys.executable, "-m", module]
            self._begin(Child(name, arguments, log=self._log(name.lower()), environment=environment))
        from signforge.embedded.first_start import (
            prepare,  # loads for as long as the children do; so do both at once
        )

        prepare(self._settings)
        self._await("broker", self._what_the_broker_lacks)
        with httpx.Client(trust_env=False, timeout=5.0) as http:
            self._await("API", lambda: _what_the_api_lacks(http, self._url))
        if not self._inbox.num_stops:
            self._was_ready = True
            _write_address(self._settings, self._url)
            if self._hint:
                self._print(self._hint)
            self._print(
                f"A first encoder: signforge encoders import {BASE_NAME}\n"
                f"signforge is ready at {self._url}  (data in {self._settings.data_folder}, stop with Ctrl-C)"
            )

    def watch(self) -> None:
        """Start again what stops, until asked to stop."""
        while not self._inbox.num_stops:
            for keeper in self._keepers:
                keeper.child.turn_over_log()
                notice = keeper.check(time.monotonic())
                if notice:
                    self._print(notice)
            self._inbox.wait(_WATCH_SECONDS)

    def stop(self) -> None:
        """Stop in order: worker first, so that a running job is saved and queued again; broker last."""
        running = [keeper.child for keeper in reversed(self._keepers) if keeper.child.is_running]
        if self._was_ready:
            self._print("Stopping: a running job saves its state and is queued again. Ctrl-C again kills.")
        enough = max(self._inbox.num_stops, 1)
        for child in running:
            patience = _STOP_SECONDS
            if child.name == "worker":  # its pool child gives a supervisor this long before it kills it
                patience += self._settings.stop_grace_seconds + WINDING_UP_SECONDS
            child.ask_to_stop()
            deadline = time.monotonic() + patience
            while child.is_running and time.monotonic() < deadline and self._inbox.num_stops <= enough:
                self._inbox.wait(_LOOK_SECONDS)
            if child.is_running:
                self._print(f"Killing the {child.name}.")
                child.kill()
        address_file(self._settings).unlink(missing_ok=True)
        if self._was_ready:
            self._print("signforge has stopped.")

    def _begin(self, child: Child) -> None:
        child.start()
        self._keepers.append(Keeper(child, time.monotonic()))

    def _await(self, name: str, find_lack: Callable[[], str | None]) -> None:
        """Wait until `look` finds nothing lacking, while every child lives."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._inbox.num_stops and (lack := find_lack()):
            for keeper in self._keepers:
                if not keeper.child.is_running:
                    raise ServiceError(keeper.exit_report())
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"The {name} was not ready within {_START_SECONDS:g} s: {lack}. Its log is "
                    f"{self._log(name.lower())}."
                )
            self._inbox.wait(_LOOK_SECONDS)

    def _what_the_broker_lacks(self) -> str | None:
        answers = self._broker is None or broker.answers(self._settings.broker_socket)
        return None if answers else f"it does not answer at {self._settings.broker_socket}"

    def _log(self, name: str) -> Path:
        return self._settings.data_folder / "logs" / f"{name}.log"

    def _print(self, sentence: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone; stopping in order matters more
            self._say(sentence)


def _environment(settings: Settings) -> dict[str, str]:
    """What the children inherit: ours, with the settings that the command line may have changed."""
    return {
        **os.environ,
        # The slash keeps white space at the end of a folder's name from being stripped.
        "SIGNFORGE_DATA_FOLDER": os.path.join(settings.data_folder.absolute(), ""),
        "SIGNFORGE_HOST": settings.host,
        "SIGNFORGE_PORT": str(settings.port),
        "SIGNFORGE_CACHE_FOLDER": os.environ.get("SIGNFORGE_CACHE_FOLDER", "").strip()
        or str(settings.data_folder.absolute() / "cache"),
        "PYTHONSAFEPATH": "1",  # a folder called `api` or `core` where the user stands is not ours
        "PYTHONUNBUFFERED": "1",
        **sleeping_threads(),
    }


def _listenable_port(settings: Settings) -> int:
    """The port to listen at; 0 becomes a free one."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise ServiceError(
                f"Cannot listen at {settings.host} port {settings.port}: {error.strerror}. "
                "Set SIGNFORGE_PORT (or --port) to another port; 0 takes any free one."
            ) from None
        return int(probe.getsockname()[1])


def _what_the_api_lacks(http: httpx.Client, url: str) -> str | None:
    try:
        answer = http.get(f"{url}/readyz")
    except httpx.TransportError:
        return "it does not answer"
    if answer.is_success:
        return None
    checks = answer.json()["checks"] if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else {}
    lacks = [f"{name} {check['detail']}" for name, check in checks.items() if not check["ok"]]
    return "; ".join(lacks) or f"it answers {answer.status_code}"


def _write_address(settings: Settings, url: str) -> None:
    """Write the file that clients wait for. They never see it empty."""
    path = address_file(settings)
    arriving = path.with_name(f".{path.name}.new")
    try:
        arriving.write_text(f"{url}\n", encoding="utf-8")
        arriving.replace(path)
    except OSError as error:
        raise StorageError(f"Cannot write {path}: {error.strerror}.") from None
