"""What every test may ask for."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # test networks are tiny: more threads only wait for each other


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of golden values, real signers and real files; the test skips where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}")
    return folder
