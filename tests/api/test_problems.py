"""Errors are problem documents that say what to change and reveal no internals."""

from io import StringIO
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.main import create_app
from core.jobs.database import transaction
from core.jobs.keys import create_api_key, revoke
from core.jobs.tables.access import ApiKeyRow
from tests.api.conftest import Bench


def problem(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = dict(response.json())
    assert document["type"] == f"urn:signforge:problem:{name}"
    assert document["status"] == status
    assert document["request_id"] == response.headers["x-request-id"]
    assert document["instance"] == response.request.url.path
    assert document["title"]
    assert document["detail"]
    return document


class TestWhoAsks:
    @pytest.mark.parametrize(
        ("header", "telling", "challenge"),
        [
            (None, "has no API key", 'Bearer realm="signforge"'),
            ("Basic YTpi", "has no API key", "Bearer"),
            ("Bearer secret", "is not an API key", 'error="invalid_token"'),
            ("Bearer sf_0123_abcdef", "unknown, revoked or expired", 'error="invalid_token"'),
        ],
    )
    def test_a_wrong_key_is_told_what_is_wrong_and_where_keys_are(
        self, bench: Bench, header: str | None, telling: str, challenge: str
    ) -> None:
        client = bench.client_with({"Authorization": header} if header else {})
        for path in ("/v1/jobs", "/v1/recipes", "/v1/workers", "/v1/encoders/enc_1/download"):
            answer = client.get(path)
            detail = problem(answer, 401, "unauthorised")["detail"]
            assert telling in detail
            assert "SIGNFORGE_DATA_FOLDER" in detail
            assert challenge in answer.headers["www-authenticate"]

    def test_every_versioned_operation_wants_a_key(self, bench: Bench) -> None:
        client = bench.client_with({})
        paths = create_app(bench.settings).openapi()["paths"]
        operations = [(path, method) for path in paths for method in paths[path] if path.startswith("/v1/")]
        assert len(operations) > 20
        for path, method in operations:
            assert client.request(method, path).status_code == 401, (method, path)

    def test_a_key_with_a_wrong_secret_a_revoked_and_an_expired_one_are_refused(self, bench: Bench) -> None:
        token = bench.client.headers["authorization"]
        bench.client.headers["authorization"] = token[:-1] + ("0" if token[-1] != "0" else "1")
        problem(bench.client.get("/v1/jobs"), 401, "unauthorised")
        with transaction(bench.service.engine) as session:
            revoked = create_api_key(session, owner="ada", scopes=["read"])
            row = session.get_one(ApiKeyRow, f"key_{revoked.split('_')[1]}")
            revoke(session, row)
        client = bench.client_with({"Authorization": f"Bearer {revoked}"})
        problem(client.get("/v1/jobs"), 401, "unauthorised")

    def test_a_scope_that_does_not_reach_is_named(self, bench: Bench) -> None:
        reader = bench.client_of("ada", "read")
        assert reader.get("/v1/jobs").status_code == 200
        answer = reader.post("/v1/uploads?filename=a", content=b"x")
        assert "'submit'" in problem(answer, 403, "insufficient-scope")["detail"]
        assert 'scope="submit"' in answer.headers["www-authenticate"]
        problem(bench.client.get("/v1/api-keys"), 403, "insufficient-scope")
        admin = bench.client_of("ada", "admin")
        assert admin.get("/v1/jobs").status_code == 200
        assert admin.post("/v1/uploads?filename=a", content=b"x").status_code == 201


class TestWhatIsAsked:
    def test_unknown_paths_methods_and_ids(self, bench: Bench) -> None:
        assert "/v1/job" in problem(bench.client.get("/v1/job"), 404, "not-found")["detail"]
        answer = bench.client.delete("/v1/recipes")
        assert "it takes GET" in problem(answer, 405, "method-not-allowed")["detail"]
        assert answer.headers["allow"] == "GET"
        assert bench.client.put("/v1/jobs").headers["allow"] == "GET, POST"
        problem(bench.client.get("/v1/jobs/job%00"), 404, "not-found")
        for noun in ("jobs", "uploads", "corpora", "encoders", "evaluations", "checkpoints"):
            answer = bench.client.get(f"/v1/{noun}/x_1")
            assert "'x_1'" in problem(answer, 404, "not-found")["detail"]
        assert (
            "Did you mean 'smoke'"
            in problem(bench.client.get("/v1/recipes/smok"), 404, "not-found")["detail"]
        )

    @pytest.mark.parametrize("value", ["5", True])
    def test_a_number_is_not_guessed_from_something_else(self, bench: Bench, value: object) -> None:
        body = {"kind": "evaluate", "corpus": "signs", "features": "keypoints", "num_neighbours": value}
        (error,) = problem(bench.client.post("/v1/jobs", json=body), 422, "invalid-request")["errors"]
        assert error["pointer"] == "/num_neighbours"
        assert repr(value) in error["detail"]

    def test_json_that_is_none(self, bench: Bench) -> None:
        headers = {"Content-Type": "application/json"}
        answer = bench.client.post("/v1/jobs", content=b'{"kind": "import",,}', headers=headers)
        assert "at character 18" in problem(answer, 422, "invalid-request")["detail"]
        answer = bench.client.post("/v1/jobs", content=b"[1]", headers=headers)
        problem(answer, 422, "invalid-request")

    def test_json_that_is_not_declared(self, bench: Bench) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = bench.client.post("/v1/jobs", content=b"{}", headers=headers)
        detail = problem(answer, 415, "unsupported-media-type")["detail"]
        assert "application/x-www-form-urlencoded" in detail
        assert "Content-Type: application/json" in detail

    def test_several_faults_come_together(self, bench: Bench) -> None:
        answer = bench.client.get("/v1/jobs?limit=0&state=running!")
        errors = problem(answer, 422, "invalid-request")["errors"]
        assert {error["pointer"] for error in errors} == {"/limit", "/state"}
        admin = bench.client_of("ada", "admin")
        answer = admin.post("/v1/api-keys", json={"ownr": "ben", "scopes": ["write"]})
        errors = problem(answer, 422, "invalid-request")["errors"]
        assert {error["pointer"] for error in errors} == {"/owner", "/ownr", "/scopes/0"}
        assert any("Did you mean 'owner'?" in error["detail"] for error in errors)

    def test_a_misspelt_dry_run_does_not_submit(self, bench: Bench) -> None:
        bench.make_corpus()
        body = {"kind": "pretrain", "corpus": "signs", "recipe": "smoke"}
        answer = bench.client.post("/v1/jobs?dry_rum=true", json=body)
        (error,) = problem(answer, 422, "invalid-request")["errors"]
        assert (error["location"], error["pointer"]) == ("query", "/dry_rum")
        assert "Did you mean 'dry_run'?" in error["detail"]
        assert bench.client.get("/v1/jobs?state=queued").json()["data"] == []
        assert "takes none" in bench.client.get("/v1/recipes?x=1").json()["detail"]

    def test_a_field_with_slashes_has_a_correct_pointer(self, bench: Bench) -> None:
        body = {"kind": "import", "name": "a", "source": "s", "a/b~c": 1}
        answer = bench.client.post("/v1/jobs", json=body)
        (error,) = problem(answer, 422, "invalid-request")["errors"]
        assert error["pointer"] == "/a~1b~0c"


class TestSizes:
    def test_too_large_a_body_is_told_the_limit_and_its_setting(self, bench: Bench) -> None:
        body = {"kind": "import", "name": "a", "source": "x" * 20_000}
        document = problem(bench.client.post("/v1/jobs", json=body), 413, "too-large")
        assert "SIGNFORGE_MAX_BODY_BYTES" in document["detail"]
        assert "20,000 bytes" in document["detail"]
        assert document["limit_bytes"] == 20_000

    def test_too_large_an_upload_is_told_the_limit_and_its_setting(self, bench: Bench) -> None:
        declared = bench.client.post("/v1/uploads?filename=a", content=b"x" * 100_001)
        document = problem(declared, 413, "too-large")
        assert "SIGNFORGE_MAX_UPLOAD_BYTES" in document["detail"]
        assert "100,000 bytes" in document["detail"]
        assert "has 100,001 bytes" in document["detail"]
        assert bench.client.post("/v1/uploads?filename=a", content=b"x" * 100_000).status_code == 201

    def test_calling_it_a_form_does_not_raise_the_limit(self, bench: Bench) -> None:
        as_form = {"Content-Type": "multipart/form-data; boundary=x"}
        for path, kind in (("/v1/jobs", as_form), ("/v1/corpora", {"Content-Type": "multipart/mixed"})):
            answer = bench.client.post(path, content=b"x" * 30_000, headers=kind)
            problem(answer, 413, "too-large")

    def test_an_undeclared_length_is_counted(self, bench: Bench) -> None:
        chunked = {"Transfer-Encoding": "chunked"}
        content = iter([b"x" * 60_000, b"x" * 60_000])
        answer = bench.client.post("/v1/uploads?filename=a", content=content, headers=chunked)
        problem(answer, 413, "too-large")
        assert list((bench.settings.artifacts_folder / "uploads").iterdir()) == []


class TestFaultsOfOurs:
    def test_nothing_leaks_but_the_log_knows(self, bench: Bench, log: StringIO) -> None:
        job_id = bench.submit_import()
        with transaction(bench.service.engine) as session:
            session.execute(text("UPDATE jobs SET spec = '{damaged'"))
        answer = bench.client.get(f"/v1/jobs/{job_id}")
        document = problem(answer, 500, "internal-error")
        assert set(document) == {"type", "title", "status", "detail", "instance", "request_id", "errors"}
        for secret in ("JSON", "damaged", "Traceback", str(bench.settings.data_folder)):
            assert secret not in answer.text
        failed = next(line for line in log.getvalue().splitlines() if "ERROR" in line)
        assert f"request_id={document['request_id']}" in failed
        assert "JSONDecodeError" in log.getvalue()

    def test_a_database_that_fails_is_worth_another_try(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        with transaction(bench.service.engine) as session:
            session.execute(text("DROP TABLE workers"))
        answer = bench.client.get("/v1/workers")
        assert "no such table" in caplog.text
        assert "table" not in problem(answer, 503, "unavailable")["detail"]
        assert answer.headers["retry-after"] == "2"

    def test_a_full_disk_is_named_and_leaves_nothing(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("core.jobs.storage.artifacts.os.fsync", full)
        answer = bench.client.post("/v1/uploads?filename=a", content=b"poses")
        assert "Free some space" in problem(answer, 507, "storage-full")["detail"]
        assert list((bench.settings.artifacts_folder / "uploads").iterdir()) == []

    def test_every_request_has_its_own_id(self, bench: Bench) -> None:
        ids = {bench.client.get("/healthz").headers["x-request-id"] for _ in range(5)}
        assert len(ids) == 5
        assert all(request_id.startswith("req_") for request_id in ids)
