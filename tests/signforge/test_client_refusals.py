"""What the client refuses before anything is sent."""

import pytest

from core.errors import SpecError
from signforge import Client


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"kind": "evaluat"}, "/kind: Input tag 'evaluat'"),
        ({"kind": "pretrain", "corpus": 3}, "/corpus: Input should be a valid string (got 3)."),
        (
            {"kind": "evaluate", "corpus": "x", "encoder": "e", "protocol": "linear", "num_seeds": 3},
            "num_seeds is 3, but nothing here is drawn",
        ),
    ],
)
def test_a_slip_is_named_without_repeating_the_whole_specification(
    body: dict[str, object], said: str
) -> None:
    with Client("http://127.0.0.1:1", api_key="none") as client, pytest.raises(SpecError) as refused:
        client.jobs.submit(body)
    assert str(refused.value).startswith(said)
    assert "{" not in str(refused.value)
