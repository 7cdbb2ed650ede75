"""A service as the pages find it: running, with a corpus `my-signs` and an encoder `my-encoder` in it."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.kernels.library import cache_folder
from tests.docs_snippets.session import Session
from tests.system.running_service import RunningService

PROJECT = Path(__file__).resolve().parents[2]

_PREPARE = """
signforge synthetic recordings
signforge corpora add recordings --name my-signs --split-by signer --test signer-03
signforge submit pretrain --corpus my-signs --recipe smoke --name my-encoder --watch \\
    --set run.batch_size=20 --set run.num_epochs=2 --set run.monitor_every_steps=3
signforge download my-encoder
"""


@dataclass(frozen=True)
class Reader:
    """Someone at a terminal: a home folder, in which the service of the pages may run."""

    home: Path

    @property
    def data_folder(self) -> Path:
        """Where `signforge up` keeps its data, and commands look for its address and API key."""
        return self.home / ".local" / "share" / "signforge"

    @property
    def environment(self) -> dict[str, str]:
        """The commands of this installation first, and no settings but the kernels that are built already."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("SIGNFORGE_", "XDG_"))
        }
        return {
            **kept,
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
            "PROJECT": str(PROJECT),
            "SIGNFORGE_CACHE_FOLDER": str(cache_folder()),
            "SIGNFORGE_PORT": "0",
            "TERM": "dumb",
        }

    def folder_for(self, page: Path) -> Path:
        """A folder of the page's own, with the recordings and the encoder in it if they were made."""
        folder = self.home / page.stem
        folder.mkdir()
        if (self.home / "recordings").is_dir():
            shutil.copytree(self.home / "recordings", folder / "recordings")
            shutil.copy(self.home / "my-encoder-v1.safetensors", folder)
        return folder


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A reader who has nothing yet."""
    return Reader(tmp_path)


@pytest.fixture(scope="session")
def prepared_reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader who has done the tutorial: the service runs, and holds a corpus and an encoder."""
    reader = Reader(tmp_path_factory.mktemp("reader"))
    with RunningService(reader.data_folder, webhook_private_targets="1"):
        shell = Session("sh", reader.home, reader.environment)
        try:
            shell.run(_PREPARE)
            yield reader
        finally:
            shell.close()
