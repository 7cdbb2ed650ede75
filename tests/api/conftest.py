"""The real application on a real database and artifact folder, spoken to through ASGI."""

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from sqlalchemy import event

from api.main import create_app
from api.service import Service
from core.jobs import log_lines
from core.jobs.database import open_database, transaction
from core.jobs.identifiers import new_id
from core.jobs.keys import create_api_key
from core.jobs.ledger.fence import Lease
from core.jobs.ledger.leases import Claim, claim
from core.jobs.ledger.outcomes import EncoderFile, succeed_evaluate, succeed_import, succeed_pretrain
from core.jobs.ledger.reports import report_started
from core.jobs.ledger.submissions import submit
from core.jobs.migration import migrate
from core.jobs.settings import Settings
from core.specs.import_jobs import ImportSpec
from core.specs.jobs import EvaluateSpec, JobSpec, PretrainSpec

CORPUS_RESULT: dict[str, Any] = {
    "corpus": "corpus",
    "num_clips": 96,
    "num_frames": 240,
    "digest": "d1" * 32,
    "label_names": ["book", "drink"],
    "signer_names": ["ada", "ben"],
    "split_counts": {"train": 64, "test": 32},
    "report": {"num_refused": 0},
}
SCORES = {"top1": 0.75, "top5": 1.0, "num_test": 2, "num_classes": 2}


class InProcess(httpx.BaseTransport):
    """Lets a synchronous client speak to an ASGI application that runs in a portal's event loop."""

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        self._transport = httpx.ASGITransport(app)
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        return self._portal.call(self._send, request, body)

    async def _send(self, request: httpx.Request, body: bytes) -> httpx.Response:
        sent = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        response = await self._transport.handle_async_request(sent)
        content = await response.aread()
        return httpx.Response(response.status_code, headers=response.headers, content=content)


@dataclass
class Bench:
    """An application with its client, and a worker's side to drive jobs by."""

    app: FastAPI
    portal: BlockingPortal
    settings: Settings
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.client_of("ada", "submit")

    @property
    def service(self) -> Service:
        service = self.app.state.service
        assert isinstance(service, Service)
        return service

    def set(self, **settings: Any) -> None:
        """Change settings of the running application."""
        service = self.service
        changed = self.app.state.settings = service.settings.model_copy(update=settings)
        self.app.state.service = replace(service, settings=changed)

    def client_of(self, owner: str, *scopes: str) -> httpx.Client:
        with transaction(self.service.engine) as session:
            token = create_api_key(session, owner=owner, scopes=scopes)
        return self.client_with({"Authorization": f"Bearer {token}"})

    def client_with(self, headers: dict[str, str]) -> httpx.Client:
        transport = InProcess(self.app, self.portal)
        return httpx.Client(transport=transport, base_url="http://service", headers=headers)

    def submit(self, spec: JobSpec, owner: str = "ada") -> str:
        with transaction(self.service.engine) as session:
            return submit(session, owner=owner, spec=spec, resolved=None).id

    def submit_import(self, name: str = "signs", owner: str = "ada") -> str:
        return self.submit(ImportSpec(name=name, source="upl_1"), owner)

    def start(self) -> Claim:
        """Claim the next job and get it running."""
        with transaction(self.service.engine) as session:
            claimed = claim(session, "worker-1", 60)
            assert claimed is not None
            report_started(session, claimed.lease)
            return claimed

    def write(self, report: Any, lease: Lease, *arguments: Any, **named: Any) -> Any:
        """Make one fenced report."""
        with transaction(self.service.engine) as session:
            return report(session, lease, *arguments, **named)

    def make_corpus(self, name: str = "signs", owner: str = "ada") -> str:
        self.submit_import(name, owner)
        corpus_id = new_id("cor")
        location = f"corpora/{corpus_id}"
        self.write(
            succeed_import,
            self.start().lease,
            corpus_id=corpus_id,
            location=location,
            size_bytes=3,
            result=CORPUS_RESULT,
        )
        return corpus_id

    def make_encoder(
        self, corpus_id: str, *, name: str = "encoder", owner: str = "ada", content: bytes = b"weights"
    ) -> str:
        self.submit(PretrainSpec(corpus=corpus_id, name=name), owner)
        encoder_id = new_id("enc")
        folder = self.service.store.encoder_folder(encoder_id)
        folder.mkdir(parents=True)
        (folder / "encoder.safetensors").write_bytes(content)
        location = self.service.store.location_of(folder)
        self.service.store.commit(folder, location)
        encoder = EncoderFile(
            id=encoder_id,
            location=location,
            sha256=sha256(content).hexdigest(),
            size_bytes=len(content),
            card={"recipe": "stc"},
        )
        self.write(succeed_pretrain, self.start().lease, encoder=encoder, result={"steps": 10})
        return encoder_id

    def make_evaluation(self, corpus_id: str, encoder_id: str, owner: str = "ada") -> str:
        job_id = self.submit(EvaluateSpec(corpus=corpus_id, encoder=encoder_id), owner)
        self.write(succeed_evaluate, self.start().lease, result={"scores": SCORES})
        return job_id


@pytest.fixture
def log() -> Iterator[StringIO]:
    """What the API logs, as `python -m api.main` writes it."""
    lines, logger = StringIO(), logging.getLogger("signforge.api")
    handler, level = log_lines.handler("api", Settings(), lines), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """One event loop in a thread for all applications under test."""
    with start_blocking_portal() as running:
        yield running


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy, because migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("database") / "signforge.db"
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    return path


@pytest.fixture
def settings(tmp_path: Path, empty_database: Path) -> Settings:
    data_folder = tmp_path / "data"
    data_folder.mkdir()
    shutil.copy(empty_database, data_folder / "signforge.db")
    root = tmp_path / "poses"
    root.mkdir()
    return Settings(
        data_folder=data_folder, corpus_roots=(root,), max_body_bytes=20_000, max_upload_bytes=100_000
    )


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """Made once, because that takes longer than most tests; each test starts it with its own settings."""
    return create_app(Settings())


@pytest.fixture
def bench(app: FastAPI, settings: Settings, portal: BlockingPortal) -> Iterator[Bench]:
    app.state.settings = settings
    with portal.wrap_async_context_manager(app.router.lifespan_context(app)):
        event.listen(app.state.service.engine, "connect", _spare_the_disk)
        yield Bench(app, portal, settings)


def _spare_the_disk(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")  # no test here pulls the plug
