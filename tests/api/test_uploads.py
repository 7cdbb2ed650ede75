"""Uploads: whole or not at all, verified against a digest, safe for any file name."""

import hashlib
from pathlib import Path

import pytest

from api.downloads import repr_digest
from core.jobs.database import reading
from core.jobs.tables.artifacts import UploadRow
from tests.api.conftest import Bench


def path_of(bench: Bench, upload_id: str) -> Path:
    with reading(bench.service.engine) as session:
        return bench.service.store.local_path(session.get_one(UploadRow, upload_id).location)


@pytest.mark.parametrize("size", [0, 1, 65_536, 99_999])
def test_what_arrives_is_what_was_sent(bench: Bench, size: int) -> None:
    content = bytes(index % 251 for index in range(size))
    digest = hashlib.sha256(content).hexdigest()
    headers = {"Repr-Digest": repr_digest(digest)}
    answer = bench.client.post("/v1/uploads?filename=a.npz", content=content, headers=headers)
    upload = answer.json()
    assert answer.status_code == 201
    assert (upload["size_bytes"], upload["sha256"], upload["filename"]) == (size, digest, "a.npz")
    assert bench.client.get(answer.headers["location"]).json() == upload
    assert path_of(bench, upload["id"]).read_bytes() == content


def test_what_differs_from_its_digest_is_refused_and_removed(bench: Bench) -> None:
    headers = {"Repr-Digest": repr_digest(hashlib.sha256(b"sent").hexdigest())}
    answer = bench.client.post("/v1/uploads?filename=a", content=b"damaged", headers=headers)
    assert answer.status_code == 422
    assert repr_digest(hashlib.sha256(b"damaged").hexdigest()) in answer.json()["detail"]
    assert list((bench.settings.artifacts_folder / "uploads").iterdir()) == []


@pytest.mark.parametrize("header", ["sha-256=abc", "sha-256=:YWJj:", "sha-512=:YWJj:", "sha-256=:=:"])
def test_a_digest_that_is_none_is_refused(bench: Bench, header: str) -> None:
    answer = bench.client.post("/v1/uploads?filename=a", content=b"x", headers={"Repr-Digest": header})
    assert answer.status_code == 422
    assert "base64 of 32 bytes" in answer.json()["detail"]


@pytest.mark.parametrize("filename", ["../../etc/passwd", "a/b\\c.npz", "..", "x" * 255, "ü \n.npz"])
def test_no_name_leaves_the_uploads(bench: Bench, filename: str) -> None:
    answer = bench.client.post("/v1/uploads", params={"filename": filename}, content=b"x")
    assert answer.status_code == 201
    assert answer.json()["filename"] == filename
    uploads = bench.settings.artifacts_folder / "uploads"
    assert path_of(bench, answer.json()["id"]).resolve().is_relative_to(uploads)


def test_a_name_is_needed(bench: Bench) -> None:
    assert bench.client.post("/v1/uploads?filename=a%00.npz", content=b"x").status_code == 422
    assert bench.client.post("/v1/uploads", content=b"x").json()["errors"][0]["pointer"] == "/filename"
