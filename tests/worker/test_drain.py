import multiprocessing
from multiprocessing.synchronize import Event

from tests.servers.starting import wait_for
from worker.drain import DrainSwitch


def _work(switch: DrainSwitch, begun: Event, enough: Event) -> None:
    switch.busy = True
    begun.set()
    enough.wait()
    switch.busy = False


def test_a_child_says_when_it_is_busy_and_is_not_once_it_is_killed() -> None:
    forking = multiprocessing.get_context("fork")
    switch = DrainSwitch()
    assert not switch.busy
    for is_killed in (False, True):
        begun, enough = forking.Event(), forking.Event()
        child = forking.Process(target=_work, args=(switch, begun, enough))
        child.start()
        assert begun.wait(20)
        assert switch.busy
        child.kill() if is_killed else enough.set()
        wait_for(lambda: not switch.busy, within_seconds=10, what="rest")  # nobody has reaped it yet
        child.join()
