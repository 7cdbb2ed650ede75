"""Faults of object storage: outages, hangs, lost and changed objects. Damaged data is never used."""

import json
import os
import random
from pathlib import Path

import httpx
import obstore
import pytest
from obstore.store import S3Store

from core.errors import ArtifactError, CheckpointError, StorageAway
from core.jobs.settings import Settings
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.manifests import FileDigest
from core.jobs.storage.stores import open_store
from tests.core.jobs.kept import bucket_store, content_of, make_checkpoint
from tests.servers.s3 import ACCESS_KEY_ID, REGION, SECRET, S3Server
from tests.signforge.cutting_proxy import CuttingProxy

pytestmark = pytest.mark.system
LOCATION = "jobs/job_1/attempt_1/checkpoints/step_00000005"


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.make_bucket()


@pytest.fixture
def store(s3: S3Server, bucket: str, tmp_path: Path) -> ArtifactStore:
    return bucket_store(s3, bucket, tmp_path / "here")


@pytest.fixture
def elsewhere(s3: S3Server, bucket: str, tmp_path: Path) -> ArtifactStore:
    """The store as a host sees it that has nothing fetched yet."""
    return bucket_store(s3, bucket, tmp_path / "elsewhere")


@pytest.fixture
def objects(s3: S3Server, bucket: str) -> S3Store:
    """What is in the bucket, to tamper with."""
    return s3.objects(bucket)


def test_a_large_file_goes_in_parts_and_comes_back_whole(
    objects: S3Store, store: ArtifactStore, elsewhere: ArtifactStore
) -> None:
    content = random.Random(1).randbytes(20_000_001)
    received = store.receive([content], len(content), filename="clips.npz")
    tag = str(obstore.head(objects, received.location)["e_tag"])
    assert tag.endswith('-3"'), "S3's mark of an object that came in three parts"
    assert list((store.folder / "uploads").iterdir()) == []
    promised = FileDigest(received.size_bytes, received.sha256)
    assert elsewhere.fetch_file(received.location, promised).read_bytes() == content


def test_what_is_whole_is_not_fetched_again(
    objects: S3Store, store: ArtifactStore, elsewhere: ArtifactStore
) -> None:
    received = store.receive([b"content"], 10)
    promised = FileDigest(received.size_bytes, received.sha256)
    path = elsewhere.fetch_file(received.location, promised)
    before = path.stat().st_ino
    obstore.delete(objects, received.location)
    assert elsewhere.fetch_file(received.location, promised).stat().st_ino == before
    path.write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match="nothing"):
        elsewhere.fetch_file(received.location, promised)


@pytest.mark.parametrize("content", [b"wwww", b"wwwwW", b"wwwww!", b""])
def test_an_object_that_was_truncated_or_altered_is_refused(
    objects: S3Store, store: ArtifactStore, elsewhere: ArtifactStore, content: bytes
) -> None:
    store.commit_checkpoint(make_checkpoint(store, 5)).result(20)
    obstore.put(objects, f"{LOCATION}/weights", content)
    with pytest.raises(ArtifactError, match="weights"):
        elsewhere.fetch_folder(LOCATION)
    assert not (elsewhere.local_path(LOCATION) / "weights").exists()
    assert not (elsewhere.local_path(LOCATION) / "manifest.json").exists()


def test_a_manifest_that_lies_is_refused_by_whoever_knows_better(
    s3: S3Server, bucket: str, store: ArtifactStore, elsewhere: ArtifactStore
) -> None:
    folder = make_checkpoint(store, 5)
    known = {"weights": FileDigest.of(folder / "weights")}
    (folder / "weights").write_bytes(b"WWWWW")
    other = FileDigest.of(folder / "weights")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["weights"] = {"bytes": other.size_bytes, "sha256": other.sha256}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    store.commit_checkpoint(folder).result(20)
    with pytest.raises(ArtifactError, match="digest"):
        elsewhere.fetch_folder(LOCATION, known)


def test_a_manifest_does_not_reach_outside_its_folder(objects: S3Store, elsewhere: ArtifactStore) -> None:
    files = {"../../../stolen": {"bytes": 0, "sha256": "0" * 64}}
    manifest = json.dumps({"step": 5, "files": files})
    obstore.put(objects, f"{LOCATION}/manifest.json", manifest.encode())
    with pytest.raises(ArtifactError, match="outside"):
        elsewhere.fetch_folder(LOCATION)


def test_a_commit_that_broke_off_before_its_manifest_is_nothing(
    objects: S3Store, store: ArtifactStore, elsewhere: ArtifactStore
) -> None:
    folder = make_checkpoint(store, 5)
    for name in ("weights", "queues"):
        content = (folder / name).read_bytes()
        obstore.put(objects, f"{LOCATION}/{name}", content)
    assert elsewhere.checkpoints_of("job_1") == [LOCATION]
    with pytest.raises(CheckpointError):
        elsewhere.checkpoint_manifest(LOCATION)
    with pytest.raises(ArtifactError):
        elsewhere.fetch_folder(LOCATION)


