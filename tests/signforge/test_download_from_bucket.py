"""Downloads redirected to object storage: no API key is sent there, and broken downloads resume."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import pytest
from sqlalchemy import Engine

from core.errors import EncoderError
from core.jobs.settings import Settings
from signforge.client import Client, ConnectionFailed
from tests.servers.s3 import S3Server
from tests.signforge.conftest import RunningApi, listening_api
from tests.signforge.cutting_proxy import CuttingProxy

pytestmark = pytest.mark.system
CONTENT = random.Random(1).randbytes(3_000_000)
UNHURT = 1_000_000_000


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> str:
    return s3.make_bucket()


@pytest.fixture(scope="module")
def storage(s3: S3Server) -> Iterator[CuttingProxy]:
    """The network between everybody and the object storage."""
    with CuttingProxy(s3.port, cuts=[]) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def listening(
    tmp_path_factory: pytest.TempPathFactory, s3: S3Server, bucket: str, storage: CuttingProxy
) -> Iterator[tuple[Settings, Engine, int]]:
    """An API whose artifacts are in object storage."""
    in_bucket = s3.settings(bucket, s3_endpoint=storage.url)
    with listening_api(Settings(data_folder=tmp_path_factory.mktemp("data"), port=0, **in_bucket)) as running:
        yield running


def test_a_download_from_storage_goes_on_where_it_broke_off_and_no_key_goes_there(
    api: RunningApi, make_encoder: Callable[[bytes], str], storage: CuttingProxy, tmp_path: Path
) -> None:
    encoder_id = make_encoder(CONTENT)
    storage.cut(UNHURT, 1_000_000, UNHURT, 700_000)  # the service looks before each redirect
    told: list[int] = []
    with Client(api.url, api.api_key, sleep=lambda seconds: None) as client:
        path = client.encoders.download(encoder_id, tmp_path, on_bytes=lambda done, total: told.append(done))
    assert storage.num_cuts_left == 0
    assert path.read_bytes() == CONTENT
    assert told == sorted(told), "no byte was fetched twice"
    heard = bytes(storage.heard).lower()
    assert (heard.count(b"get /"), heard.count(b"\r\nrange: bytes=")) == (3, 2)
    assert api.api_key.encode() not in heard
    assert b"bearer" not in heard
    assert b"if-range" not in heard


def test_a_finished_part_is_not_asked_of_the_storage(
    api: RunningApi, make_encoder: Callable[[bytes], str], storage: CuttingProxy, tmp_path: Path
) -> None:
    encoder_id = make_encoder(b"weights")
    with api.client() as client:
        sha256 = client.encoders.get(encoder_id).sha256
        (tmp_path / f"e.safetensors.{sha256[:12]}.part").write_bytes(b"weights")
        storage.cut()
        assert client.encoders.download(encoder_id, tmp_path / "e.safetensors").read_bytes() == b"weights"
    assert b"GET /" not in storage.heard


def test_what_the_storage_altered_is_thrown_away(
    api: RunningApi, make_encoder: Callable[[bytes], str], s3: S3Server, bucket: str, tmp_path: Path
) -> None:
    encoder_id = make_encoder(b"weights")
    obstore.put(s3.objects(bucket), f"encoders/{encoder_id}/encoder.safetensors", b"wrights")
    with api.client() as client, pytest.raises(EncoderError, match="sha256"):
        client.encoders.download(encoder_id, tmp_path)
    assert list(tmp_path.glob("*.safetensors*")) == []


def test_a_storage_that_the_client_cannot_reach_is_named(
    api: RunningApi, make_encoder: Callable[[bytes], str], storage: CuttingProxy, tmp_path: Path
) -> None:
    encoder_id = make_encoder(b"weights")
    storage.cut(*[UNHURT, 0] * 40)
    unreachable = pytest.raises(ConnectionFailed, match=r"object storage at 127.*REDIRECT_DOWNLOADS=false")
    with Client(api.url, api.api_key, sleep=lambda seconds: None) as client, unreachable:
        client.encoders.download(encoder_id, tmp_path)
    storage.cut()
