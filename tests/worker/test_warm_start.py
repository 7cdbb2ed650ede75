"""Attempts whose processes are forked from a template: they live and die as those that are started fresh."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.jobs.settings import Settings
from tests.servers.folders import short_folder
from tests.servers.service import PROGRAM, SUPERVISOR, WORKER, Service
from tests.servers.starting import REPOSITORY, wait_for
from tests.worker.programs.counting import expected_weights
from worker.lease import Holder
from worker.processes import MARK
from worker.tasks import LEAST_FOR_WARM_BYTES, starts_warm
from worker.warm import client
from worker.warm.client import Template
from worker.warm.template import LONGEST_MESSAGE

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the template is for Linux"),
]
TEMPLATE = "worker.warm.template"
STEPS = 60
SLOWLY = {"steps": STEPS, "step_seconds": 0.05}


def test_programs_start_warm_where_that_is_wanted_and_there_is_memory() -> None:
    enough = LEAST_FOR_WARM_BYTES
    assert starts_warm(Settings(), enough)
    assert not starts_warm(Settings(), enough - 1)
    assert not starts_warm(Settings(warm_start=False), enough)


@pytest.fixture(scope="module")
def warm() -> Iterator[Service]:
    """One service for all tests, whose worker has a template."""
    with short_folder() as folder, Service(folder) as made:
        yield made


@pytest.fixture
def worker(warm: Service) -> "subprocess.Popen[bytes]":
    """The main process of its Celery worker."""
    return warm.restart_what_ended()


def assert_done(service: Service, job_id: str, *, attempts: int, charged: int) -> None:
    row = service.wait_for_state(job_id, "succeeded")
    assert (row.attempt, row.charged_attempts) == (attempts, charged)
    assert service.weights(job_id) == expected_weights(STEPS)
    service.wait_for_no_process(SUPERVISOR, PROGRAM)


def holder(service: Service, template: Template, *, draining: Callable[[], bool] = lambda: False) -> Holder:
    return Holder(service.engine, service.settings, "wrk", draining, supervisor=SUPERVISOR, template=template)


def running(service: Service, module: str) -> psutil.Process:
    (found,) = service.processes(module)
    return found


def test_every_attempt_is_forked_from_the_same_template(
    warm: Service, worker: "subprocess.Popen[bytes]"
) -> None:
    templates = set()
    for _ in range(2):
        job_id = warm.submit(**SLOWLY)
        warm.wait_for_step(job_id, 10)
        program, supervisor = running(warm, PROGRAM), running(warm, SUPERVISOR)
        template = running(warm, TEMPLATE)
        assert (program.ppid(), supervisor.ppid()) == (supervisor.pid, template.pid)
        assert psutil.Process(template.ppid()).ppid() == worker.pid, "the pool child has the template"
        mark = str(warm.job(job_id).lease_token)
        assert program.environ()[MARK] == supervisor.environ()[MARK] == mark != template.environ()[MARK]
        assert os.getsid(program.pid) == os.getsid(supervisor.pid) == supervisor.pid
        templates.add(template.pid)
        assert_done(warm, job_id, attempts=1, charged=0)
    assert len(templates) == 1


def test_kill_the_program(warm: Service, worker: "subprocess.Popen[bytes]") -> None:
    job_id = warm.submit(**SLOWLY)
    warm.wait_for_step(job_id, 10)
    warm.kill(PROGRAM)
    assert_done(warm, job_id, attempts=2, charged=1)


def test_kill_the_supervisor(warm: Service, worker: "subprocess.Popen[bytes]") -> None:
    job_id = warm.submit(**SLOWLY)
    warm.wait_for_step(job_id, 10)
    program = running(warm, PROGRAM)
    warm.kill(SUPERVISOR)
    program.wait(5)
    assert_done(warm, job_id, attempts=2, charged=1)
    assert warm.attempts(job_id)[0].outcome == "worker_lost"


def test_kill_the_pool_child(warm: Service, worker: "subprocess.Popen[bytes]") -> None:
    job_id = warm.submit(**SLOWLY)
    warm.wait_for_step(job_id, 10)
    warm.kill(WORKER, child_of=worker.pid)
    assert_done(warm, job_id, attempts=2, charged=0)
    assert warm.attempts(job_id)[0].outcome == "drained"


def test_kill_the_template(warm: Service, worker: "subprocess.Popen[bytes]") -> None:
    job_id = warm.submit(**SLOWLY)
    warm.wait_for_step(job_id, 10)
    warm.kill(TEMPLATE)
    assert_done(warm, job_id, attempts=2, charged=0)
    assert warm.attempts(job_id)[0].outcome == "drained"


def test_a_template_that_does_not_answer_is_replaced(
    warm: Service, worker: "subprocess.Popen[bytes]"
) -> None:
    """It is stopped, not dead: the attempt is started fresh, once."""
    stopped = running(warm, TEMPLATE)
    stopped.suspend()
    job_id = warm.submit(**SLOWLY)
    assert_done(warm, job_id, attempts=1, charged=0)
    assert not stopped.is_running()
    test_every_attempt_is_forked_from_the_same_template(warm, worker)


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Template]:
    """A function that makes a template whose process runs the given program instead."""

    def with_program(program: str) -> Template:
        (tmp_path / "in_its_place.py").write_text(program)
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{REPOSITORY}")
        monkeypatch.setattr(client, "_TEMPLATE", "in_its_place")
        return Template([SUPERVISOR])

    return with_program


ENDLESS = "import time\ntime.sleep(600)\n"


def test_a_template_that_does_not_load_in_time_keeps_no_job_waiting(
    service: Service, play: Callable[[str], Template], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_LOADING_SECONDS", 0.5)
    template = play(ENDLESS)
    job_id = service.submit(steps=STEPS)
    assert holder(service, template).work() == 1
    template.close()
    assert service.job(job_id).state == "succeeded"


def test_a_worker_that_is_to_stop_does_not_wait_for_its_template(
    service: Service, play: Callable[[str], Template]
) -> None:
    template, began = play(ENDLESS), time.monotonic()
    service.submit(steps=STEPS)
    assert holder(service, template, draining=lambda: time.monotonic() > began + 0.5).work() == 0
    template.close()
    assert time.monotonic() - began < client._LOADING_SECONDS


def test_a_template_that_fails_to_load_is_tried_once(
    service: Service, play: Callable[[str], Template], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    starts = tmp_path / "starts"
    template = play(f"import sys\nopen({str(starts)!r}, 'a').write('.')\nsys.exit('unfit')\n")
    jobs = [service.submit(steps=STEPS) for _ in range(2)]
    assert holder(service, template).work() == 2
    assert {service.job(job_id).state for job_id in jobs} == {"succeeded"}
    assert starts.read_text() == "."
    assert caplog.text.count("The template did not load") == 1


def test_cancel_and_stop(warm: Service, worker: "subprocess.Popen[bytes]") -> None:
    job_id = warm.submit(**{**SLOWLY, "steps": 100_000})
    warm.wait_for_step(job_id, 10)
    warm.cancel(job_id)
    warm.wait_for_state(job_id, "cancelled")
    warm.wait_for_no_process(SUPERVISOR, PROGRAM)
    worker.terminate()
    assert worker.wait(20) == 0
    warm.wait_for_no_process(WORKER, TEMPLATE)


HINDRANCES = {
    "the thread": "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "/dev/full": "template._DEVICES = ('/dev/full',); opened = open('/dev/full')",
    "pidfd": "del os.pidfd_open",
    "None": "",
}


@pytest.mark.parametrize("named", HINDRANCES)
def test_what_cannot_be_forked_is_noticed(named: str) -> None:
    program = (
        "import os, threading\nfrom worker.warm import template\n"
        f"{HINDRANCES[named]}\nprint(template._hindrance_to_forking())"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    assert named in told.stdout


def test_an_environment_that_is_too_large_for_a_request_starts_fresh(warm: Service) -> None:
    template = Template([SUPERVISOR])
    template.await_loaded(stopping=lambda: False)
    assert template.start(SUPERVISOR, [], {"LARGE": "x" * LONGEST_MESSAGE}) is None
    assert template._process is not None
    assert template._process.poll() is None, "it is none the worse"
    template.close()


def test_a_template_dies_with_its_worker_while_it_loads() -> None:
    program = (
        "import time\nfrom worker.warm.client import Template\n"
        "template = Template(['core.training.pretrain'])\ntemplate.begin()\n"
        "print(template._process.pid, flush=True)\ntime.sleep(600)"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        template = psutil.Process(int(worker.stdout.readline()))
        wait_for(lambda: TEMPLATE in template.cmdline(), within_seconds=10, what="the template")
        worker.kill()
        wait_for(lambda: not template.is_running(), within_seconds=10, what="its end")


def test_a_template_without_a_request_ends_quietly_with_its_connection(
    capfd: pytest.CaptureFixture[str],
) -> None:
    template = Template([SUPERVISOR])
    template.begin()
    assert template._process is not None
    assert template._connection is not None
    select.select([template._connection], [], [], 30)  # it has answered that it is ready
    template._connection.close()
    assert template._process.wait(10) == 0
    assert capfd.readouterr().err == ""


def test_a_fork_draws_its_own_numbers_and_waits_for_its_threads(tmp_path: Path) -> None:
    (tmp_path / "drawing.py").write_text(
        "import os, sys, threading, numpy\n"
        "line = f'{sys.argv[1]} {numpy.random.random()}\\n'\n"
        "say = lambda: os.write(1, line.encode())\n"  # at once: with PYTHONUNBUFFERED, print writes in pieces
        "threading.Timer(0.3, say).start()\n"
    )
    program = (
        "import os, numpy.random\nfrom worker.warm.fork import run_module\n"
        "for name in ('first', 'second'):\n"
        "    if os.fork() == 0:\n"
        "        run_module('drawing', [name])\n"
        "print({os.wait()[1] for _ in range(2)})"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{REPOSITORY}"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    *lines, codes = done.stdout.splitlines()
    drawn = dict(line.split() for line in lines)
    assert drawn.keys() == {"first", "second"}
    assert drawn["first"] != drawn["second"]
    assert codes == "{0}"


def test_without_a_template_that_works_a_supervisor_is_started_fresh(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_TEMPLATE", "nowhere.at_all")
    template = Template([SUPERVISOR])
    job_id = service.submit(steps=STEPS)
    assert holder(service, template).work() == 1
    template.close()
    assert service.job(job_id).state == "succeeded"
    wait_for(lambda: not service.processes(TEMPLATE), within_seconds=5, what="the end of the template")
