"""Requests that a clumsy or hostile client may send: strategies of Hypothesis."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

MOST_BYTES = 2**20
"""The service's limit of a JSON body."""


@dataclass(frozen=True)
class Hostile:
    """One request."""

    method: str
    path: str
    query: str = ""
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    with_key: bool = True

    def __repr__(self) -> str:
        shown = self.body if self.body is None else (len(self.body), self.body[:200])
        return (
            f"{self.method} {self.path[:200]}?{self.query[:200]} body {shown} headers "
            f"{ {name: value[:100] for name, value in self.headers.items()} } key {self.with_key}"
        )

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """What Hypothesis shows of it."""
        printer.text(repr(self))


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """Method, path and query parameters of each operation of an OpenAPI document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parameters = operation.get("parameters", [])
            yield method.upper(), path, [each["name"] for each in parameters if each["in"] == "query"]


def requests(document: dict[str, Any], known_ids: list[str]) -> st.SearchStrategy[Hostile]:
    """Any operation, with ids, query, headers and body that may be large, wrong or odd."""
    return st.sampled_from(sorted(operations(document))).flatmap(
        lambda operation: _request(*operation, known_ids)
    )


_SIZES = st.sampled_from([1, 30, 1000, 20_000, 60_000])
_ODD = st.sampled_from(["\0", "\n", "\u2028", "'", "\ud7ff", "é", "a", "%", "/", "..", "1", "-"])
_TEXT = st.one_of(
    st.text(max_size=20),
    st.builds(lambda text, times: (text * times)[:60_000], _ODD, _SIZES),
)
_NUMBERS = st.sampled_from([0, -1, 1e308, 2**63, 10**300, True, None, 0.5])
_FIELDS = st.sampled_from(
    ["kind", "corpus", "recipe", "overrides", "run", "clips", "splits", "source", "name", "url", "scopes"]
)
_LEAVES = _TEXT | _NUMBERS
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_FIELDS | _TEXT, inner, max_size=4),
    max_leaves=12,
)


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode(errors="replace")


_KINDS = st.sampled_from(["pretrain", "evaluate", "import_corpus", "fine_tune", "leak_audit", "x"])
_DOCUMENTS = st.builds(
    lambda kind, fields: _dumped({"kind": kind, "corpus": "c", **fields}),
    _KINDS,
    st.dictionaries(_FIELDS, _VALUES, max_size=6),
)
_REPEATED = st.builds(
    lambda begin, piece, end, times: begin + piece * min(times, (MOST_BYTES - 200) // len(piece)) + end,
    st.sampled_from([b"", b"[", b'{"kind":"pretrain","corpus":"c","clips":{"splits":[', b'{"a":']),
    st.sampled_from(
        [b"1,", b"[", b'{"a":', b'"', b"[],", b"{},", b'"k":1,', b"\\u0000", b"9", b"\xff", b" "]
    ),
    st.sampled_from([b"", b"1]", b"1]}}", b"}"]),
    st.sampled_from([1, 900, 19_000, 400_000]),
)
_WIDE = st.builds(
    lambda count, length: _dumped({"kind": "pretrain", **{f"{'k' * length}{n}": n for n in range(count)}}),
    st.sampled_from([10, 900, 1001]),
    st.sampled_from([1, 100, 900]),
)
_BODIES = st.one_of(st.none(), _DOCUMENTS, _REPEATED, _WIDE, st.binary(max_size=100))
_HEADER_NAMES = st.sampled_from(
    ["Content-Type", "Idempotency-Key", "If-None-Match", "Range", "Last-Event-ID", "Accept", "Repr-Digest"]
)
_MEDIA_TYPES = ["application/json", "multipart/form-data", "multipart/form-data; boundary=x", "*"]
_HEADERS = st.dictionaries(
    _HEADER_NAMES,
    st.one_of(
        st.sampled_from(_MEDIA_TYPES),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
        st.builds(
            lambda piece, times: piece * times, st.sampled_from(['"a",', "0-1,", "x", ";q=1,"]), _SIZES
        ),
    ),
    max_size=3,
)


@st.composite
def _request(draw: st.DrawFn, method: str, path: str, parameters: list[str], known_ids: list[str]) -> Hostile:
    names = st.sampled_from([*parameters, "unknown"]) | _TEXT
    pairs = [
        f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, value in draw(st.lists(st.tuples(names, _TEXT), max_size=4))
    ]
    query = "&".join(pairs * draw(st.sampled_from([1, 1, 1, 500])))[:30_000]
    identifiers = st.sampled_from(known_ids) | _TEXT
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + quote(draw(identifiers), safe="")[:30_000] + rest.partition("}")[2]
    headers = {"Content-Type": "application/json", **draw(_HEADERS)}
    return Hostile(method, path, query, draw(_BODIES), headers, draw(st.booleans()))
