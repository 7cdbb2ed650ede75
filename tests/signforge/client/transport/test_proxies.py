"""Proxies from the environment."""

import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UserError
from signforge.client import Client
from signforge.client.transport.address import Address
from signforge.client.transport.connection import Connection
from signforge.client.transport.proxies import EnvironmentProxies, find_proxy

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ANY_PROXY = (
    TEXTS
    | TEXTS.map(lambda text: f"http://{text}")
    | st.from_regex(r"\A[a-z5]+://[^/\x00\ud800-\udfff]*:[0-9]+\Z")
)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy() -> Iterator[HTTPServer]:
    """A proxy that answers each request itself, with the URL it was asked for as the only recipe's name."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (
                b'{"data": [{"name": "%s", "summary": "", "hardware": "", "hours": "", "expected": ""}]}'
                % self.path.encode()
            )
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with serving(Proxy) as server:
        yield server


@contextmanager
def redirecting_to(url: str) -> Iterator[str]:
    """A service on this machine that redirects every download to `url`; yields its own URL."""

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(307)
            self.send_header("Location", url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with serving(Service) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_requests_go_through_the_proxy(proxy: HTTPServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, f" 127.0.0.1:{proxy.server_port}\n")
    monkeypatch.setenv("NO_PROXY", "localhost,fd00::/8,[::1]")
    with Client("http://signforge.invalid:8811", "sf_x") as client:
        (recipe,) = client.recipes.list()
    assert recipe.name == "http://signforge.invalid:8811/v1/recipes"


@pytest.mark.parametrize(
    ("url", "no_proxy", "found"),
    [
        ("http://a.example.org", "", "http"),
        ("https://a.example.org", "", "all"),
        ("http://a.example.org", "example.org", None),
        ("http://a.example.org", "other.org, .example.org", None),
        ("http://badexample.org", "example.org", "http"),
        ("http://a.example.org", "x,*", None),
        ("http://10.1.2.3", "10.0.0.0/8", None),
        ("http://10.1.2.3", "10.1.2.3", None),
        ("http://11.1.2.3", "10.0.0.0/8", "http"),
        ("http://[fd00::1]:80", "localhost,fd00::/8", None),
        ("http://[fe00::1]:80", "localhost,fd00::/8", "http"),
        ("http://[fd00::1]", "[fd00::1]", None),
        ("http://a.example.org:8765", "example.org:8765", None),
        ("http://a.example.org:8766", "example.org:8765", "http"),
        ("http://a.example.org", "a.example.org:80", None),
        ("http://[fd00::1]:80", "[fd00::1]:80", None),
        ("http://127.0.0.1:8765", "", None),
        ("http://[::1]:8765", "", None),
        ("http://localhost:8765", "", None),
    ],
)
def test_a_proxy_is_chosen_by_scheme_and_host(url: str, no_proxy: str, found: str | None) -> None:
    proxies = {"http": "proxy:1", "all": "proxy:2", "no": no_proxy}
    assert find_proxy(httpx.URL(url), proxies) == found


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("socks5://127.0.0.1:1080", "ALL_PROXY names a SOCKS proxy.*socksio"),
        ("gopher://ada:secret@h", "ALL_PROXY is not the URL of a proxy"),
        ("http://ada:sec/secret@h:port", "ALL_PROXY is not the URL of a proxy"),
        ("http://", "ALL_PROXY is not the URL of a proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    with pytest.raises(UserError, match=said) as refused:
        Client("http://signforge.invalid:8811", "sf_x")
    assert "secret" not in str(refused.value)


def test_the_local_service_is_asked_directly_and_its_storage_through_the_proxy(
    proxy: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.server_port}")
    with (
        redirecting_to("http://storage.invalid/signs") as url,
        closing(_connection(url)) as connection,
        connection.stream("/v1/encoders/enc_1/download", headers={}, timeout=10) as answer,
    ):
        assert "http://storage.invalid/signs" in answer.read().decode()


def test_the_storage_of_a_local_service_is_checked_by_the_certificates_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nothing/here.pem")
    with (
        redirecting_to("https://storage.invalid/signs") as url,
        closing(_connection(url)) as connection,
        pytest.raises(UserError, match=r"SSL_CERT_FILE.*No such file"),
        connection.stream("/v1/encoders/enc_1/download", headers={}, timeout=10),
    ):
        pass


def _connection(url: str) -> Connection:
    return Connection(Address(url, "sf_x", is_local=True))


def test_certificates_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nothing/here.pem")
    with pytest.raises(UserError, match=r"SSL_CERT_FILE.*No such file"):
        Client("https://signforge.invalid", "sf_x")


@pytest.mark.slow
@given(values=st.fixed_dictionaries({}, optional=dict.fromkeys(VARIABLES, ANY_PROXY)))
@settings(deadline=None, max_examples=50)
def test_any_value_is_taken_or_refused_by_name(values: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        try:
            EnvironmentProxies("http://signforge.invalid:8811").close()
        except UserError as error:
            named = str(error).split(" ", 1)[0]
            assert named in values
            assert os.environ[named].strip() not in ("", "127.0.0.1:3128")
