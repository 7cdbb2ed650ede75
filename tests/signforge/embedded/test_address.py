"""The file with the service's address: a client that waits for it sees all of it or nothing."""

import threading
from pathlib import Path

from core.jobs.settings import Settings
from signforge.embedded.service import _write_address


def test_the_address_is_never_seen_empty(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_folder": str(tmp_path)})
    path, seen, over = tmp_path / "address", set[str](), threading.Event()

    def look() -> None:
        while not over.is_set():
            if path.exists():
                seen.add(path.read_text())

    _write_address(settings, "http://127.0.0.1:1")
    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(2000):
        _write_address(settings, "http://127.0.0.1:1")
    over.set()
    reader.join()
    assert seen == {"http://127.0.0.1:1\n"}
    assert list(tmp_path.iterdir()) == [path]
