"""Bodies that are nested too deep get 422, wherever JSON is taken."""

import json

import pytest
from fastapi.routing import APIRoute

from api.auth import Route
from api.main import _NOUNS
from core.specs.nesting import MAX_NESTING
from tests.api.conftest import Bench

DEEP = ("[" * 900) + ("]" * 900)


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/corpora", "/v1/webhooks", "/v1/api-keys"])
@pytest.mark.parametrize("depth", [900, 9000])
def test_a_body_that_is_nested_too_deep(bench: Bench, path: str, depth: int) -> None:
    overrides = "[" * depth + "]" * depth
    body = f'{{"kind": "pretrain", "corpus": "c", "url": "https://a.b", "overrides": {{"run": {overrides}}}}}'
    client = bench.client_of("ada", "read", "submit", "admin")
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert fault["code"] == "nested_too_deep"
    assert f"the limit is {MAX_NESTING} " in fault["detail"]


def test_a_form_with_a_specification_that_is_nested_too_deep(bench: Bench) -> None:
    spec = json.dumps({"name": "signs"})[:-1] + f', "split": {DEEP}}}'
    answer = bench.client.post("/v1/corpora", files={"file": ("a.npz", b"x")}, data={"spec": spec})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "nested_too_deep"


def test_every_route_authenticates_and_bounds_its_body() -> None:
    routes = [route for noun in _NOUNS for route in noun.router.routes if isinstance(route, APIRoute)]
    assert len(routes) > 40
    assert [route.path for route in routes if not isinstance(route, Route)] == []
