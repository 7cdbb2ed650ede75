"""Files of a source are opened below the folder to which a process is confined, and nowhere else."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import source_files
from core.source_files import (
    Confinement,
    LeadsOut,
    check_source,
    confined,
    is_source_file,
    open_source,
    open_source_raw,
    open_source_text,
    pinned,
    read_source,
)

REPOSITORY = Path(__file__).resolve().parents[2]
OPENERS = frozenset({"open", "read_bytes", "read_text", "is_zipfile", "is_tarfile", "FileIO", "load"})
"""Calls that open a path by themselves."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "clips").mkdir(parents=True)
    (root / "clips" / "a.json").write_text("inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.json").write_text("secret")
    return root


@pytest.fixture(params=["openat2", "walk"])
def below_root(request: pytest.FixtureRequest, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The root, to which this process is confined, by either way to open a file."""
    if request.param == "walk":

        def unknown(folder: int, relative: Path) -> int:
            raise NotImplementedError

        monkeypatch.setattr(source_files, "_openat2", unknown)
    with confined(Confinement(root, own=(root.parent / "out",))):
        yield root


def test_files_below_the_root_are_read(below_root: Path) -> None:
    path = below_root / "clips" / "a.json"
    assert read_source(path) == b"inside"
    assert is_source_file(path)
    with open_source_text(path, encoding="utf-8") as stream:
        assert stream.read() == "inside"
    with open_source_raw(path) as raw:
        assert raw.read() == b"inside"
    with pytest.raises(FileNotFoundError):
        read_source(below_root / "none.json")
    assert not is_source_file(below_root / "clips")


@pytest.mark.parametrize("target", ["../../outside/secret.json", "{outside}/secret.json"])
def test_a_link_out_of_the_root_is_not_followed(below_root: Path, target: str) -> None:
    link = below_root / "clips" / "b.json"
    link.symlink_to(target.format(outside=below_root.parent / "outside"))
    assert not is_source_file(link)
    with pytest.raises(LeadsOut, match="it leads out of"):
        open_source(link)


def test_a_folder_in_the_way_may_not_lead_out(below_root: Path) -> None:
    (below_root / "more").symlink_to("../outside")
    for path in (below_root / "more" / "secret.json", below_root / "clips/../../outside/secret.json"):
        with pytest.raises(LeadsOut):
            read_source(path)
    with pytest.raises(LeadsOut):
        check_source(below_root / "more")


@pytest.mark.parametrize("target", ["clips/a.json", "{root}/clips/a.json"])
def test_a_link_that_stays_below_the_root_is_followed(below_root: Path, target: str) -> None:
    (below_root / "c.json").symlink_to(target.format(root=below_root))
    (below_root / "same").symlink_to("clips")
    assert read_source(below_root / "c.json") == b"inside"
    assert read_source(below_root / "same" / "a.json") == b"inside"


def test_other_paths_are_refused_except_our_own(below_root: Path) -> None:
    """A table of a corpus may name any path."""
    with pytest.raises(LeadsOut):
        read_source(below_root.parent / "outside" / "secret.json")
    own = below_root.parent / "out" / "unpacked.json"
    own.parent.mkdir()
    own.write_text("ours")
    assert read_source(own) == b"ours"
    with pytest.raises(LeadsOut):
        read_source(own.parent / ".." / "outside" / "secret.json")


def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(below_root: Path) -> None:
    os.mkfifo(below_root / "pipe.json")
    assert not is_source_file(below_root / "pipe.json")
    with pytest.raises(OSError, match="not a regular file"):
        read_source(below_root / "pipe.json")


def test_a_pinned_file_stays_what_it_was(below_root: Path) -> None:
    path = below_root / "clips" / "a.json"
    with pinned(path) as opened:
        path.unlink()
        path.symlink_to("../../outside/secret.json")
        assert opened.read_text() == "inside"


def test_without_confinement_links_are_followed(root: Path) -> None:
    (root / "b.json").symlink_to("../outside/secret.json")
    assert read_source(root / "b.json") == b"secret"


def test_every_reader_opens_its_files_here() -> None:
    """Or one of them would follow a link that the others refuse."""
    readers = [*REPOSITORY.glob("core/corpora/readers/**/*.py"), REPOSITORY / "core/corpora/source_digest.py"]
    found = [
        f"{file.relative_to(REPOSITORY)}:{call.lineno}"
        for file in [*readers, REPOSITORY / "core/file_kinds.py"]
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in OPENERS
        and not _is_harmless(call)
    ]
    assert len(readers) > 30
    assert found == []


def _is_harmless(call: ast.Call) -> bool:
    """Whether a call opens a member of an archive, or a file to write."""
    text = ast.unparse(call)
    return text in ALLOWED


ALLOWED = frozenset(
    {
        "self._archive.open(f'{name}.npy')",
        "archive.open(member)",
        "target.open('xb')",
        "zipfile.is_zipfile(stream)",
    }
)
