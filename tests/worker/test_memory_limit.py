"""An import that takes too much memory fails one job, and says why; the worker and the machine go on."""

import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.program.memory_limit import SMALLEST_LIMIT
from core.specs.import_jobs import ImportSpec
from tests.core.corpora.readers import written
from tests.core.corpora.readers.conftest import coco_keypoints
from tests.servers.folders import short_folder
from tests.servers.service import Service

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a program's memory"),
]
IMPORT = "core.corpora.importing"


def large_pickle(path: Path, num_bytes: int) -> Path:
    """Bytes of zeros, which take no room on disk."""
    start = b"\x80\x04\x8e" + struct.pack("<Q", num_bytes)
    with path.open("wb") as stream:
        stream.write(start)
        stream.seek(num_bytes, os.SEEK_CUR)
        stream.write(b".")
    return path


@pytest.fixture(params=["true", "false"], ids=["warm", "fresh"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    changes = {
        "SIGNFORGE_WARM_START": request.param,
        "SIGNFORGE_IMPORT_MEMORY_BYTES": str(SMALLEST_LIMIT),
        "SIGNFORGE_CORPUS_ROOTS": str(tmp_path),
        "SIGNFORGE_STALL_SECONDS": "60",  # loading torch is silent, and slow on a busy machine
    }
    with short_folder() as folder, Service(folder, **changes) as made:
        _ = made.broker
        made.start_module("worker.reconciler")
        made.start_module("worker.main")
        yield made


def test_it_fails_one_job(service: Service, tmp_path: Path) -> None:
    large = large_pickle(tmp_path / "large.pkl", SMALLEST_LIMIT + 2**28)
    small = written.write_pose(tmp_path / "small.pose", coco_keypoints(5))
    starved = service.submit_spec(ImportSpec(name="large", source=str(large)))
    row = service.wait_for_state(starved, "failed", within_seconds=90)
    assert (row.attempt, row.status_reason) == (1, "out_of_memory")
    assert f"at most {SMALLEST_LIMIT} bytes. Split the file up, or raise" in str(row.status_message)
    done = service.submit_spec(ImportSpec(name="small", source=str(small)))
    assert service.wait_for_state(done, "succeeded", within_seconds=90).attempt == 1
    service.wait_for_no_process(IMPORT)
