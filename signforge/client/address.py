"""Where the service is and with which API key to speak to it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from core.errors import UserError
from core.jobs.settings import Settings

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Address:
    """A base URL, the API key for it (None: none was found), and how the URL was found."""

    url: str
    api_key: str | None
    is_local: bool


def find_address(url: str | None = None, api_key: str | None = None) -> Address:
    """Fill in what is not given: from SIGNFORGE_URL and SIGNFORGE_API_KEY, then from the embedded service.

    The embedded service's API key is sent to this machine only.

    Raises:
        UserError: the URL is not an http or https one.
    """
    settings = read_settings()
    url = url or os.environ.get("SIGNFORGE_URL") or _embedded_url(settings)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{url!r} is not the address of a service; expected e.g. http://127.0.0.1:8765.")
    is_local = parts.hostname in _LOOPBACK
    api_key = api_key or os.environ.get("SIGNFORGE_API_KEY")
    if api_key is None and is_local:
        api_key = _first_line(settings.api_key_file)
    return Address(url.rstrip("/"), api_key, is_local)


def read_settings(**changes: Any) -> Settings:
    """The settings from the environment, with `changes` (those that are not None) over them.

    Raises:
        UserError: a setting's value cannot be used.
    """
    try:
        return Settings(**{name: value for name, value in changes.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = f"SIGNFORGE_{'_'.join(map(str, first['loc'])).upper()}"
        raise UserError(f"{name}: {first['msg']} (got {first['input']!r}).") from None


def address_file(settings: Settings) -> Path:
    """Where the embedded service writes the URL it listens at."""
    return settings.data_folder.absolute() / "address"


def url_of(host: str, port: int) -> str:
    """The URL to reach a listener at `host` and `port` from this machine."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _embedded_url(settings: Settings) -> str:
    return _first_line(address_file(settings)) or url_of(settings.host, settings.port)


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
