"""Downloads: ranges, resumed downloads and digests are exact."""

import base64
import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from api.downloads import content_disposition, parse_range
from core.jobs.settings import Settings
from tests.api.conftest import Bench
from tests.servers.s3 import S3Server

CONTENT = random.Random(1).randbytes(70_001)


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.system)])
def settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Artifacts in a folder, or in a bucket whose files the API passes on."""
    if request.param == "folder":
        return settings
    server: S3Server = request.getfixturevalue("s3")
    in_bucket = server.settings(server.make_bucket(), redirect_downloads=False)
    return Settings(**{**settings.model_dump(), **in_bucket})


@pytest.fixture
def where(bench: Bench) -> str:
    encoder_id = bench.make_encoder(bench.make_corpus(), name="my encoder, é", content=CONTENT)
    return f"/v1/encoders/{encoder_id}/download"


def test_the_whole_file_with_all_its_headers(bench: Bench, where: str) -> None:
    answer = bench.client.get(where)
    digest = hashlib.sha256(CONTENT).digest()
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["etag"] == f'"sha256-{digest.hex()}"'
    assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
    disposition = answer.headers["content-disposition"]
    assert 'filename="my_encoder_-v1.safetensors"' in disposition
    assert "filename*=UTF-8''my%20encoder%2C%20%C3%A9-v1.safetensors" in disposition


def test_head_says_the_same_without_the_file(bench: Bench, where: str) -> None:
    got, probed = bench.client.get(where), bench.client.head(where)
    assert (probed.status_code, probed.content) == (200, b"")
    ignored = {"x-request-id"}
    assert {k: v for k, v in probed.headers.items() if k not in ignored} == {
        k: v for k, v in got.headers.items() if k not in ignored
    }


def test_any_range_equals_the_slice(bench: Bench, where: str) -> None:
    draw = random.Random(2)
    for _ in range(40):
        first = draw.randrange(len(CONTENT))
        last = draw.randrange(first, len(CONTENT) + 1000)
        answer = bench.client.get(where, headers={"Range": f"bytes={first}-{last}"})
        stop = min(last + 1, len(CONTENT))
        assert (answer.status_code, answer.content) == (206, CONTENT[first:stop])
        assert answer.headers["content-range"] == f"bytes {first}-{stop - 1}/{len(CONTENT)}"
        assert answer.headers["content-length"] == str(stop - first)
    assert bench.client.get(where, headers={"Range": "bytes=-5"}).content == CONTENT[-5:]
    assert bench.client.get(where, headers={"Range": "bytes=70000-"}).content == CONTENT[-1:]


def test_a_resumed_download_is_the_file(bench: Bench, where: str) -> None:
    begun = bench.client.get(where, headers={"Range": "bytes=0-30000"})
    condition = {"Range": "bytes=30001-", "If-Range": begun.headers["etag"]}
    rest = bench.client.get(where, headers=condition)
    whole = begun.content + rest.content
    assert rest.status_code == 206
    assert f'"sha256-{hashlib.sha256(whole).hexdigest()}"' == rest.headers["etag"]


@pytest.mark.parametrize("condition", ['"sha256-other"', "Wed, 21 Oct 2015 07:28:00 GMT", 'W/"x"'])
def test_another_file_is_sent_whole_instead_of_mixed(bench: Bench, where: str, condition: str) -> None:
    answer = bench.client.get(where, headers={"Range": "bytes=5-9", "If-Range": condition})
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize("header", ["bytes=70001-", "bytes=90000-90001", "bytes=-0"])
def test_a_range_outside_the_file(bench: Bench, where: str, header: str) -> None:
    answer = bench.client.get(where, headers={"Range": header})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */70001"
    assert "70001 bytes" in answer.json()["detail"]


@pytest.mark.parametrize(
    "header", ["bytes=9-5", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5", "bytes"]
)
def test_a_range_that_is_none_is_ignored(bench: Bench, where: str, header: str) -> None:
    answer = bench.client.get(where, headers={"Range": header})
    assert (answer.status_code, answer.content) == (200, CONTENT)


def test_what_one_has_is_not_sent_again(bench: Bench, where: str) -> None:
    tag = bench.client.head(where).headers["etag"]
    answer = bench.client.get(where, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")


def test_a_file_that_vanished_is_gone(bench: Bench, where: str) -> None:
    encoder_id = where.split("/")[3]
    bench.service.store.delete(f"encoders/{encoder_id}")
    answer = bench.client.get(where)
    assert answer.status_code == 410
    assert str(bench.settings.artifacts_folder) not in answer.text


@property_settings(deadline=None, max_examples=300)
@given(length=st.integers(0, 50), first=st.integers(0, 60) | st.none(), last=st.integers(0, 60) | st.none())
def test_ranges_mean_what_the_standard_says(length: int, first: int | None, last: int | None) -> None:
    content = bytes(range(length))
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    parsed = parse_range(header, length)
    if first is None and last is None:
        assert parsed is None
    elif first is None:
        assert last is not None
        expected = content[len(content) - min(last, length) :]
        assert parsed is not None
        assert bytes(content[i] for i in parsed) == expected
    elif last is not None and last < first:
        assert parsed is None
    else:
        assert parsed is not None
        assert bytes(content[i] for i in parsed) == content[first : None if last is None else last + 1]


@property_settings(deadline=None, max_examples=300)
@given(st.text(max_size=40))
def test_no_header_breaks_the_parser(header: str) -> None:
    parsed = parse_range(header, 10)
    assert parsed is None or (parsed.start >= 0 and parsed.stop <= 10)


@given(st.text(min_size=1, max_size=60))
def test_no_name_breaks_the_header(filename: str) -> None:
    header = content_disposition(filename)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
