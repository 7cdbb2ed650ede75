from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.errors import UserError
from core.jobs.local_settings import read_local_settings
from signforge.client.transport.address import address_file, find_address, url_of
from signforge.client.transport.connection import Connection


@pytest.fixture(autouse=True)
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder as the embedded service leaves it, and no other settings."""
    for name in ("SIGNFORGE_URL", "SIGNFORGE_API_KEY", "SIGNFORGE_PORT", "SIGNFORGE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SIGNFORGE_DATA_FOLDER", str(tmp_path))
    (tmp_path / "api_key").write_text("sf_own_key\n")
    return tmp_path


def test_the_embedded_service_is_found_by_itself() -> None:
    assert find_address().url == "http://127.0.0.1:8765"
    address_file(read_local_settings()).write_text("http://127.0.0.1:4321\n")
    found = find_address()
    assert (found.url, found.api_key, found.is_local) == ("http://127.0.0.1:4321", "sf_own_key", True)


def test_the_embedded_api_key_goes_to_this_machine_only() -> None:
    assert find_address("https://signs.example.org").api_key is None
    assert find_address("http://localhost:1/").api_key == "sf_own_key"


def test_what_is_said_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNFORGE_URL", "https://signs.example.org/")
    monkeypatch.setenv("SIGNFORGE_API_KEY", "sf_env")
    found = find_address()
    assert (found.url, found.api_key, found.is_local) == ("https://signs.example.org", "sf_env", False)
    assert find_address("http://[::1]:5", "sf_said").api_key == "sf_said"


@pytest.mark.parametrize(
    "url",
    [
        "signs.example.org",
        "ftp://signs.example.org",
        "http://",
        "http://[::1",
        "http://h:99999",
        "http://h/?a=b",
        "http://h\nx",
        "http://ada:secret@h",
        "http://\u2028",
        "http://a..b",
        "http://xn--a.b",
    ],
)
def test_what_is_no_address_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="The URL is not the address") as refused:
        find_address(url)
    assert "secret" not in str(refused.value)
    monkeypatch.setenv("SIGNFORGE_URL", url)
    with pytest.raises(UserError, match="SIGNFORGE_URL is not the address"):
        find_address()


@pytest.mark.parametrize("url", ["http://signs.example.org/v1", "http://signs.example.org/v1/"])
def test_the_version_of_the_api_is_not_part_of_the_address(url: str) -> None:
    with pytest.raises(UserError, match=r"must not end in /v1.* Use http://signs\.example\.org\."):
        find_address(url)


def test_a_damaged_address_file_is_named(embedded: Path) -> None:
    (embedded / "address").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"The content of .*address is not the address"):
        find_address()


def test_white_space_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNFORGE_URL", " https://signs.example.org/\n")
    monkeypatch.setenv("SIGNFORGE_API_KEY", "sf_env\n")
    assert (find_address().url, find_address().api_key) == ("https://signs.example.org", "sf_env")
    monkeypatch.setenv("SIGNFORGE_API_KEY", " \n")
    assert find_address().api_key is None
    assert find_address("http://127.0.0.1:5").api_key == "sf_own_key"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
@example("sf_not_a_real_key\n")
@example("sf_not_a\nreal_key")
@example("sf_schlüssel")
@settings(deadline=None, max_examples=50)
def test_any_api_key_is_sent_stripped_or_refused_unseen(api_key: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNFORGE_API_KEY", api_key)
        try:
            found = find_address("http://127.0.0.1:1")
        except UserError as error:
            assert str(error).startswith("SIGNFORGE_API_KEY is not an API key")  # noqa: PT017
            assert len(api_key) < 10 or api_key.strip() not in str(error)  # noqa: PT017
            return
    Connection(found).close()
    assert found.api_key == (api_key.strip() or "sf_own_key")


def test_an_address_to_listen_at_becomes_one_to_reach() -> None:
    assert url_of("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert url_of("::", 80) == "http://[::1]:80"
    assert url_of("signs.example.org", 80) == "http://signs.example.org:80"


@pytest.mark.parametrize("url", ["http://LOCALHOST:1", "http://127.0.0.2:1", "http://[::1]:1"])
def test_every_name_of_this_machine_is_local(url: str) -> None:
    assert find_address(url).is_local


def test_settings_of_the_server_alone_do_not_stop_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BROKER_URL": "kafka://x", "DATABASE_URL": "x", "LEASE_SECONDS": "long"}.items():
        monkeypatch.setenv(f"SIGNFORGE_{name}", value)
    assert find_address().url == "http://127.0.0.1:8765"
    monkeypatch.setenv("SIGNFORGE_PORT", "many")
    assert find_address("https://signs.example.org", "sf_said").api_key == "sf_said"
    with pytest.raises(UserError, match="SIGNFORGE_PORT"):
        find_address()
