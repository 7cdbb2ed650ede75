"""Proxies that the environment names: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, and NO_PROXY for exceptions.

httpx reads the same variables, but cannot start where NO_PROXY holds a network such as fd00::/8. Requests to
this machine itself never go through a proxy; a redirect from there to another host may.
"""

import contextlib
import ipaddress
import re
from collections.abc import Mapping
from importlib.util import find_spec
from urllib.request import getproxies

import httpx

from core.errors import UserError
from core.jobs.urls import split_url
from signforge.client.transport.address import is_loopback

_EXAMPLE = "http://proxy.example.org:3128"
_WITH_PORT = re.compile(r"(?P<host>[^:\[\]]+|\[[^\]]+\]):(?P<port>\d{1,5})", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class EnvironmentProxies(httpx.BaseTransport):
    """Sends each request through the proxy that the environment names for its host, or directly.

    Args:
        url: where most requests will go; what is wrong with its proxy shows at once.

    Raises:
        UserError: a variable cannot be used; the message names it and shows no password.
    """

    def __init__(self, url: str) -> None:
        self._proxies = {scheme: value.strip() for scheme, value in getproxies().items()}
        self._transports: dict[str, httpx.HTTPTransport] = {}
        self._transport_for(httpx.URL(url))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        return self._transport_for(request.url).handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            transport.close()

    def variable_for(self, url: httpx.URL | str) -> str | None:
        """The variable whose proxy requests to `url` go through; None: they go directly."""
        scheme = find_proxy(httpx.URL(url), self._proxies)
        return None if scheme is None else _variable(scheme)

    def _transport_for(self, url: httpx.URL) -> httpx.HTTPTransport:
        scheme = find_proxy(url, self._proxies)
        way = _variable(scheme) if scheme else f"directly by {url.scheme}"
        if way not in self._transports:
            proxy = _parse(way, self._proxies[scheme]) if scheme else None
            has_tls = proxy is not None or url.scheme == "https"
            self._transports[way] = _open(proxy) if has_tls else httpx.HTTPTransport(verify=False)
        return self._transports[way]


def find_proxy(url: httpx.URL, proxies: Mapping[str, str]) -> str | None:
    """Which of `proxies`, as `getproxies` returns them, a request to `url` goes through; None: none."""
    scheme = next((scheme for scheme in (url.scheme, "all") if proxies.get(scheme)), None)
    exempt = is_loopback(url.host) or any(_covers(entry, url) for entry in proxies.get("no", "").split(","))
    return None if exempt else scheme


def _covers(entry: str, url: httpx.URL) -> bool:
    """Whether an entry of NO_PROXY covers the host of `url`: *, a domain with all below it, an address or a
    network. A port behind a domain or address restricts the entry to that port."""
    host, name = url.host, entry.strip().lower()
    if match := _WITH_PORT.fullmatch(name):
        if int(match["port"]) != (url.port or _DEFAULT_PORTS.get(url.scheme)):
            return False
        name = match["host"]
    name = name.strip("[]").lstrip(".")
    if name == "*" or host == name or (name and host.endswith(f".{name}")):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    return False


def _variable(scheme: str) -> str:
    return f"{scheme.upper()}_PROXY"


def _parse(variable: str, value: str) -> httpx.Proxy:
    url = value if "://" in value else f"http://{value}"
    try:
        if not split_url(url, example=_EXAMPLE).hostname:
            raise ValueError("no host")
        proxy = httpx.Proxy(url)
    except (ValueError, httpx.InvalidURL):
        raise UserError(
            f"{variable} is not the URL of a proxy; expected e.g. {_EXAMPLE}. Correct it or unset it."
        ) from None
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise UserError(
            f"{variable} names a SOCKS proxy, which needs the package socksio: pip install 'httpx[socks]'. "
            "Or set it to an HTTP proxy, or unset it."
        )
    return proxy


def _open(proxy: httpx.Proxy | None) -> httpx.HTTPTransport:
    try:
        return httpx.HTTPTransport(proxy=proxy)
    except OSError as error:
        raise UserError(
            f"SSL_CERT_FILE or SSL_CERT_DIR names no readable certificates ({error.strerror}). Correct it or "
            "unset it."
        ) from None
