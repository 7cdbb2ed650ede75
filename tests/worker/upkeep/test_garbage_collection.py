"""Unused files are removed from either store, and no others."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from core.errors import ArtifactError
from core.jobs import counters
from core.jobs.database import now, reading, transaction
from core.jobs.deletions import delete
from core.jobs.identifiers import new_id
from core.jobs.ledger.leases import Claim
from core.jobs.ledger.reports import checkpoints_of, commit_checkpoint
from core.jobs.settings import Settings
from core.jobs.states import State
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.clearing import Freed
from core.jobs.storage.folder_store import FolderStore
from core.jobs.tables.access import ApiKeyRow
from core.jobs.tables.artifacts import CheckpointRow, CorpusRow, EncoderRow, UploadRow
from tests.core.jobs.arranging import hold, job, queue, set_fields
from tests.core.jobs.kept import bucket_store, content_of, make_checkpoint
from tests.servers.s3 import S3Server
from tests.servers.service import RECONCILER, Service
from tests.servers.starting import wait_for
from tests.worker.programs.counting import expected_weights
from worker.reconciler import Reconciler
from worker.upkeep.garbage_collection import Collection

SETTINGS = Settings(collect_every_seconds=600, collect_after_seconds=3600)
HOUR = 3600.0


@dataclass
class World:
    """A database and a store, and a clock that a test sets; the database is in use for a day."""

    engine: Engine
    store: ArtifactStore
    began: float = field(init=False)
    ahead: float = 0.0

    def __post_init__(self) -> None:
        with transaction(self.engine) as session:
            at = now(session)
            key = ApiKeyRow(id="key_1", owner="ada", secret_sha256="", scopes=[])
            key.created_at = at - timedelta(days=1)
            session.add(key)
        self.began = at.timestamp()

    def clock(self) -> float:
        return self.began + self.ahead

    def collector(self) -> Collection:
        return Collection(self.engine, self.store, SETTINGS, clock=self.clock)

    def collect_after(self, seconds: float) -> None:
        """Let so many seconds pass since the beginning, then collect."""
        self.ahead = seconds
        self.collector().collect()

    def checkpoint(self, claimed: Claim, step: int, *, row: bool = True) -> str:
        """A checkpoint in the store, with or without a row."""
        folder = make_checkpoint(self.store, step, job_id=claimed.job_id)
        self.store.commit_checkpoint(folder).result(20)
        location = self.store.location_of(folder)
        if row:
            manifest = self.store.checkpoint_manifest(location)
            with transaction(self.engine) as session:
                commit_checkpoint(
                    session, claimed.lease, step=step, location=location, manifest=manifest, size_bytes=step
                )
        return location

    def end(self, claimed: Claim, state: State = State.FAILED, *, ago: float = 0.0) -> None:
        with transaction(self.engine) as session:
            at = now(session) - timedelta(seconds=ago)
        set_fields(self.engine, claimed.job_id, state=state, finished_at=at, lease_token=None)

    def scribble(self, claimed: Claim) -> list[Path]:
        """What a program and its supervisor leave in an attempt's folder."""
        attempt = self.store.attempt_folder(claimed.job_id, 1)
        files = [attempt / name for name in ("spec.json", "program.log", "encoder/w", ".staging/deep/w")]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"x" * 10)
        return files

    def folder(self, location: str, content: bytes = b"0123456789") -> str:
        """A folder with a file, committed without a row."""
        source = self.store.folder / f"of_{location.replace('/', '_')}"
        source.mkdir(parents=True)
        (source / "file").write_bytes(content)
        self.store.commit(source, location)
        return location

    def upload(self) -> str:
        return self.store.receive([b"abc"], 10).location

    def has(self, location: str) -> bool:
        """Whether the file is still in the store, and all there."""
        try:
            return bool(content_of(self.store, location))
        except ArtifactError:
            return False

    def counted(self) -> tuple[int, int]:
        with reading(self.engine) as session:
            found = counters.values(session)
        return found.get("collected_files", 0), found.get("collected_bytes", 0)


def finish(collection: Collection) -> None:
    wait_for(lambda: not collection.busy, within_seconds=20, what="the collector's end")


@pytest.fixture
def world(sqlite_engine: Engine, store: ArtifactStore) -> World:
    return World(sqlite_engine, store)


@pytest.fixture
def here(sqlite_engine: Engine, tmp_path: Path) -> World:
    """A world with a folder store, for what does not depend on the store."""
    return World(sqlite_engine, FolderStore(tmp_path / "artifacts"))


