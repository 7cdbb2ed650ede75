"""Corpus creation from a form, from an upload, and from a path below a corpus root."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.main import create_app
from core.jobs.database import reading
from core.jobs.tables.artifacts import UploadRow
from tests.api.conftest import CORPUS_RESULT, Bench


@pytest.fixture
def root(bench: Bench) -> Path:
    return bench.settings.corpus_roots[0]


def import_path(bench: Bench, source: str | Path) -> httpx.Response:
    body = {"kind": "import", "name": "signs", "source": str(source)}
    return bench.client.post("/v1/jobs", json=body)


class TestForm:
    def post(self, bench: Bench, spec: dict[str, Any], **headers: str) -> httpx.Response:
        form = {"spec": json.dumps(spec)}
        file = {"file": ("poses.npz", b"poses", "application/octet-stream")}
        return bench.client.post("/v1/corpora", data=form, files=file, headers=headers)

    def test_a_file_and_its_specification_become_an_import(self, bench: Bench) -> None:
        answer = self.post(bench, {"name": "signs", "split": {"by": "signer", "test": ["ada"]}})
        assert answer.status_code == 201, answer.text
        job = answer.json()
        assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
        assert job["spec"]["split"] == {
            "by": "signer",
            "test": ["ada"],
            "test_fraction": 0.2,
            "seed": 0,
            "allow_overlap": False,
        }
        with reading(bench.service.engine) as session:
            upload = session.get_one(UploadRow, job["spec"]["source"])
            assert bench.service.store.local_path(upload.location).read_bytes() == b"poses"
            assert upload.filename == "poses.npz"

    def test_the_case_of_the_media_type_does_not_matter(self, bench: Bench) -> None:
        files = {"file": ("poses.npz", b"x" * 30_000), "spec": (None, '{"name": "signs"}')}
        headers = {"Content-Type": "multipart/form-data; boundary=PART"}
        body = httpx.Request("POST", "http://service", files=files, headers=headers).read()
        headers = {"Content-Type": "Multipart/Form-Data; boundary=PART"}
        answer = bench.client.post("/v1/corpora", content=body, headers=headers)
        assert answer.status_code == 201, answer.text

    def test_it_can_be_repeated(self, bench: Bench) -> None:
        first, again = (self.post(bench, {"name": "signs"}, **{"Idempotency-Key": "k"}) for _ in range(2))
        assert first.json() == again.json()
        assert again.headers["idempotency-replayed"] == "true"
        assert len(list((bench.settings.artifacts_folder / "uploads").iterdir())) == 1

    @pytest.mark.parametrize(
        ("spec", "pointer", "telling"),
        [
            ({"nam": "signs"}, "/nam", "Did you mean 'name'?"),
            ({"name": "signs", "split": {"bye": "x"}}, "/split/bye", "Did you mean 'by'?"),
            ({"name": "signs", "source": "upl_1"}, "/source", "Omit 'source'"),
            ({"name": "signs", "image_width": 0}, "/image_width", "got 0"),
            ({"name": "signs", "image_width": 640}, "", "image_height (--image-height) is missing"),
            ({"name": "signs", "split": {"test": ["s1"]}}, "/split", "is 'given'; set split.by to 'signer'"),
            (
                {"name": "a/b"},
                "/name",
                "must not contain slashes or control characters, but this one contains '/'",
            ),
        ],
    )
    def test_a_bad_specification_keeps_no_file(
        self, bench: Bench, spec: dict[str, Any], pointer: str, telling: str
    ) -> None:
        answer = self.post(bench, spec)
        assert answer.status_code == 422
        errors = {error["pointer"]: error["detail"] for error in answer.json()["errors"]}
        assert telling in errors[pointer]
        assert not (bench.settings.artifacts_folder / "uploads").exists()

    def test_a_taken_name_keeps_no_file(self, bench: Bench) -> None:
        bench.make_corpus("signs")
        assert self.post(bench, {"name": "signs"}).status_code == 409
        assert list((bench.settings.artifacts_folder / "uploads").iterdir()) == []

    def test_a_form_without_its_parts_is_refused(self, bench: Bench) -> None:
        file = {"file": ("poses.npz", b"poses", "application/octet-stream")}
        answer = bench.client.post("/v1/corpora", files=file)
        assert answer.status_code == 422
        assert "`spec`" in answer.json()["detail"]
        two = [("file", ("a", b"a")), ("file", ("b", b"b"))]
        answer = bench.client.post("/v1/corpora", files=two)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"

    def test_too_large_a_form_is_refused(self, bench: Bench) -> None:
        file = {"file": ("poses.npz", b"x" * 130_000, "application/octet-stream")}
        answer = bench.client.post("/v1/corpora", data={"spec": "{}"}, files=file)
        assert answer.status_code == 413
        assert "SIGNFORGE_MAX_UPLOAD_BYTES" in answer.json()["detail"]


class TestJson:
    def test_an_upload_becomes_an_import(self, bench: Bench) -> None:
        upload = bench.client.post("/v1/uploads?filename=a.npz", content=b"poses").json()
        answer = bench.client.post("/v1/corpora", json={"name": "signs", "source": upload["id"]})
        assert answer.status_code == 201
        assert answer.json()["spec"]["source"] == upload["id"]

    def test_faults_are_named(self, bench: Bench) -> None:
        answer = bench.client.post("/v1/corpora", json={"name": "signs", "sources": "upl_1"})
        errors = {error["pointer"]: error["detail"] for error in answer.json()["errors"]}
        assert "Did you mean 'source'?" in errors["/sources"]
        assert "missing" in errors["/source"]
        assert bench.client.post("/v1/corpora", content=b"{").json()["errors"][0]["code"] == "json_invalid"


class TestPaths:
    def test_a_path_below_a_root_is_taken_with_links_followed(self, bench: Bench, root: Path) -> None:
        (root / "real").mkdir()
        (root / "link").symlink_to(root / "real")
        answer = import_path(bench, root / "link")
        assert answer.status_code == 201
        assert answer.json()["spec"]["source"] == str((root / "real").resolve())

    def test_whatever_leads_outside_is_refused_naming_the_setting(
        self, bench: Bench, root: Path, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (root / "escape").symlink_to(outside)
        (root / "circle").symlink_to(root / "circle")
        sneaky = [outside, root / "escape", f"{root}/../outside", "/etc/passwd", f"{root}-twin", "poses"]
        for source in [*sneaky, tmp_path / "absent"]:
            answer = import_path(bench, source)
            assert answer.status_code == 422, source
            (error,) = answer.json()["errors"]
            assert error["pointer"] == "/source"
            assert error["code"] == "outside_corpus_roots", source
            assert "POST /v1/uploads" in error["detail"]
        answer = import_path(bench, f"{root}/a\0b")
        assert answer.json()["errors"][0]["pointer"] == "/source"
        assert f"SIGNFORGE_CORPUS_ROOTS ({root})" in import_path(bench, outside).json()["detail"]

    def test_a_missing_file_below_a_root_is_missing(self, bench: Bench, root: Path) -> None:
        answer = import_path(bench, root / "absent")
        assert answer.json()["errors"][0]["code"] == "missing_path"

    def test_without_roots_no_path_is_read(self, bench: Bench) -> None:
        settings = bench.settings.model_copy(update={"corpus_roots": ()})
        app = create_app(settings)
        with bench.portal.wrap_async_context_manager(app.router.lifespan_context(app)):
            closed = Bench(app, bench.portal, settings)
            detail = import_path(closed, "/tmp").json()["detail"]
        assert "SIGNFORGE_CORPUS_ROOTS is empty" in detail


def test_corpora_are_listed_and_shown(bench: Bench) -> None:
    first, second = bench.make_corpus("first"), bench.make_corpus("second")
    listed = bench.client.get("/v1/corpora").json()
    assert [corpus["id"] for corpus in listed["data"]] == [second, first]
    shown = bench.client.get(f"/v1/corpora/{first}").json()
    assert shown == listed["data"][1]
    assert shown["summary"]["split_counts"] == CORPUS_RESULT["split_counts"]
    assert [c["id"] for c in bench.client.get("/v1/corpora?name=first").json()["data"]] == [first]
