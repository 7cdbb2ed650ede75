"""Turns of long reads: few at a time, and a burst of one owner does not delay another's."""

import anyio
from anyio.lowlevel import checkpoint

from api.bounds.fair_turns import FairTurns


def test_another_owner_waits_for_a_turn_and_not_for_a_burst() -> None:
    turns, begun, held = FairTurns(2), list[str](), set[int]()

    async def read(number: int, owner: str) -> None:
        async with turns.turn(owner):
            held.add(number)
            assert len(held) <= 2
            begun.append(owner)
            await checkpoint()
            held.remove(number)

    async def scene() -> None:
        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(read, number, "ada")
            group.start_soon(read, 50, "ben")
            group.start_soon(read, 51, "cleo")

    anyio.run(scene)
    assert begun.count("ada") == 50
    assert max(begun.index("ben"), begun.index("cleo")) < 6


def test_a_cancelled_wait_takes_no_turn_and_an_idle_owner_takes_no_memory() -> None:
    turns = FairTurns(1)

    async def scene() -> None:
        async with turns.turn("ada"):
            for owner in ("ada", "ben"):
                with anyio.move_on_after(0) as gave_up:
                    async with turns.turn(owner):
                        raise AssertionError(owner)
                assert gave_up.cancelled_caught
        async with turns.turn("ben"):
            assert list(turns._of_owner) == ["ben"]

    anyio.run(scene)