class TestJobs:
    def test_of_a_job_that_ended_its_committed_checkpoints_stay(self, world: World) -> None:
        claimed = hold(world.engine)
        kept, without, deleted = (
            world.checkpoint(claimed, step, row=has_row)
            for step, has_row in ((5, True), (6, False), (7, True))
        )
        left = world.scribble(claimed)
        self._delete_row(world, deleted)
        world.end(claimed)
        world.collect_after(HOUR / 2)
        assert all(file.exists() for file in left)
        assert all(world.has(f"{location}/weights") for location in (kept, without, deleted))
        world.collect_after(2 * HOUR)
        assert not any(file.exists() for file in left)
        assert not world.has(f"{without}/weights")
        assert not world.has(f"{deleted}/weights")
        assert world.store.checkpoints_of(claimed.job_id) == [kept]
        assert world.store.checkpoint_manifest(kept)["step"] == 5
        assert job(world.engine, claimed.job_id).collected_at is not None

    def test_a_job_without_checkpoints_leaves_no_folder(self, world: World) -> None:
        claimed = hold(world.engine)
        world.scribble(claimed)
        world.end(claimed, State.SUCCEEDED)
        world.collect_after(2 * HOUR)
        assert not world.store.job_folder(claimed.job_id).exists()
        assert world.counted() == (4, 40)

    @pytest.mark.parametrize("state", [State.RUNNING, State.PAUSING, State.PAUSED, State.QUEUED])
    def test_what_has_not_ended_is_not_touched(self, here: World, state: State) -> None:
        claimed = hold(here.engine)
        left = here.scribble(claimed)
        location = here.checkpoint(claimed, 5, row=False)
        set_fields(
            here.engine, claimed.job_id, state=state, finished_at=job(here.engine, claimed.job_id).created_at
        )
        here.collect_after(1000 * HOUR)
        assert all(file.exists() for file in left)
        assert here.has(f"{location}/weights")

    def test_a_collected_job_is_not_looked_at_again_until_it_loses_a_checkpoint(self, world: World) -> None:
        claimed = hold(world.engine)
        location = world.checkpoint(claimed, 5)
        world.end(claimed)
        world.collect_after(2 * HOUR)
        late = world.scribble(claimed)
        world.collect_after(4 * HOUR)
        assert all(file.exists() for file in late)
        self._delete_row(world, location)  # and whoever did so died before the files were gone
        assert world.has(f"{location}/weights")
        world.collect_after(6 * HOUR)
        assert not world.has(f"{location}/weights")
        assert world.store.checkpoints_of(claimed.job_id) == []

    def test_files_that_resist_are_told_of_and_tried_again(
        self, here: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        claimed, other = hold(here.engine), hold(here.engine)
        stubborn, *others = here.scribble(claimed)
        gone = here.scribble(other)
        for each in (claimed, other):
            here.end(each)
        unlink = Path.unlink

        def refuse(path: Path, missing_ok: bool = False) -> None:
            """Root may remove anything, so the answer of the system is made up."""
            if path == stubborn:
                raise PermissionError(13, "Permission denied")
            unlink(path, missing_ok=missing_ok)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", refuse)
            here.collect_after(2 * HOUR)
        assert stubborn.exists()
        assert not any(file.exists() for file in (*others, *gone))
        assert f"Cannot remove {stubborn}: Permission denied" in caplog.text
        here.collect_after(3 * HOUR)
        assert not here.store.job_folder(claimed.job_id).exists()
        assert here.counted() == (8, 80)

    @staticmethod
    def _delete_row(world: World, location: str) -> None:
        with transaction(world.engine) as session:
            row = session.query(CheckpointRow).filter_by(location=location).one()
            if job(world.engine, row.job_id).finished_at is None:
                row.deleted_at = now(session)  # as its holder does
            else:
                delete(session, row)


class TestOrphans:
    def test_what_has_no_row_goes_after_the_delay(self, world: World) -> None:
        places = [world.folder("corpora/cor_lost"), world.folder("encoders/enc_lost")]
        files = [*(f"{place}/file" for place in places), world.upload()]
        arriving = world.store.folder / "uploads" / ".arriving-1"
        arriving.write_bytes(b"half")
        world.collect_after(HOUR / 2)
        assert all(world.has(file) for file in files)
        assert arriving.exists()
        world.collect_after(2 * HOUR)
        assert not any(world.has(file) for file in files)
        assert not arriving.exists()
        assert [list((world.store.folder / name).iterdir()) for name in ("corpora", "encoders")] == [[], []]

    def test_what_has_a_row_stays_and_what_has_a_deleted_one_goes(self, world: World) -> None:
        kept, deleted = ([*self._with_rows(world, deleted=gone)] for gone in (False, True))
        world.collect_after(HOUR / 2)
        assert all(world.has(file) for file in (*kept, *deleted))
        world.collect_after(2 * HOUR)
        assert all(world.has(file) for file in kept)
        assert not any(world.has(file) for file in deleted)

    def test_what_is_said_and_counted(self, here: World, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        for number in range(3):
            here.folder(f"encoders/enc_{number}")
        here.upload()
        here.end(hold(here.engine), ago=2 * HOUR)  # which has left nothing
        here.collect_after(2 * HOUR)
        assert "Garbage collection removed 4 files (33 bytes): 3 of encoders, 1 of uploads." in caplog.text
        assert here.counted() == (4, 33)
        caplog.clear()
        here.collect_after(3 * HOUR)
        assert caplog.text == ""

    @staticmethod
    def _with_rows(world: World, *, deleted: bool) -> Iterator[str]:
        job_id, upload = queue(world.engine), world.upload()
        corpus, encoder = world.folder(f"corpora/{new_id('cor')}"), world.folder(f"encoders/{new_id('enc')}")
        with transaction(world.engine) as session:
            at = now(session)
            common = {"owner": "ada", "created_at": at, "deleted_at": at if deleted else None}
            made = {"job_id": job_id, "name": f"signs-{deleted}", "size_bytes": 1, **common}
            session.add(
                UploadRow(id=new_id("upl"), filename="a", location=upload, size_bytes=3, sha256="", **common)
            )
            session.add(CorpusRow(id=new_id("cor"), location=corpus, digest="", summary={}, **made))
            session.add(EncoderRow(id=new_id("enc"), location=encoder, version=1, sha256="", card={}, **made))
        yield from (upload, f"{corpus}/file", f"{encoder}/file")


class TestBesideTheRounds:
    def test_a_store_that_hangs_holds_up_no_round(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        location, go_on = here.folder("encoders/enc_lost"), threading.Event()
        clear, asked = here.store.clear, []

        def slow(location: str) -> Freed:
            asked.append(location)
            assert go_on.wait(20)
            return clear(location)

        monkeypatch.setattr(here.store, "clear", slow)
        here.ahead = 2 * HOUR
        collection = here.collector()
        reconciler = Reconciler(here.engine, SETTINGS, lambda _: None, collection=collection)
        reconciler.round()
        wait_for(lambda: bool(asked), within_seconds=20, what="the collector's start")
        claimed = hold(here.engine)
        set_fields(here.engine, claimed.job_id, lease_expires_at=job(here.engine, claimed.job_id).created_at)
        here.ahead = 3 * HOUR
        reconciler.round()
        assert job(here.engine, claimed.job_id).state == State.QUEUED, "and no transaction is open meanwhile"
        assert asked == [location]
        go_on.set()
        finish(collection)
        assert not here.has(f"{location}/file")

    @pytest.mark.system
    def test_a_store_that_is_away_is_borne(
        self, sqlite_engine: Engine, tmp_path: Path, s3: S3Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = bucket_store(s3, s3.make_bucket(), tmp_path, storage_patience_seconds=0.5)
        world = World(sqlite_engine, store)
        claimed = hold(world.engine)
        location = world.checkpoint(claimed, 5, row=False)
        world.end(claimed)
        world.ahead = 2 * HOUR
        collection = world.collector()
        s3.suspend()
        try:
            collection.round()
            finish(collection)
        finally:
            s3.resume()
        assert "Garbage collection is postponed: The object store cannot be used" in caplog.text
        assert job(world.engine, claimed.job_id).collected_at is None
        world.ahead = 3 * HOUR
        collection.round()
        finish(collection)
        assert not world.has(f"{location}/weights")
        assert job(world.engine, claimed.job_id).collected_at is not None

    def test_it_looks_now_and_then_or_never(self, here: World) -> None:
        never = Collection(here.engine, here.store, Settings(collect_every_seconds=0), clock=here.clock)
        never.round()
        assert not never.busy
        here.ahead = 2 * HOUR
        collection, another = here.collector(), here.collector()
        for collector, seconds, is_found in (
            (collection, 0, True),
            (another, 300, False),
            (collection, 601, True),
        ):
            location = here.folder("encoders/enc_lost")
            here.ahead = 2 * HOUR + seconds
            collector.round()
            finish(collector)
            assert here.has(f"{location}/file") != is_found
            here.store.delete(location)

    def test_two_at_once_remove_each_file_once(self, here: World) -> None:
        claimed = hold(here.engine)
        here.scribble(claimed)
        for number in range(20):
            here.folder(f"encoders/enc_{number}")
        here.end(claimed)
        here.ahead = 2 * HOUR
        hasty = Settings(collect_every_seconds=1e-9, collect_after_seconds=3600)
        both = [Collection(here.engine, here.store, hasty, clock=here.clock) for _ in range(2)]
        for collection in both:
            collection.round()
        for collection in both:
            finish(collection)
        assert here.counted() == (24, 240)
        with reading(here.engine) as session:
            assert checkpoints_of(session, claimed.job_id) == []


@pytest.mark.system
def test_a_real_reconciler_collects_what_a_real_job_leaves(folder: Path) -> None:
    soon = {"SIGNFORGE_COLLECT_EVERY_SECONDS": "0.5", "SIGNFORGE_COLLECT_AFTER_SECONDS": "1"}
    service = Service(folder, **soon)
    try:
        service.start()
        job_id = service.submit(steps=10)
        service.wait_for_state(job_id, "succeeded")
        wait_for(
            lambda: service.job(job_id).collected_at is not None, within_seconds=20, what="the collection"
        )
        with reading(service.engine) as session:
            kept = {service.store.local_path(row.location) for row in checkpoints_of(session, job_id)}
        assert kept
        left = service.store.job_folder(job_id).rglob("*")
        assert {file.parent for file in left if file.is_file()} == kept
        assert service.weights(job_id) == expected_weights(10)
        assert "bytes): 1 of jobs" in (folder / f"{RECONCILER}.log").read_text()
    finally:
        service.stop_everything()
