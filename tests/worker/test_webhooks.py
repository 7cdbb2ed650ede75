"""Webhooks delivered to a real receiver on localhost, and refused for private addresses."""

import logging
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine
from standardwebhooks import Webhook, WebhookVerificationError

from core.jobs.database import reading, transaction
from core.jobs.settings import Settings
from core.jobs.tables.access import WebhookDeliveryRow
from core.jobs.webhooks.deliveries import OutgoingMessage, Result
from core.jobs.webhooks.notifying import create_webhook
from tests.core.jobs.arranging import queue
from tests.servers.receiver import Receiver
from tests.servers.service import RECONCILER, Service
from tests.servers.starting import wait_for
from worker.reconciler import Reconciler
from worker.upkeep.webhook_delivery import MAX_THREADS_PER_OWNER, WebhookDelivery
from worker.upkeep.webhook_sender import Resolve, Sender

SECRET = "whsec_" + "c2VjcmV0" * 5
SETTINGS = Settings()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    listening = Receiver()
    yield listening
    listening.close()


@pytest.fixture
def sender() -> Sender:
    return Sender(private_allowed=True, seconds=0.5)


def outgoing(url: str, secrets: tuple[str, ...] = (SECRET,)) -> OutgoingMessage:
    return OutgoingMessage("msg_1", "whk_1", 1, url, '{"type":"job.state"}', secrets)


