"""What a file seems to be."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from core.file_kinds import kind_of, seems_to_be


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (b"hello\n", "text"),
        ("ö".encode() * 300, "text"),
        (b"a" + "ö".encode() * 300, "text"),
        (b'{"kind": "pretrain"}', "JSON"),
        (b'{"kind": "' + b"x" * 600, "JSON"),
        (b"{not json}", "text"),
        (b"<!DOCTYPE html><html>", "a web page (HTML)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"PK\x03\x04" + bytes(30), "a zip archive"),
        (b"\x00\x00\x00\x18ftypmp42", "a video (MP4)"),
        (save({"a": np.zeros(3)}), "a safetensors file"),
        (pickle.dumps([1]), "a pickle"),
        (bytes(range(256)), "binary data of an unknown kind"),
        (b"\x80", "binary data of an unknown kind"),
    ],
)
def test_the_kind_is_told_by_the_first_bytes(content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    assert seems_to_be(tmp_path / "file").startswith(kind)
    assert kind_of(content[:512]).startswith(kind)


def test_folders_and_missing_files_are_told(tmp_path: Path) -> None:
    assert seems_to_be(tmp_path) == "a folder"
    assert seems_to_be(tmp_path / "none") == "unreadable (No such file or directory)"
