"""URLs from outside: what is taken, and what is refused without being shown."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.jobs.urls import check_broker_url, check_bucket_url, check_database_url, check_http_url

EXAMPLE = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////srv/a%20b/x.db",
        "sqlite:///x.db",
        "postgresql://h/d",
        "postgresql+psycopg://ada:love%40lace@[::1]:5432/d?sslmode=require",
    ],
)
def test_databases_are_taken(url: str) -> None:
    check_database_url(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "not a database URL"),
        ("mysql://h/d", "mysql is not supported"),
        ("postgresql+asyncpg://h/d", "not supported"),
        ("postgresql://ada:p@ss@h/d", "@ in it"),
        ("postgresql://h:port/d", "not a database URL"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_databases_are_refused(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_database_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:6379/0",
        "rediss://:p%23w@h",
        "redis+socket:///run/valkey.sock",
        "redis+socket:///run/valkey.sock?virtual_host=1",
        "amqp://ada:lace@h//",
        "amqps://h",
        "sentinel://a:26379;sentinel://b:26379",
    ],
)
def test_brokers_are_taken(url: str) -> None:
    check_broker_url(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("pigeon://loft", "does not begin with amqp://"),
        ("redis:6379", "does not begin with"),
        ("AMQP://h", "does not begin with"),
        ("Redis+Socket:///run/x.sock", "does not begin with"),
        ("redis://h:port", "port cannot be read"),
        ("redis://h:70000", "port cannot be read"),
        ("redis://h/one", "not a number"),
        ("redis+socket://run/x.sock", "no absolute path"),
        ("redis+socket:///", "no absolute path"),
        ("amqp://h/a#b", "#"),
        ("amqp://a;pigeon://b", "does not begin with"),
        ("amqp://h\n", "line break"),
    ],
)
def test_brokers_are_refused(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_broker_url(url)


def test_buckets_are_taken_apart() -> None:
    assert check_bucket_url("s3://my.bucket-1") == ("my.bucket-1", "")
    assert check_bucket_url("s3://b/a prefix/é/") == ("b", "a prefix/é")


@pytest.mark.parametrize(
    "url", ["s3:/b", "http://b", "s3://", "s3://b?x", "s3://b/a#b", "s3://b/%41", "s3://b/../c"]
)
def test_buckets_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        check_bucket_url(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:80", "does not begin with"),
        ("http://", "names no host"),
        ("http://[::1", "cannot be read"),
        ("http://h:99999", "cannot be read"),
        ("http://a..b", "cannot be read"),
        ("http://h/?x=1", "query"),
        ("http://h/#x", "fragment"),
        ("http://ada:lace@h", "password"),
        ("http://h\tx", "control character"),
    ],
)
def test_addresses_are_refused(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_http_url(url, example=EXAMPLE)


CHECKS: list[Callable[[str], object]] = [
    check_broker_url,
    check_bucket_url,
    check_database_url,
    lambda url: check_http_url(url, example=EXAMPLE),
]


@pytest.mark.parametrize("check", CHECKS)
@given(url=st.text() | st.from_regex(r"(redis|amqp|http|s3|postgresql)://[^a]*", fullmatch=True))
def test_a_check_passes_or_says_what_is_wrong(check: Callable[[str], object], url: str) -> None:
    try:
        check(url)
    except ValueError as error:
        assert str(error).startswith("it") or "is not supported" in str(error)  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
