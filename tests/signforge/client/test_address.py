from pathlib import Path

import pytest

from core.errors import UserError
from signforge.client.address import address_file, find_address, read_settings, url_of


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
    address_file(read_settings()).write_text("http://127.0.0.1:4321\n")
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


@pytest.mark.parametrize("url", ["signs.example.org", "ftp://signs.example.org", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="not the address"):
        find_address(url)


def test_an_address_to_listen_at_becomes_one_to_reach() -> None:
    assert url_of("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert url_of("::", 80) == "http://[::1]:80"
    assert url_of("signs.example.org", 80) == "http://signs.example.org:80"
