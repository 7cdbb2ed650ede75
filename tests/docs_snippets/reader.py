"""Someone who follows a page at a terminal: a home folder, in which the service of the pages may run."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from core.kernels.library import cache_folder

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Reader:
    """A reader's home folder and environment."""

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
        (folder / "examples").symlink_to(PROJECT / "examples")
        if (self.home / "recordings").is_dir():
            shutil.copytree(self.home / "recordings", folder / "recordings")
            shutil.copy(self.home / "my-encoder-v1.safetensors", folder)
        return folder
