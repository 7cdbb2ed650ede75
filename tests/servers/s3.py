"""A real S3 server on the loopback: moto in server mode, which keeps everything in memory."""

import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from obstore.store import S3Store

from tests.servers.starting import start, wait_for

ACCESS_KEY_ID = "AKIDEXAMPLE"
SECRET = "the-secret-access-key"  # of nobody
PREFIX = "some/prefix"
REGION = "eu-central-1"


class S3Server:
    """A server of our own that ends with us. Killed, it forgets everything; to be away, it is suspended."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sfs3"))
        self.port = _free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._process = start(command, log=self._folder / "server.log")
        wait_for(self._answers, within_seconds=30, what="the S3 server's start")

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self) -> str:
        """Make a bucket of its own for somebody; returns its name."""
        name = f"bucket-{uuid4().hex}"
        httpx.put(f"{self.endpoint}/{name}").raise_for_status()
        return name

    def settings(self, bucket: str, **changes: Any) -> dict[str, Any]:
        """Fields of `Settings` that keep artifacts in `bucket`, below a prefix, with little patience."""
        return {
            "artifacts_url": f"s3://{bucket}/{PREFIX}",
            "s3_endpoint": self.endpoint,
            "s3_region": REGION,
            "s3_access_key_id": ACCESS_KEY_ID,
            "s3_secret_access_key": SECRET,
            "storage_patience_seconds": 2.0,
            **changes,
        }

    def objects(self, bucket: str, *, prefix: str | None = PREFIX) -> S3Store:
        """What `settings` puts into `bucket`, for a test to look at and to tamper with."""
        return S3Store(
            bucket,
            prefix=prefix,
            endpoint=self.endpoint,
            region=REGION,
            access_key_id=ACCESS_KEY_ID,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    def suspend(self) -> None:
        """Have it hang: connections are accepted and never answered."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it answer again."""
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop it at once."""
        self._process.kill()
        self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.endpoint}/moto-api/").is_success
        except httpx.TransportError:
            return False


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server."""
    server = S3Server()
    try:
        yield server
    finally:
        server.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
