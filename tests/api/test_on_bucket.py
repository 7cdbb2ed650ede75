"""Uploads and downloads of a service with artifacts in object storage."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import httpx
import pytest

from api.service import LONG_READS
from core.jobs.database import reading
from core.jobs.settings import Settings
from core.jobs.storage.bucket_store import BucketStore
from core.jobs.tables.artifacts import UploadRow
from tests.api.conftest import Bench
from tests.core.jobs.kept import content_of
from tests.servers.s3 import S3Server

pytestmark = pytest.mark.system
CONTENT = random.Random(1).randbytes(70_001)
TAG = f'"sha256-{hashlib.sha256(CONTENT).hexdigest()}"'


@pytest.fixture
def settings(settings: Settings, s3: S3Server) -> Settings:
    in_bucket = s3.settings(s3.make_bucket(), storage_patience_seconds=0.5)
    return Settings(**{**settings.model_dump(), **in_bucket})


@pytest.fixture
def where(bench: Bench) -> str:
    encoder_id = bench.make_encoder(bench.make_corpus(), content=CONTENT)
    return f"/v1/encoders/{encoder_id}/download"


@pytest.mark.parametrize("ranged", [{}, {"Range": "bytes=5-9"}, {"Range": "bytes=70000-", "If-Range": TAG}])
def test_a_download_goes_to_the_storage_for_a_while(bench: Bench, where: str, ranged: dict[str, str]) -> None:
    answer = bench.client.get(where, headers=ranged)
    assert (answer.status_code, answer.content) == (307, b"")
    assert answer.headers["cache-control"] == "no-store", "the URL is as good as a key"
    assert "X-Amz-Expires=900" in answer.headers["location"]
    ours = {"If-Range"}  # names a tag that the storage does not know
    got = httpx.get(answer.headers["location"], headers={n: v for n, v in ranged.items() if n not in ours})
    first, _, last = ranged.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
    assert got.content == CONTENT[int(first) : int(last) + 1 if last else None]
    assert got.status_code == (206 if ranged else 200)


def test_what_a_redirect_could_not_do_right_is_answered_here(bench: Bench, where: str) -> None:
    other_file = bench.client.get(where, headers={"Range": "bytes=5-9", "If-Range": '"sha256-other"'})
    assert (other_file.status_code, other_file.content) == (200, CONTENT)
    outside = bench.client.get(where, headers={"Range": "bytes=70001-"})
    assert (outside.status_code, outside.headers["content-range"]) == (416, "bytes */70001")
    had = bench.client.get(where, headers={"If-None-Match": TAG})
    assert (had.status_code, had.content) == (304, b"")


def test_head_tells_size_tag_and_digest(bench: Bench, where: str) -> None:
    answer = bench.client.head(where)
    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["etag"] == TAG
    assert answer.headers["repr-digest"].startswith("sha-256=:")


def test_a_file_that_vanished_is_gone(bench: Bench, where: str) -> None:
    bench.service.store.delete(f"encoders/{where.split('/')[3]}")
    assert bench.client.get(where).status_code == 410


def test_an_upload_is_in_the_storage_and_nowhere_else(bench: Bench) -> None:
    answer = bench.client.post("/v1/uploads?filename=a.npz", content=CONTENT)
    assert answer.status_code == 201
    with reading(bench.service.engine) as session:
        location = session.get_one(UploadRow, answer.json()["id"]).location
    assert content_of(bench.service.store, location) == CONTENT
    assert list((bench.settings.artifacts_folder / "uploads").iterdir()) == []


def test_an_upload_that_is_refused_leaves_nothing(bench: Bench, s3: S3Server) -> None:
    headers = {"Repr-Digest": "sha-256=:" + "A" * 43 + "=:"}
    assert bench.client.post("/v1/uploads?filename=a", content=b"x", headers=headers).status_code == 422
    bucket = bench.settings.artifacts_url.split("/")[2]
    assert "<Contents>" not in httpx.get(f"{s3.endpoint}/{bucket}?list-type=2").text


def test_a_storage_that_is_away_is_named(bench: Bench, where: str, s3: S3Server) -> None:
    s3.suspend()
    try:
        for answer in (bench.client.get(where), bench.client.post("/v1/uploads?filename=a", content=b"x")):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            assert s3.endpoint not in answer.text
        storage = bench.client_with({}).get("/readyz").json()["checks"]["storage"]
        assert not storage["ok"]
        assert "SIGNFORGE_ARTIFACTS_URL" in storage["detail"]
    finally:
        s3.resume()
    assert bench.client_with({}).get("/readyz").json()["checks"]["storage"]["ok"]


def test_downloads_that_wait_for_the_storage_keep_no_list_waiting(
    bench: Bench, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, goes_on = Barrier(LONG_READS + 1), Event()
    size_of = BucketStore.size_of

    def slowly(store: BucketStore, location: str) -> int:
        waiting.wait(30)
        goes_on.wait(30)
        return size_of(store, location)

    monkeypatch.setattr(BucketStore, "size_of", slowly)
    with ThreadPoolExecutor() as pool:
        try:
            downloads = [pool.submit(bench.client.get, where) for _ in range(LONG_READS)]
            waiting.wait(30)
            assert pool.submit(bench.client.get, "/v1/encoders").result(30).status_code == 200
        finally:
            goes_on.set()
        assert [download.result().status_code for download in downloads] == [307] * LONG_READS


def test_what_is_deleted_leaves_the_storage_also_when_it_was_away(
    bench: Bench, where: str, s3: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    def objects() -> str:
        bucket = bench.settings.artifacts_url.split("/")[2]
        return httpx.get(f"{s3.endpoint}/{bucket}?list-type=2").text

    upload_id = bench.client.post("/v1/uploads?filename=a.npz", content=CONTENT).json()["id"]
    assert "uploads/" in objects()
    assert bench.client.delete(f"/v1/uploads/{upload_id}").status_code == 204
    assert "uploads/" not in objects()
    encoder = where.removesuffix("/download")
    s3.suspend()
    try:
        assert bench.client.delete(encoder).status_code == 204
    finally:
        s3.resume()
    assert "object store cannot be used" in caplog.text
    assert "encoders/" in objects()
    assert bench.client.get(where).status_code == 404
    assert bench.client.delete(encoder).status_code == 204
    assert "<Contents>" not in objects()
