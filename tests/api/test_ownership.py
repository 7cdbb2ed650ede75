"""Ownership: an owner cannot see or use the resources of another."""

from tests.api.conftest import Bench


def test_nobody_sees_or_touches_what_is_somebody_elses(bench: Bench) -> None:
    corpus_id = bench.make_corpus()
    encoder_id = bench.make_encoder(corpus_id)
    bench.make_evaluation(corpus_id, encoder_id)
    upload = bench.client.post("/v1/uploads?filename=a", content=b"x").json()
    job_id = bench.submit_import("waiting")
    (evaluation,) = bench.client.get("/v1/evaluations").json()["data"]
    for stranger in (bench.client_of("ben", "submit"), bench.client_of("root", "admin")):
        for path in ("jobs", "corpora", "encoders", "evaluations"):
            assert stranger.get(f"/v1/{path}").json()["data"] == []
        job = f"jobs/{job_id}"
        for path in (
            job,
            *(f"{job}/{part}" for part in ("events", "metrics", "attempts", "checkpoints")),
            f"corpora/{corpus_id}",
            f"encoders/{encoder_id}",
            f"encoders/{encoder_id}/card",
            f"encoders/{encoder_id}/download",
            f"evaluations/{evaluation['id']}",
            f"uploads/{upload['id']}",
        ):
            assert bench.client.get(f"/v1/{path}").status_code == 200
            answer = stranger.get(f"/v1/{path}")
            assert answer.status_code == 404, path
            absent = stranger.get(f"/v1/{path[:-1]}x") if path.count("/") == 1 else answer
            assert set(absent.json()) == set(answer.json())
        for action in ("cancel", "pause", "resume"):
            assert stranger.post(f"/v1/{job}/{action}").status_code == 404
        for body in (
            {"kind": "pretrain", "corpus": corpus_id, "recipe": "smoke"},
            {"kind": "pretrain", "corpus": "signs", "recipe": "smoke"},
            {"kind": "import", "name": "mine", "source": upload["id"]},
        ):
            answer = stranger.post("/v1/jobs", json=body)
            assert answer.status_code == 422
            assert "Did you mean" not in answer.text
    assert bench.client.get(f"/v1/jobs/{job_id}").json()["state"] == "queued"


def test_two_owners_may_use_one_name(bench: Bench) -> None:
    bench.make_corpus("signs", owner="ada")
    his = bench.make_corpus("signs", owner="ben")
    body = {"kind": "pretrain", "corpus": "signs", "recipe": "smoke"}
    job = bench.client_of("ben", "submit").post("/v1/jobs", json=body).json()
    assert job["spec"]["corpus"] == his


def test_a_name_in_place_of_an_id_is_answered_with_the_id(bench: Bench) -> None:
    corpus_id = bench.make_corpus(name="signs")
    encoder_id = bench.make_encoder(corpus_id)
    name = bench.client.get(f"/v1/encoders/{encoder_id}").json()["name"]
    stranger = bench.client_of("ben", "submit")
    for path, noun, by_name, by_id in (
        ("corpora", "corpus", "signs", corpus_id),
        ("encoders", "encoder", name, encoder_id),
    ):
        answer = bench.client.get(f"/v1/{path}/{by_name}")
        assert answer.status_code == 404
        assert answer.json()["detail"] == f"'{by_name}' is the name of your {noun}. Use its id, {by_id}."
        assert bench.client.delete(f"/v1/{path}/{by_name}").json()["detail"].endswith(f"{by_id}.")
        detail = stranger.get(f"/v1/{path}/{by_name}").json()["detail"]
        assert detail == f"You have no {noun} '{by_name}'."
        assert bench.client.delete(f"/v1/{path}/{by_id}").status_code == 204
        assert bench.client.get(f"/v1/{path}/{by_name}").json()["detail"] == detail
