"""The import program reads below the corpus root alone, also if a link comes after the submission."""

import json
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from api.submission.sources import resolve_source
from core.corpora import reading as reading_clips
from core.corpora.importing import run
from core.exchange import importing as encoder_importing
from core.jobs.database import reading
from core.jobs.ledger.leases import Claim
from core.jobs.settings import Settings
from core.program.frame import EXIT_REFUSED, main
from core.source_files import Confinement, confined, confinement
from core.specs.import_jobs import ImportEncoderSpec, ImportSpec
from worker.attempt.local_spec import DataMissing, source_root

ROOT = "corpora"


def clip(path: Path) -> None:
    """Write a clip that can be imported."""
    path.parent.mkdir(parents=True, exist_ok=True)
    points = np.random.default_rng(0).uniform(50, 200, size=(12, 133, 2)).astype("f4")
    points[:, [9, 10]] = points[:, [91, 112]]  # the hands are at their arms
    np.savez(path, keypoints=points, scores=np.ones((12, 133), "f4"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for place in (f"{ROOT}/signs/book/one", f"{ROOT}/signs/tree/two", "private/book/three"):
        clip(tmp_path / f"{place}.npz")
    return Settings(data_folder=tmp_path / "data", corpus_roots=(tmp_path / ROOT,))


def claim_of(engine: Engine, settings: Settings, source: Path, *, kind: str = "import") -> Claim:
    """A claim of the job that the API makes of `source`."""
    with reading(engine) as session:
        stored = resolve_source(session, settings, owner="ada", source=str(source), field="source")
    spec = {"kind": kind, "name": "signs", "source": stored}
    return Claim("job_1", 1, "token", kind, spec, None, "ada")


def run_program(claim: Claim, settings: Settings, out: Path) -> tuple[int, dict[str, object]]:
    """Run the program as the supervisor does. Returns its exit code and its last event."""
    root = source_root(claim, settings.corpus_roots)
    out.mkdir()
    (out / "spec.json").write_text(json.dumps({"image_width": 256, "image_height": 256, **claim.spec}))
    journal = out / "journal"
    arguments = ["--spec", str(out / "spec.json"), "--out", str(out), "--source-root", str(root)]
    code = main(run, ImportSpec, arguments=[*arguments, "--events", "--journal", str(journal)])
    return code, json.loads(journal.read_text().splitlines()[-1])


def test_a_folder_below_a_root_is_imported(sqlite_engine: Engine, settings: Settings, tmp_path: Path) -> None:
    claim = claim_of(sqlite_engine, settings, tmp_path / ROOT / "signs")
    code, last = run_program(claim, settings, tmp_path / "out")
    assert (code, last["num_clips"]) == (0, 2), last


@pytest.mark.parametrize("swapped", ["signs", "signs/book", "signs/book/one.npz"])
def test_a_link_that_comes_after_the_submission_is_not_followed(
    sqlite_engine: Engine, settings: Settings, tmp_path: Path, swapped: str
) -> None:
    claim = claim_of(sqlite_engine, settings, tmp_path / ROOT / "signs")
    place = tmp_path / ROOT / swapped
    place.rename(tmp_path / "moved")
    private = tmp_path / "private"
    targets = {"signs": private, "signs/book": private / "book"}
    place.symlink_to(targets.get(swapped, private / "book" / "three.npz"))
    code, last = run_program(claim, settings, tmp_path / "out")
    if swapped == "signs":
        assert code == EXIT_REFUSED
        assert "leads out of" in str(last["message"])
        assert "three" not in str(last)
    else:
        assert (code, last["num_clips"]) == (0, 1), last
        assert "left out" in str(last["report"])


def test_a_file_that_becomes_a_link_is_not_read(
    sqlite_engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / ROOT / "signs" / "book" / "one.npz"
    claim = claim_of(sqlite_engine, settings, file)
    file.unlink()
    file.symlink_to(tmp_path / "private" / "book" / "three.npz")
    code, last = run_program(claim, settings, tmp_path / "out")
    assert code == EXIT_REFUSED
    assert "leads out of" in str(last["message"])


def test_a_released_checkpoint_that_becomes_a_link_is_not_read(
    sqlite_engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / ROOT / "weights.pth.tar"
    file.write_bytes(b"x")
    claim = claim_of(sqlite_engine, settings, file, kind="import_encoder")
    file.unlink()
    file.symlink_to(tmp_path / "private" / "book" / "three.npz")
    out = tmp_path / "out"
    out.mkdir()
    (out / "spec.json").write_text(json.dumps(claim.spec))
    root = str(source_root(claim, settings.corpus_roots))
    arguments = ["--spec", str(out / "spec.json"), "--out", str(out), "--events", "--source-root", root]
    arguments += ["--journal", str(out / "journal")]
    assert main(encoder_importing.run, ImportEncoderSpec, arguments=arguments) == EXIT_REFUSED
    assert "weights.pth.tar: it leads out of" in (out / "journal").read_text()


def test_reader_processes_are_confined_too(tmp_path: Path) -> None:
    """A file may become a link between the listing and the reading."""
    held = Confinement(tmp_path / ROOT, own=(tmp_path / "out",))
    with confined(held), reading_clips._make_pool(2) as pool:
        assert pool.submit(confinement).result(timeout=60) == held


def test_a_worker_reads_no_path_below_none_of_its_roots(
    sqlite_engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    claim = claim_of(sqlite_engine, settings, tmp_path / ROOT / "signs")
    with pytest.raises(DataMissing, match=r"SIGNFORGE_CORPUS_ROOTS \(none\)"):
        source_root(claim, ())
    upload = Claim("job_1", 1, "t", "import", {"source": "upl_1", "name": "n"}, None, "ada")
    assert source_root(upload, ()) is None