def test_a_file_that_is_missing_or_short_is_noticed_without_fetching(
    objects: S3Store, store: ArtifactStore, elsewhere: ArtifactStore
) -> None:
    store.commit_checkpoint(make_checkpoint(store, 5)).result(20)
    obstore.put(objects, f"{LOCATION}/weights", b"w")
    with pytest.raises(CheckpointError, match="1 bytes instead of 5"):
        elsewhere.checkpoint_manifest(LOCATION)
    obstore.delete(objects, f"{LOCATION}/weights")
    with pytest.raises(CheckpointError, match="weights"):
        elsewhere.checkpoint_manifest(LOCATION)


def test_a_program_may_delete_its_checkpoint_while_it_is_stored(
    s3: S3Server, store: ArtifactStore, elsewhere: ArtifactStore
) -> None:
    folder = make_checkpoint(store, 5)
    s3.suspend()
    try:
        arriving = store.commit_checkpoint(folder)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    finally:
        s3.resume()
    arriving.result(20)
    assert content_of(elsewhere, f"{LOCATION}/weights") == b"wwwww"
    assert list(folder.parent.iterdir()) == []


def test_connections_that_break_are_tried_again(s3: S3Server, bucket: str, tmp_path: Path) -> None:
    with CuttingProxy(s3.port, cuts=[0, 0, 0]) as proxy:
        store = bucket_store(s3, bucket, tmp_path, s3_endpoint=proxy.url, storage_patience_seconds=20)
        received = store.receive([b"content"], 10)
        assert proxy.num_connections >= 4
        assert content_of(store, received.location) == b"content"


def test_a_store_that_is_away_says_so_in_time_and_shows_no_secret(
    s3: S3Server, bucket: str, tmp_path: Path
) -> None:
    with CuttingProxy(s3.port, cuts=[]) as proxy:
        gone = proxy.url
    store = bucket_store(s3, bucket, tmp_path, s3_endpoint=gone, storage_patience_seconds=0.5)
    folder = make_checkpoint(store, 5)
    attempts = [
        lambda: store.receive([b"x"], 10),
        lambda: store.fetch_folder(LOCATION),
        lambda: store.size_of(LOCATION),
        lambda: store.delete(LOCATION),
        lambda: store.checkpoints_of("job_1"),
        lambda: store.checkpoint_manifest(LOCATION),
        lambda: store.commit(folder, LOCATION),
        lambda: store.commit_checkpoint(folder).result(20),
        store.check_writable,
    ]
    make_again = lambda: folder.is_dir() or make_checkpoint(store, 5)  # noqa: E731 - `delete` takes it away
    for attempt in attempts:
        make_again()
        with pytest.raises(StorageAway, match="SIGNFORGE_ARTIFACTS_URL") as away:
            attempt()
        assert SECRET not in str(away.value)
        assert "\n" not in str(away.value)
    store.delete_later([LOCATION]).result(20)  # garbage is left, and the caller has nothing to do


def test_a_bucket_that_is_not_there_is_an_outage_and_no_missing_file(s3: S3Server, tmp_path: Path) -> None:
    store = bucket_store(s3, "no-such-bucket", tmp_path)
    with pytest.raises(StorageAway, match="no-such-bucket"):
        store.receive([b"x"], 10)
    with pytest.raises(StorageAway):
        store.check_writable()


def test_the_secret_is_never_printed(s3: S3Server, bucket: str) -> None:
    settings = Settings(**s3.settings(bucket))
    assert settings.s3_secret_access_key.get_secret_value() == SECRET
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert SECRET not in text


def test_amazons_own_variables_do_as_well(
    s3: S3Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }.items():
        monkeypatch.setenv(name, f"{value}\n")  # as a mounted secret gives it
    monkeypatch.setenv("SIGNFORGE_S3_REGION", "")
    store = open_store(Settings(artifacts=tmp_path, artifacts_url=f"s3://{bucket}"))
    store.check_writable()
    url = store.signed_url("encoders/enc_1/encoder.safetensors")
    assert url is not None
    assert url.startswith(f"{s3.endpoint}/{bucket}/encoders/enc_1/encoder.safetensors?")
    assert ACCESS_KEY_ID in url
    assert SECRET not in url


def test_a_prefix_is_kept_as_it_is(s3: S3Server, bucket: str, tmp_path: Path) -> None:
    settings = Settings(
        artifacts=tmp_path, **{**s3.settings(bucket), "artifacts_url": f"s3://{bucket}/a b/+é/"}
    )
    (tmp_path / "x").write_bytes(b"x")
    open_store(settings).commit(tmp_path / "x", "uploads/x")
    assert obstore.get(s3.objects(bucket, prefix=None), "a b/+é/uploads/x").bytes() == b"x"


def test_a_writable_store_leaves_no_probe(s3: S3Server, bucket: str, store: ArtifactStore) -> None:
    store.check_writable()
    assert os.listdir(store.folder) == []
    assert "<Contents>" not in httpx.get(f"{s3.endpoint}/{bucket}?list-type=2").text
