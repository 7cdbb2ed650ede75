"""Where the service is and with which API key to speak to it."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

import httpx

from core.errors import UserError
from core.jobs.local_settings import LocalSettings, read_local_settings
from core.jobs.urls import check_http_url

_EXAMPLE = "http://127.0.0.1:8765"


@dataclass(frozen=True)
class Address:
    """A base URL, the API key for it (None: none was found), and how the URL was found."""

    url: str
    api_key: str | None
    is_local: bool


def find_address(url: str | None = None, api_key: str | None = None) -> Address:
    """Fill in what is not given: from SIGNFORGE_URL and SIGNFORGE_API_KEY, then from the embedded service.

    White space around each value is dropped. The embedded service's API key is sent to this machine only.
    Settings of the embedded service are read only if one of the two is missing.

    Raises:
        UserError: the URL or the API key cannot be used; the message says where it comes from, and never
            shows the key.
    """
    url, where = _find_url(url)
    try:
        host = check_http_url(url, example=_EXAMPLE).hostname
        _ = httpx.URL(url).host  # httpx decodes the name only when it is read
    except (ValueError, httpx.InvalidURL) as error:
        raise UserError(f"{where} is not the address of a service: {error}.") from None
    url = url.rstrip("/")
    if url.endswith("/v1"):
        raise UserError(f"{where} must not end in /v1, which is added to it. Use {url.removesuffix('/v1')}.")
    is_local = is_loopback(host or "")
    return Address(url, _find_api_key(api_key, is_local=is_local), is_local)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine itself: localhost, 127.0.0.0/8 or ::1."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def address_file(settings: LocalSettings) -> Path:
    """Where the embedded service writes the URL it listens at."""
    return settings.data_folder.absolute() / "address"


def url_of(host: str, port: int) -> str:
    """The URL to reach a listener at `host` and `port` from this machine."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _find_url(given: str | None) -> tuple[str, str]:
    """The URL, and what to call it in a message."""
    if given and given.strip():
        return given.strip(), "The URL"
    if from_environment := os.environ.get("SIGNFORGE_URL", "").strip():
        return from_environment, "SIGNFORGE_URL"
    settings = read_local_settings()
    file = address_file(settings)
    if from_file := _content(file):
        return from_file, f"The content of {file}"
    return url_of(settings.host, settings.port), "What SIGNFORGE_HOST and SIGNFORGE_PORT make"


def _find_api_key(given: str | None, *, is_local: bool) -> str | None:
    if given and given.strip():
        return _checked_api_key(given.strip(), "The API key")
    if from_environment := os.environ.get("SIGNFORGE_API_KEY", "").strip():
        return _checked_api_key(from_environment, "SIGNFORGE_API_KEY")
    if not is_local:
        return None
    file = read_local_settings().api_key_file
    if from_file := _content(file):
        return _checked_api_key(from_file, f"The API key in {file}")
    return None


def _checked_api_key(api_key: str, where: str) -> str:
    bad = re.search(r"[^\x21-\x7e]", api_key)
    if bad is not None:
        raise UserError(
            f"{where} is not an API key: character {bad.start() + 1} of {len(api_key)} is a space, a line "
            "break or another character that no API key has. Copy the key again (it begins with sf_)."
        )
    return api_key


def _content(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None
