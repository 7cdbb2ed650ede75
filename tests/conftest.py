"""What every test may ask for."""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import jaxtyping
import pytest

from core.errors import KernelError
from tests.servers.s3 import S3Server, s3_server

if TYPE_CHECKING:
    from core.kernels.library import NativeLibrary

os.environ.setdefault("OMP_NUM_THREADS", "1")  # test networks are tiny: more threads only wait for each other

hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("untimed")

TESTS = Path(__file__).parent
SHAPES_CHECKED_IN = {
    ("core", name) for name in ("augment", "contrast", "encoders", "kernels", "losses", "pose", "search")
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mix the files, always in the same way: tests that wait then run beside tests that compute."""
    items.sort(key=lambda item: zlib.crc32(item.nodeid.partition("::")[0].encode()))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Check the shapes of tensors where a layer is tested; whole trainings would take five times as long."""
    folder = item.path.relative_to(TESTS).parts[:2]
    is_checked = folder in SHAPES_CHECKED_IN or item.get_closest_marker("shapes") is not None
    jaxtyping.config.update("jaxtyping_disable", not is_checked)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of golden values, real signers and real files; the test skips where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}")
    return folder


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A real S3 server; it ends with the test session."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def native() -> "NativeLibrary":
    """The compiled kernels; the test skips where there is no compiler to make them."""
    from core.kernels.library import native_library  # tests of the service run without torch

    try:
        return native_library()
    except KernelError as error:
        pytest.skip(str(error))
