"""Changed files and bombs: each reader returns or refuses them in one sentence, in bounded memory and time.

The time of all readers together comes from `budget.py`.
"""

import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given, seed

from core.errors import UserError
from tests.core.corpora.readers.bombs import BOMBS, Bomb
from tests.fuzz.budget import fuzzing, rounds
from tests.fuzz.mutations import mutated
from tests.fuzz.readers import READERS, Reader, import_source
from tests.memory import MIB, memory_within

pytestmark = pytest.mark.slow

MEMORY = 700 * MIB
CPU_SECONDS = 60.0
"""Of this process, for one file: far more than any of them needs, and far less than for ever."""
LONGEST_MESSAGE = 2000
EXAMPLES_A_ROUND = 25


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_valid_file_is_read(tmp_path: Path, reader: Reader) -> None:
    """Else a fuzzer would only test the first check."""
    for number, content in enumerate(reader.seeds(tmp_path)):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert bounded(reader, folder, content) is None


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_changed_files(tmp_path: Path, reader: Reader) -> None:
    seeds = reader.seeds(tmp_path)
    folder = tmp_path / "fuzz"
    for first in rounds(parts=len(READERS)):

        @seed(first)
        @fuzzing(EXAMPLES_A_ROUND)
        @given(content=mutated(seeds))
        def one_round(content: bytes) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            bounded(reader, folder, content)

        one_round()


@pytest.mark.parametrize("megabytes", [16, 100])
@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_bombs_of_many_sizes(tmp_path: Path, bomb: Bomb, megabytes: int) -> None:
    bounded(
        Reader("bomb", import_source, lambda folder, _: bomb(folder, megabytes), lambda _: []), tmp_path, b""
    )


def bounded(reader: Reader, folder: Path, content: bytes) -> str | None:
    """Read a file; returns the sentence that refuses it, None if it is read."""
    path = reader.write(folder, content)
    before = time.process_time()
    refusal = None
    with memory_within(MEMORY):
        try:
            reader.read(path)
        except UserError as error:
            refusal = str(error)
    assert time.process_time() - before < CPU_SECONDS
    assert refusal is None or 0 < len(refusal) < LONGEST_MESSAGE, refusal
    return refusal
