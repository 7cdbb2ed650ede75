"""Hints for ids and names that the service does not know."""

import pytest

from signforge.client.transport.unknown_names import hint_for, wanted_by

JOBS = [
    {"id": "job_01hxyzabcdef", "name": "signs-encoder"},
    {"id": "job_01hxyw123456", "name": None},
]
CORPORA = [{"id": "cor_1", "name": "signs"}, {"id": "cor_2", "name": "wlasl"}]


@pytest.mark.parametrize(
    ("collection", "wanted", "said"),
    [
        ("jobs", "job_01hxyza", " Did you mean job_01hxyzabcdef? `signforge jobs` lists all."),
        ("jobs", "job_01hxyzabcdeg", " Did you mean job_01hxyzabcdef? `signforge jobs` lists all."),
        (
            "jobs",
            "signs-encoder",
            " Did you mean job_01hxyzabcdef (signs-encoder)? `signforge",
        ),
        ("jobs", "nothing", " `signforge jobs` lists all."),
        ("jobs", "job_01hxyw123456", ""),
        ("corpora", "sings", " Did you mean 'signs'? `signforge corpora list` lists all."),
        ("corpora", "nothing", " There are: signs, wlasl. `signforge corpora list` lists all."),
    ],
)
def test_a_hint_names_what_is_close_and_what_lists_all(collection: str, wanted: str, said: str) -> None:
    found = hint_for(collection, wanted, JOBS if collection == "jobs" else CORPORA)
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_an_empty_collection_is_called_empty() -> None:
    assert hint_for("corpora", "signs", []) == " There are none yet. `signforge corpora list` lists them."


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/v1/jobs/job_1/events?after=3", ("jobs", "job_1")),
        ("/v1/encoders/a%2Fb", ("encoders", "a/b")),
        ("/v1/jobs", None),
        ("/v1/checkpoints/ckp_1", None),
        ("/", None),
    ],
)
def test_a_path_names_one_thing_of_a_collection(path: str, wanted: tuple[str, str] | None) -> None:
    assert wanted_by(path) == wanted