class Looked:
    """A resolver that answers as it is told and remembers what it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0)


class TestSending:
    def test_a_receiver_can_verify_what_it_gets(self, receiver: Receiver, sender: Sender) -> None:
        assert sender.send(outgoing(receiver.url("/hook?a=1"))) == Result(200)
        (heard,) = receiver.heard
        assert heard.path == "/hook?a=1"
        assert heard.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert heard.headers["webhook-id"] == "msg_1"
        assert Webhook(SECRET).verify(heard.body, heard.headers) == {"type": "job.state"}
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(heard.body + " ", heard.headers)

    def test_while_secrets_change_either_verifies(self, receiver: Receiver, sender: Sender) -> None:
        other = "whsec_" + "b3RoZXIh" * 5
        sender.send(outgoing(receiver.url("/hook"), (SECRET, other)))
        (heard,) = receiver.heard
        for secret in (SECRET, other):
            Webhook(secret).verify(heard.body, heard.headers)

    def test_another_status_is_a_failure_and_is_told(self, receiver: Receiver, sender: Sender) -> None:
        receiver.answers["/fail"] = 503
        assert sender.send(outgoing(receiver.url("/fail"))) == Result(
            503, "The receiver responded with status 503."
        )

    def test_a_redirect_is_not_followed(self, receiver: Receiver, sender: Sender) -> None:
        receiver.answers["/redirect"] = 302
        result = sender.send(outgoing(receiver.url("/redirect")))
        assert result.status == 302
        assert "not followed" in str(result.error)
        assert receiver.at("/inside") == []

    @pytest.mark.parametrize("path", ["/hang", "/drip"])
    def test_neither_silence_nor_slowness_holds_it_up(
        self, receiver: Receiver, sender: Sender, path: str
    ) -> None:
        began = time.monotonic()
        result = sender.send(outgoing(receiver.url(path)))
        assert result == Result(None, "The receiver did not respond within 0.5 s.")
        assert time.monotonic() - began < 10
        assert len(receiver.heard) == 1

    def test_where_nobody_listens_the_log_says_so(self, receiver: Receiver, sender: Sender) -> None:
        url = receiver.url("/hook")
        receiver.close()
        assert "ConnectError" in str(sender.send(outgoing(url)).error)

    def test_a_name_that_does_not_exist_is_a_failure(self, sender: Sender) -> None:
        assert "gaierror" in str(sender.send(outgoing("http://nowhere.invalid/")).error)

    def test_no_log_holds_a_secret(
        self, receiver: Receiver, sender: Sender, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        sender.send(outgoing(receiver.url("/hook")))
        assert caplog.records
        assert SECRET.removeprefix("whsec_") not in caplog.text


class TestWhereItMayGo:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
    def test_not_to_this_machine(self, receiver: Receiver, host: str) -> None:
        result = Sender(private_allowed=False).send(outgoing(receiver.url("/hook", host)))
        assert result.status is None
        assert "SIGNFORGE_WEBHOOK_PRIVATE_TARGETS" in str(result.error)
        assert receiver.heard == []

    @pytest.mark.parametrize(
        "addresses", [["10.0.0.5"], ["93.184.216.34", "169.254.169.254"], ["2606:4700::1", "::1"]]
    )
    def test_not_where_any_address_of_a_name_is_private(self, addresses: list[str]) -> None:
        resolve = Looked(addresses)
        result = Sender(private_allowed=False, resolve=resolve).send(outgoing("http://inside.example/"))
        assert "does not resolve to a public address" in str(result.error)
        assert all(address not in str(result.error) for address in addresses)

    def test_a_user_cannot_tell_an_unknown_name_from_one_of_the_network_inside(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def unknown(host: str, port: int) -> list[str]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        def unreachable(host: str, port: int) -> list[str]:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        caplog.set_level(logging.INFO, logger="worker.upkeep.webhook_sender")
        resolvers: list[Resolve] = [unknown, unreachable, Looked(["10.0.0.5"]), Looked(["fd00::1"])]
        results = {
            Sender(private_allowed=False, resolve=resolve).send(outgoing("http://vault.corp/"))
            for resolve in resolvers
        }
        assert len(results) == 1
        assert "Name or service not known" in caplog.text
        assert "10.0.0.5" in caplog.text

    def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connected: list[Any] = []

        def refuse(address: Any, *_: Any, **__: Any) -> None:
            connected.append(address)
            raise OSError("not in a test")

        monkeypatch.setattr("socket.create_connection", refuse)
        resolve = Looked(["93.184.216.34"], ["127.0.0.1"])  # a name that changes its mind
        Sender(private_allowed=False, resolve=resolve).send(
            outgoing(receiver.url("/hook", "rebinding.example"))
        )
        assert resolve.asked == ["rebinding.example"]
        assert connected == [("93.184.216.34", receiver.port)]

    def test_the_next_address_is_tried_and_the_name_stays(self, receiver: Receiver) -> None:
        resolve = Looked(["127.0.0.2", "127.0.0.1"])  # nobody listens at the first
        sender = Sender(private_allowed=True, resolve=resolve)
        assert sender.send(outgoing(receiver.url("/hook", "hooks.example"))).succeeded
        assert receiver.heard[0].headers["host"] == f"hooks.example:{receiver.port}"


class TestTls:
    """Connecting to a checked address must not cost the check of the name."""

    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        """A certificate that signs itself, for hooks.example, with its key."""
        if (openssl := shutil.which("openssl")) is None:
            pytest.skip("no openssl to make a certificate with")
        file = tmp_path / "hooks.pem"
        command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
        command += ["-subj", "/CN=hooks.example", "-addext", "subjectAltName=DNS:hooks.example"]
        subprocess.run([*command, "-keyout", file, "-out", file], check=True, capture_output=True)
        return file

    @pytest.fixture
    def behind_tls(self, receiver: Receiver, certificate: Path) -> Receiver:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        receiver.wrap(context)
        return receiver

    def send(self, receiver: Receiver, host: str, trusted: Path | None) -> Result:
        tls = ssl.create_default_context(cafile=trusted)
        sender = Sender(private_allowed=True, resolve=lambda *_: ["127.0.0.1"], seconds=5, tls=tls)
        return sender.send(outgoing(receiver.url("/hook", host).replace("http:", "https:")))

    def test_the_name_of_the_url_is_verified(self, behind_tls: Receiver, certificate: Path) -> None:
        assert self.send(behind_tls, "hooks.example", certificate) == Result(200)
        assert "Hostname mismatch" in str(self.send(behind_tls, "other.example", certificate).error)
        assert "self-signed" in str(self.send(behind_tls, "hooks.example", None).error)
        assert len(behind_tls.heard) == 1


class TestDelivery:
    @pytest.fixture
    def delivery(self, sqlite_engine: Engine) -> WebhookDelivery:
        patient = Sender(private_allowed=True, seconds=30)
        return WebhookDelivery(sqlite_engine, SETTINGS, patient, random=Random(0))

    def test_a_jobs_states_arrive_in_order_and_once(
        self, sqlite_engine: Engine, receiver: Receiver, delivery: WebhookDelivery
    ) -> None:
        secret = hook(sqlite_engine, receiver.url("/hook"))
        job_ids = [queue(sqlite_engine) for _ in range(3)]
        until(delivery, lambda: len(receiver.heard) >= 3)
        told = [Webhook(secret).verify(each.body, each.headers) for each in receiver.heard]
        assert [message["data"]["job_id"] for message in told] == job_ids
        until(delivery, lambda: states(sqlite_engine) == ["delivered"] * 3 and delivery.num_busy == 0)
        delivery.round()
        assert len({each.headers["webhook-id"] for each in receiver.heard}) == len(receiver.heard) == 3

    def test_a_failure_is_tried_again_under_the_same_id(
        self, sqlite_engine: Engine, receiver: Receiver, delivery: WebhookDelivery
    ) -> None:
        hook(sqlite_engine, receiver.url("/hook"))
        receiver.answers["/hook"] = 500
        queue(sqlite_engine)
        until(delivery, lambda: statuses(sqlite_engine) == [500] and delivery.num_busy == 0)
        receiver.answers["/hook"] = 204
        make_due(sqlite_engine)
        until(delivery, lambda: states(sqlite_engine) == ["delivered"])
        first, second = receiver.heard
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body

    def test_a_receiver_that_hangs_holds_up_neither_rounds_nor_others(
        self, sqlite_engine: Engine, receiver: Receiver, delivery: WebhookDelivery
    ) -> None:
        for index in range(MAX_THREADS_PER_OWNER + 2):
            hook(sqlite_engine, receiver.url(f"/hang/{index}"))
        hook(sqlite_engine, receiver.url("/hook"), owner="ben")
        rung: list[int] = []
        reconciler = Reconciler(sqlite_engine, SETTINGS, rung.append, webhooks=delivery)
        queue(sqlite_engine)
        queue(sqlite_engine, owner="ben")
        reconciler.round()
        assert rung == [1, 1], "the round is over"
        wait_for(lambda: len(receiver.heard) >= MAX_THREADS_PER_OWNER + 1, within_seconds=20, what="all sent")
        reconciler.round()
        assert len(receiver.at("/hook")) == 1
        hanging = [each for each in receiver.heard if each.path.startswith("/hang")]
        assert len(hanging) == MAX_THREADS_PER_OWNER, "an owner has a few threads, not all"
        receiver.released.set()
        wait_for(lambda: delivery.num_busy == 0, within_seconds=20, what="the threads' end")

    def test_what_breaks_in_a_thread_ends_it_and_is_logged(
        self, sqlite_engine: Engine, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken:
            def send(self, outgoing: OutgoingMessage) -> Result:
                raise ZeroDivisionError

        delivery = WebhookDelivery(sqlite_engine, SETTINGS, Broken())
        hook(sqlite_engine, "https://example.org/")
        queue(sqlite_engine)
        until(delivery, lambda: "ZeroDivisionError" in caplog.text)
        wait_for(lambda: delivery.num_busy == 0, within_seconds=20, what="the thread's end")
        assert states(sqlite_engine) == ["pending"], "it comes up again later"


@pytest.mark.system
def test_the_reconciler_process_delivers(
    service: Service, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNFORGE_WEBHOOK_PRIVATE_TARGETS", "1")
    secret = hook(service.engine, receiver.url("/hook"))
    service.start_module(RECONCILER)
    job_id = service.submit()
    service.cancel(job_id)
    wait_for(lambda: len(receiver.heard) >= 2, within_seconds=30, what="two messages")
    told = [Webhook(secret).verify(each.body, each.headers)["data"] for each in receiver.heard]
    assert [(each["job_id"], each["to"]) for each in told] == [(job_id, "queued"), (job_id, "cancelled")]


@pytest.mark.system
def test_the_reconciler_process_sends_nothing_to_this_machine_unless_told(
    service: Service, receiver: Receiver
) -> None:
    hook(service.engine, receiver.url("/hook"))
    service.start_module(RECONCILER)
    service.submit()

    def refused() -> bool:
        with reading(service.engine) as session:
            row = session.query(WebhookDeliveryRow).one()
            return "not a public address" in (row.error or "")

    wait_for(refused, within_seconds=30, what="a refusal in the log")
    assert receiver.heard == []


def hook(engine: Engine, url: str, owner: str = "ada") -> str:
    """Make a webhook and return its secret."""
    with transaction(engine) as session:
        return create_webhook(session, owner=owner, url=url).secret


def until(delivery: WebhookDelivery, look: Callable[[], bool]) -> None:
    """Let rounds go by until something is so."""

    def round_and_look() -> bool:
        delivery.round()
        return look()

    wait_for(round_and_look, within_seconds=20, what="what the test waits for")


def states(engine: Engine) -> list[str]:
    with reading(engine) as session:
        return [row.state for row in session.query(WebhookDeliveryRow)]


def statuses(engine: Engine) -> list[int | None]:
    with reading(engine) as session:
        return [row.status for row in session.query(WebhookDeliveryRow)]


def make_due(engine: Engine) -> None:
    with transaction(engine) as session:
        for row in session.query(WebhookDeliveryRow):
            row.next_at = row.created_at
