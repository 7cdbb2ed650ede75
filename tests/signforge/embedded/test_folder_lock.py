"""A data folder has one service; a second one fails and names the process of the first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import StorageError
from signforge.client.errors import ServiceError
from signforge.embedded.folder_lock import folder_lock

HOLDS = """if True:
    import sys, time
    from pathlib import Path
    from signforge.embedded.folder_lock import folder_lock
    with folder_lock(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(600)
"""


def test_a_second_service_is_refused_by_the_name_of_the_first_until_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    command = [sys.executable, "-c", HOLDS, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for _ in range(2):
            with pytest.raises(ServiceError, match=rf"process {holder.pid}\) already runs.*--data"):
                folder_lock(folder).__enter__()
        holder.kill()
        holder.wait()
    with folder_lock(folder):
        assert (folder / "lock").read_text() == f"{os.getpid()}\n"
        assert (folder / "lock").stat().st_mode & 0o777 == 0o600
    with folder_lock(folder):
        pass


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"data folder .*/file: .*/file is a file, not a folder.*--data"):
        folder_lock(tmp_path / "file").__enter__()
    with pytest.raises(StorageError, match=r"file/data: .*/file is a file, not a folder.*--data"):
        folder_lock(tmp_path / "file" / "data").__enter__()
