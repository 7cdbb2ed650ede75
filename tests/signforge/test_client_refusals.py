"""Requests that the client refuses before sending."""

import itertools
import math
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from core.errors import SpecError, UserError
from core.jobs.kinds import KINDS
from signforge import Client
from signforge.client.specifications import checked


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"kind": "evaluat"}, "/kind: There is no kind 'evaluat'. There are: import, pretrain, evaluate"),
        ({"corpus": "x"}, "/kind: The field 'kind' is missing. There are: import, pretrain"),
        ({"kind": "pretrain", "corpsu": "x"}, "/corpus is missing."),
        (
            {"kind": "pretrain", "corpus": "x", "nam": "y"},
            "/nam: There is no field 'nam'. Did you mean 'name'?",
        ),
        ({"kind": "pretrain", "corpus": 3}, "/corpus: Input should be text (got 3)."),
        (
            {"kind": "evaluate", "corpus": "x", "encoder": "e", "protocol": "linear", "num_seeds": 3},
            "num_seeds is 3, but this evaluation draws nothing at random",
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


WRONG_VALUES: list[Any] = [
    None,
    True,
    3,
    -1,
    2.5,
    math.nan,
    "x",
    "",
    "\0",
    [],
    [1],
    {},
    {"x": 1},
    b"x",
    10**30,
]
PYDANTIC_WORDS = (
    "tag",
    "discriminator",
    "dictionary",
    "instance",
    "tuple",
    "boolean",
    "Extra inputs",
    "extract",
)


@pytest.mark.parametrize("kind", KINDS)
def test_no_words_of_the_checking_library_reach_the_user(kind: str) -> None:
    fields = [*KINDS[kind].spec_type.model_fields, "unknown"]
    for field, value in itertools.product(fields, WRONG_VALUES):
        try:
            checked({"kind": kind, "name": "n", "corpus": "c", "source": "s", field: value})
        except SpecError as error:
            sentence = re.sub(r"'[^']*'", "", str(error))  # choices in quotes are words of ours
            assert [word for word in PYDANTIC_WORDS if re.search(rf"\b{word}\b", sentence)] == []
            assert sentence.endswith((".", "?"))


def test_what_is_no_text_is_refused_before_it_is_sent() -> None:
    with Client("http://127.0.0.1:1", api_key="none") as client:
        with pytest.raises(UserError, match="not UTF-8 text"):
            client.corpora.get("\udcff")
        with pytest.raises(UserError, match="idempotency key"):
            client.jobs.submit({"kind": "pretrain", "corpus": "x"}, idempotency_key="a\nb")


ELSEWHERE = {"SIGNFORGE_URL": "http://signforge.invalid:8811", "SIGNFORGE_API_KEY": "sf_x"}


@pytest.mark.system
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SIGNFORGE_API_KEY": "sf_not_a_real_key\n", "SIGNFORGE_URL": "http://127.0.0.1:9"}, "signforge up"),
        ({"SIGNFORGE_API_KEY": "sf_not_a\nreal_key"}, "SIGNFORGE_API_KEY is not an API key"),
        ({**ELSEWHERE, "ALL_PROXY": "socks5://127.0.0.1:1080"}, "ALL_PROXY names a SOCKS proxy"),
        ({**ELSEWHERE, "NO_PROXY": "localhost,fd00::/8"}, "No signforge service answers"),
        ({**ELSEWHERE, "NO_PROXY": "localhost,[::1]"}, "No signforge service answers"),
        ({**ELSEWHERE, "HTTP_PROXY": "http://ada:real_key@h:x"}, "HTTP_PROXY is not the URL"),
        ({"SIGNFORGE_URL": "http://[::1"}, "SIGNFORGE_URL is not the address"),
        ({"SIGNFORGE_DATA_FOLDER": "/tmp/\udcff"}, "SIGNFORGE_DATA_FOLDER"),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_a_value_of_the_environment_that_cannot_be_used_is_one_line(
    settings: dict[str, str], said: str
) -> None:
    ours = ("SIGNFORGE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith(ours)}
    command = [sys.executable, "-m", "signforge.cli", "jobs"]
    ended = subprocess.run(
        command, env={**inherited, **settings}, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Error: ")
    assert (said in ended.stderr, ended.stderr.count("\n")) == (True, 1)
    assert "real_key" not in ended.stderr
