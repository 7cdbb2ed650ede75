"""Settings from the environment: stripped, checked, named in messages; paths become URLs without loss."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kombu.connection import Connection
from kombu.utils.url import url_to_parts
from pydantic import ValidationError
from sqlalchemy import make_url

from core.errors import UserError
from core.jobs.settings import Settings, read_settings
from core.specs.fields import MAX_DURATION_DAYS, MAX_DURATION_SECONDS

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=60)
PATHS = st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=4).map(
    lambda names: Path("/", *names)
)
ODD = Path('/a #1?%25;b=c&"\\ [x]:@é\n\u2028')
SECRETS = st.text("bcdfghjkmnpq", min_size=12, max_size=20)


@given(PATHS)
@example(ODD)
def test_any_folder_becomes_a_database_url_and_back(folder: Path) -> None:
    url = make_url(Settings(data_folder=folder).resolved_database_url)
    assert url.database == str(folder / "signforge.db")
    assert not url.query


@given(PATHS)
@example(ODD)
def test_any_folder_becomes_a_broker_url_and_back(folder: Path) -> None:
    settings = Settings(data_folder=folder)
    with Connection(settings.resolved_broker_url) as connection:
        assert connection.alt == []
        parts = url_to_parts(connection.hostname)  # as kombu's Redis transport does
    assert (parts.scheme, f"/{parts.path}", parts.query) == ("socket", str(settings.broker_socket), {})
    assert len(os.fsencode(settings.broker_socket)) <= 107


@given(PATHS)
@example(Path("/ends in a space "))
@example(Path("/ends in a line break\n"))
def test_any_folder_can_be_given_by_the_environment(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNFORGE_DATA_FOLDER", os.path.join(folder, ""))
        assert Settings().data_folder == folder


@pytest.mark.parametrize("name", ["SIGNFORGE_DATA_FOLDER", "SIGNFORGE_ARTIFACTS", "SIGNFORGE_CORPUS_ROOTS"])
def test_a_folder_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/tmp/\udcff")
    with pytest.raises(UserError, match=f"{name}: .*not UTF-8"):
        read_settings()


def test_values_are_stripped_and_empty_ones_are_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNFORGE_PORT", " 80\n")
    monkeypatch.setenv("SIGNFORGE_DATABASE_URL", "postgresql://h/d\n")
    monkeypatch.setenv("SIGNFORGE_S3_SECRET_ACCESS_KEY", "key\n")
    monkeypatch.setenv("SIGNFORGE_REDIRECT_DOWNLOADS", "false\n")
    monkeypatch.setenv("SIGNFORGE_CORPUS_ROOTS", " /a : :/b\n")
    monkeypatch.setenv("SIGNFORGE_MAX_RUNNING_PER_OWNER", " ")
    monkeypatch.setenv("SIGNFORGE_BROKER_URL", "\n")
    monkeypatch.setenv("SIGNFORGE_HOST", "")
    found = read_settings()
    assert (found.port, found.database_url, found.redirect_downloads) == (80, "postgresql://h/d", False)
    assert found.s3_secret_access_key.get_secret_value() == "key"
    assert found.corpus_roots == (Path("/a"), Path("/b"))
    assert (found.max_running_per_owner, found.broker_url, found.host) == (None, "", "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "x", r"a whole number \(got 'x'\)\.$"),
        ("WARM_START", "maybe", r"true or false \(got 'maybe'\)\.$"),
        ("HOST", "a b", "not a host name"),
        ("HOST", "a..b", "not a host name"),
        ("HOST", "http://a", "not a host name"),
        ("LOG_FORMAT", "xml", r"\(got 'xml'\)"),
        ("ARTIFACTS_URL", "b/p", "address of a bucket"),
        ("S3_ENDPOINT", "http://a:b@h", "password"),
        ("S3_ACCESS_KEY_ID", "a b", "a space"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"SIGNFORGE_{name}", value)
    with pytest.raises(UserError, match=f"^SIGNFORGE_{name}: .*{said}"):
        read_settings()


def test_amazons_variables_are_read_where_artifacts_are_in_object_storage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nowhere")
    assert read_settings().s3_endpoint == ""
    with pytest.raises(UserError, match=r"^AWS_ENDPOINT_URL: it does not begin with http"):
        read_settings(artifacts_url="s3://bucket")
    monkeypatch.setenv("SIGNFORGE_S3_ENDPOINT", "elsewhere")
    with pytest.raises(UserError, match=r"^SIGNFORGE_S3_ENDPOINT: "):
        read_settings(artifacts_url="s3://bucket")


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("database_url", "postgresql://ada:{}@@h/d"),
        ("database_url", "postgresql://h:{}/d"),
        ("database_url", "{}"),
        ("broker_url", "amqp://ada:{}#@h"),
        ("broker_url", "redis://h/{}"),
        ("s3_endpoint", "http://ada:{}@h"),
        ("s3_access_key_id", "{} x"),
        ("s3_secret_access_key", "{}\nx"),
        ("otel_endpoint", "http://ada:{}@h/?x"),
    ],
)
@given(secret=SECRETS)
def test_a_secret_is_never_shown(name: str, template: str, secret: str) -> None:
    value = template.format(secret)
    with pytest.raises(UserError) as refused:
        read_settings(**{name: value})
    assert secret not in str(refused.value)
    with pytest.raises(ValidationError) as raised:
        Settings(**{name: value})
    assert secret not in str(raised.value)


@given(secret=SECRETS)
def test_a_password_is_not_in_the_settings_repr(secret: str) -> None:
    settings = Settings(
        database_url=f"postgresql://ada:{secret}@h/d",
        broker_url=f"amqp://ada:{secret}@h",
        otel_endpoint=f"http://ada:{secret}@h",
        s3_secret_access_key=secret,
    )
    assert secret not in repr(settings)


DURATIONS = [name for name in Settings.model_fields if name.endswith(("_seconds", "_days"))]


def test_no_setting_is_a_duration_by_another_name() -> None:
    assert [name for name, field in Settings.model_fields.items() if field.annotation is float] == DURATIONS


@pytest.mark.parametrize("name", DURATIONS)
def test_a_duration_has_an_upper_bound(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for value in ("1e12", "inf", "nan"):
        monkeypatch.setenv(f"SIGNFORGE_{name.upper()}", value)
        with pytest.raises(UserError) as refused:
            read_settings()
        assert f"SIGNFORGE_{name.upper()}: " in str(refused.value)
        assert f"(got '{value}')" in str(refused.value)
    longest = MAX_DURATION_DAYS if name.endswith("_days") else MAX_DURATION_SECONDS
    with pytest.raises(UserError, match=f"less than or equal to {longest:.0f}"):
        read_settings(**{name: longest * 2})
    assert getattr(read_settings(**{name: longest}), name) == longest
