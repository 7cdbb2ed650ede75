"""A real API on localhost, and a worker simulated through the real ledger."""

import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from sqlalchemy import Engine, select

from api.main import ApiServer, create_app
from core.jobs.database import open_database, transaction
from core.jobs.identifiers import new_id
from core.jobs.keys import create_api_key
from core.jobs.ledger import leases, outcomes, reports, submissions
from core.jobs.migration import migrate
from core.jobs.settings import Settings
from core.jobs.states import State
from core.jobs.storage.stores import open_store
from core.jobs.tables.jobs import JobRow
from signforge.client import Client
from signforge.embedded.children import wait_until

LEASE_SECONDS = 60.0


@dataclass(frozen=True)
class RunningApi:
    """An API that listens, what it stands on, and its administrator's API key."""

    settings: Settings
    engine: Engine
    port: int
    owner: str
    api_key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, url: str | None = None) -> Client:
        return Client(url or self.url, self.api_key)

    def claim(self) -> leases.Claim:
        with transaction(self.engine) as session:
            claim = leases.claim(session, "hand", LEASE_SECONDS)
            assert claim is not None
            reports.report_started(session, claim.lease)
        return claim


@contextmanager
def listening_api(settings: Settings) -> Iterator[tuple[Settings, Engine, int]]:
    """Run an API; yields its settings, its database and the port it listens at."""
    engine = open_database(settings.resolved_database_url)
    migrate(engine)
    server = ApiServer(uvicorn.Config(create_app(settings), port=0, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    assert wait_until(lambda: server.started, seconds=20)
    yield settings, engine, server.servers[0].sockets[0].getsockname()[1]
    server.config.app.state.service.stopping.set()
    server.should_exit = True
    thread.join(timeout=20)
    engine.dispose()


@pytest.fixture(scope="session")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Engine, int]]:
    """One API for all tests."""
    with listening_api(Settings(data_folder=tmp_path_factory.mktemp("data"), port=0)) as running:
        yield running


@pytest.fixture
def api(listening: tuple[Settings, Engine, int]) -> Iterator[RunningApi]:
    """The API, seen by an owner who has nothing yet; afterwards nothing of theirs waits to be claimed."""
    settings, engine, port = listening
    owner = f"ada-{uuid.uuid4().hex}"
    with transaction(engine) as session:
        api_key = create_api_key(session, owner=owner, scopes=["read", "submit", "admin"])
    yield RunningApi(settings, engine, port, owner, api_key)
    with transaction(engine) as session:
        for job in session.scalars(select(JobRow).filter_by(owner=owner, state=State.QUEUED)):
            submissions.cancel(session, job)


@pytest.fixture
def corpus(api: RunningApi, tmp_path: Path) -> str:
    """The id of a corpus that an import made, as far as the record knows."""
    source = tmp_path / "poses.npz"
    source.write_bytes(b"poses")
    with api.client() as client:
        client.corpora.add(source, name="signs")
    claim = api.claim()
    corpus_id = new_id("cor")
    result = {
        "num_clips": 80,
        "num_frames": 300,
        "digest": "d" * 64,
        "label_names": ["hello", "thanks"],
        "signer_names": ["ann", "bob"],
        "split_counts": {"train": 60, "test": 20},
        "report": {"clips_read": 8, "clips_skipped": 1, "frames_kept": 300, "frame_rates": {"25": 8}},
    }
    with transaction(api.engine) as session:
        outcomes.succeed_import(
            session,
            claim.lease,
            corpus_id=corpus_id,
            location=f"corpora/{corpus_id}",
            size_bytes=3,
            result=result,
        )
    return corpus_id


@pytest.fixture
def make_encoder(api: RunningApi, corpus: str) -> Callable[[bytes], str]:
    """Makes an encoder whose file is the given bytes; returns its id."""

    def make(content: bytes) -> str:
        with api.client() as client:
            client.jobs.submit(
                {"kind": "pretrain", "corpus": corpus, "recipe": "smoke", "name": "signs-encoder"}
            )
        claim, encoder_id = api.claim(), new_id("enc")
        store = open_store(api.settings)
        folder = store.encoder_folder(encoder_id)
        folder.mkdir(parents=True)
        (folder / "encoder.safetensors").write_bytes(content)
        store.commit(folder, store.location_of(folder))
        file = outcomes.EncoderFile(
            id=encoder_id,
            location=f"encoders/{encoder_id}",
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            card={"name": "signs-encoder"},
        )
        with transaction(api.engine) as session:
            outcomes.succeed_pretrain(session, claim.lease, encoder=file, result={"steps": 3})
        return encoder_id

    return make
