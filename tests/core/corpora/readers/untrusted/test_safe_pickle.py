"""Pickles as plain values: what is read back, and what is refused, by name and without being run."""

import collections
import gzip
import os
import pickle
import pickletools
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.corpora.readers.untrusted.safe_pickle import PickleLimits, is_pickle, load_pickle
from core.errors import CorpusError
from tests.memory import MIB, memory_within

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def equal(one: object, other: object) -> bool:
    """The same values of the same types, arrays included."""
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return type(one) is type(other) and len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and one == other


def loaded(folder: Path, data: bytes, **limits: Any) -> object:
    path = folder / "some.pkl"
    path.write_bytes(data)
    return load_pickle(path, limits=PickleLimits(**limits))


class Runs:
    """Pickles as a call of something."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> Any:
        return self.reduced


class WithState:
    """Pickles as an object of a class of one's own."""

    def __init__(self) -> None:
        self.innocent = 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_come_back_from_every_protocol(tmp_path: Path, protocol: int) -> None:
    array = np.arange(24, dtype=">i2").reshape(2, 3, 4)
    value = {
        "poses": {"a": np.random.default_rng(0).random((5, 133, 3)), "b": np.zeros((0, 133, 3), "f2")},
        "orders": [array, array, array.transpose(2, 0, 1), np.asfortranarray(array), array[:, ::2]],
        "text": np.array(["book", "drink"]),
        "flags": np.array([True, False]),
        "one": np.array(3.5),
        "plain": [None, True, 0, -1, 2**63, 0.5, "ü", b"\x00\xff", b"", (), (1,), (1, 2, 3, 4), {}, []],
        "sets": ({1, 2}, frozenset({"x"}), set()),
        5: "five",
    }
    assert equal(value, loaded(tmp_path, pickle.dumps(value, protocol)))


def test_numbers_of_numpy_become_plain_ones(tmp_path: Path) -> None:
    value = [np.float64(2.5), np.int64(-3), np.bool_(True), np.str_("a")]
    assert equal([2.5, -3, True, "a"], loaded(tmp_path, pickle.dumps(value)))


def test_a_pickle_of_python_2_is_read(tmp_path: Path) -> None:
    array = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85"
        b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"U\x08\x00\x00\x80?\x00\x00\xc0?tb."
    )
    assert equal(np.array([1.0, 1.5], "f4"), loaded(tmp_path, array))


def test_gzip_is_unpacked_up_to_a_limit(tmp_path: Path) -> None:
    data = gzip.compress(pickle.dumps({"name": "64550"}))
    assert loaded(tmp_path, data) == {"name": "64550"}
    with pytest.raises(CorpusError, match=r"states a length of \d+ bytes, but at most \d+ are left"):
        loaded(tmp_path, gzip.compress(pickle.dumps(bytes(5000))), max_unpacked_bytes=1000)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Runs(os.system, "touch ran"), f"{os.system.__module__}.system"),
        (Runs(eval, "1"), r"(builtins|__builtin__)\.eval"),
        (Runs(getattr, "", "join"), r"(builtins|__builtin__)\.getattr"),
        (WithState(), "WithState|_reconstructor"),
        (collections.OrderedDict(a=1), r"collections\.OrderedDict"),
        (np.array([{}, None], dtype=object), "arrays of the type 'O8'"),
        (np.zeros(2, [("x", "f4")]), "arrays of the type 'V4'"),
        (np.array(["2026-01-01"], "M8[D]"), "arrays of the type 'M8'"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), r"numpy\.ma"),
        (2**70, "an integer of more than 64 bits"),
        ({(1, 2): 3}, "a tuple as a key"),
        (1j, r"(builtins|__builtin__)\.complex"),
        (Path, r"pathlib\.Path"),
    ],
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_anything_else_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object, named: str, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match=rf"some\.pkl holds .*({named}).* Save it again"):
        loaded(tmp_path, pickle.dumps([1, value], protocol))
    assert [path.name for path in tmp_path.iterdir()] == ["some.pkl"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Pname\n.", "the operation PERSID"),
        (b"\x80\x02NQ.", "the operation BINPERSID"),
        (b"\x80\x02\x82\x01.", "the operation EXT1"),
        (b"\x80\x02\x84\x01\x02\x03\x04.", "the operation EXT4"),
        (b"(cos\nsystem\nS'true'\no.", r"os\.system"),
        (b"(S'true'\nios\nsystem\n.", "the operation INST"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "the operation NEWOBJ"),
        (b"\x80\x05\x97.", "the operation NEXT_BUFFER"),
        (b"\x80\x02]}b.", "a list with its own state"),
        (b"\x80\x02cnumpy\ndtype\n}b.", "a Function with its own state"),
        (b"\x80\x02K\x01)R.", "a call of a int"),
        (b"\x80\x02cnumpy\nndarray\n)R.", "a call of a str"),
        (b"\x80\x02cnumpy\ndtype\n.", "holds a function"),
        (b"\x80\x02cnumpy\ndtype\nX\x02\0\0\0f4\x85R.", "an incomplete array"),
        (b"\x80\x02}K\x01a.", "a dict that is used as a list"),
        (b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x04\0\0\0utf7\x86R.", "text with the encoding 'utf7'"),
        (b"\x80\x02c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.", "bytes converted from another type"),
        (b"\x80\x02" + b"]" * 40 + b"a" * 39 + b".", "nested more than 32 deep, or nested in themselves"),
        (b"\x80\x02)" + b"\x85" * 500_000 + b".", "nested more than 32 deep"),
        (b"\x80\x02]q\x00h\x00a.", "nested more than 32 deep, or nested in themselves"),
        (b"\x80\x02" + b"]q\x00(" + b"h\x00" * 10 + b"e.", "in themselves"),
    ],
)
def test_hostile_operations_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        loaded(tmp_path, data)


def test_a_little_that_unfolds_to_a_lot_is_refused(tmp_path: Path) -> None:
    laughs = b"\x80\x02(]q\x00"
    for level in range(20):
        laughs += b"](" + bytes([ord("h"), level]) * 10 + b"eq" + bytes([level + 1])
    with pytest.raises(CorpusError, match="holds values nested"):
        loaded(tmp_path, laughs + b"t.", max_operations=100_000)


def test_one_array_many_times_is_counted_as_many(tmp_path: Path) -> None:
    array = np.zeros(10_000)
    assert len(loaded(tmp_path, pickle.dumps([array] * 12), max_bytes=1_000_000)) == 12  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match="arrays of more than 1000000 bytes"):
        loaded(tmp_path, pickle.dumps([array] * 13), max_bytes=1_000_000)


_TEXT = b"\x80\x02](X" + struct.pack("<I", 2**20) + b"a" * 2**20 + b"q\x00"
_BYTES_OF_TEXT = b"c_codecs\nencode\nh\x00X\x06\0\0\0latin1\x86R"
_ARRAY_OF_TEXT = (
    b"cnumpy._core.numeric\n_frombuffer\n(h\x00cnumpy\ndtype\nX\x02\0\0\0u1\x85R(K\x03X\x01\0\0\0|NNN"
    b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbJ\x00\x00\x10\x00\x85X\x01\0\0\0CtR"
)
_SETS = b"\x80\x02](](" + b"".join(b"M" + struct.pack("<H", key) for key in range(2**16)) + b"eq\x00"
_SET_OF_LIST = b"cbuiltins\nset\nh\x00\x85R"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "copy"), [(_TEXT, _BYTES_OF_TEXT), (_TEXT, _ARRAY_OF_TEXT), (_SETS, _SET_OF_LIST)]
)
def test_calls_that_copy_one_value_many_times_are_refused(tmp_path: Path, start: bytes, copy: bytes) -> None:
    assert len(loaded(tmp_path, start + copy + b"e.")) == 2  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        with pytest.raises(CorpusError, match="holds calls that allocate more than 134217728 bytes"):
            loaded(tmp_path, gzip.compress(start + copy * 1000 + b"e."))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2**28


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
        b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"x.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
        b"\x80\x02B" + struct.pack("<I", 2**31) + b"x.",
        b"\x80\x02\x8b" + struct.pack("<i", 2**30) + b"x.",
        b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"Nr" + struct.pack("<I", 2**32 - 1) + b"N.",
    ],
)
def test_claims_of_gigabytes_ask_for_no_memory(tmp_path: Path, data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(CorpusError, match=r"some\.pkl is damaged"):
            loaded(tmp_path, data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2**20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": (10**12,)}, "the wrong size, 8 bytes"),
        ({"shape": (-2,)}, r"has the invalid shape \(-2,\)"),
        ({"shape": (0, 2**62, 2**62)}, "damaged"),
        (
            {"shape": (10**6, 100, 0), "data": b""},
            r"an array of shape \(1000000, 100, 0\) .* without data",
        ),
        ({"shape": (10**3,), "data": b"", "dtype": np.dtype("S0")}, "without data"),
        ({"shape": [2]}, r"has the invalid shape \[2\]"),
        ({"data": b"1234"}, "the wrong size, 4 bytes"),
        ({"data": [1.0, 2.0]}, "an array of list"),
        ({"dtype": "f4"}, "an array of bytes"),
    ],
)
def test_arrays_whose_parts_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    parts: dict[str, Any] = {"data": b"\0" * 8, "dtype": np.dtype("f4"), "shape": (2,)} | changes
    state = (1, parts["shape"], parts["dtype"], False, parts["data"])
    reduced = np.zeros(0).__reduce__()

    class Forged:
        def __reduce__(self) -> Any:
            return reduced[0], reduced[1], state  # pickle writes the state without asking NumPy

    with pytest.raises(CorpusError, match=message):
        loaded(tmp_path, pickle.dumps(Forged()))


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80", b"\x80\x04N", b"\x80\x04.", b"\x80\x02NN.", b"hello", b"S'\\\xde'\n.", b"\x80\x04N.N"],
)
def test_damage_is_named(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CorpusError, match=r"some\.pkl is damaged"):
        loaded(tmp_path, data)


def test_what_is_above_the_limits_is_refused(tmp_path: Path) -> None:
    data = pickle.dumps(list(range(1000)))
    with pytest.raises(CorpusError, match=r"has \d+ bytes; the limit for a pickle is 100"):
        loaded(tmp_path, data, max_bytes=100)
    with pytest.raises(CorpusError, match="more than 500 operations"):
        loaded(tmp_path, data, max_operations=500)


@settings(deadline=None, max_examples=300)
@given(changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_pickle_is_an_error_or_plain_values(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    value = {"a": np.zeros((2, 3)), "b": [1, "two", {"c": (None, 4.5)}]}
    data = bytearray(pickle.dumps(value))
    for place, byte in changes:
        data[place % len(data)] = byte
    try:
        loaded(tmp_path_factory.getbasetemp(), bytes(data))
    except CorpusError as error:
        assert "some.pkl" in str(error)  # noqa: PT017 - either outcome is right


def test_pickles_are_detected(tmp_path: Path) -> None:
    for name, content, expected in [
        ("upload", pickle.dumps(1), True),
        ("old.pkl", pickle.dumps(1, 0), True),
        ("upload", b"\x80\x09", False),
        ("clip.npz", b"PK\x03\x04", False),
    ]:
        (tmp_path / name).write_bytes(content)
        assert is_pickle(tmp_path / name) is expected


def test_every_operation_is_either_read_or_refused_by_name(tmp_path: Path) -> None:
    for operation in pickletools.opcodes:
        with pytest.raises(CorpusError, match=r"some\.pkl (is damaged|holds)"):
            loaded(tmp_path, operation.code.encode("latin-1"))


_FILLED = b"\x80\x04](" + b"".join(b"M" + struct.pack("<H", key) for key in range(300, 3300)) + b"e."
_BOMBS = {
    "sets": b"\x80\x04](" + b"\x8f" * 300_000 + b"e.",
    "memo": b"\x80\x04N" + b"\x94" * 600_000 + b".",
    "marks": b"\x80\x04" + b"(" * 600_000,
    "tuples": b"\x80\x04](" + b"N\x85" * 600_000 + b"e.",
    "integers": b"\x80\x04](" + b"M\xff\xff" * 900_000 + b"e.",
    "entries": b"\x80\x04}("
    + b"".join(struct.pack("<cHc", b"M", n % 65536, b"N") for n in range(300_000))
    + b"u.",
}


@pytest.mark.slow
@pytest.mark.parametrize("bomb", _BOMBS)
def test_the_memory_of_values_is_bounded(tmp_path: Path, bomb: str) -> None:
    data = gzip.compress(_BOMBS[bomb], 1)
    with (
        memory_within(48 * MIB),
        pytest.raises(CorpusError, match="values that take more than 8388608 bytes"),
    ):
        loaded(tmp_path, data, max_object_bytes=8 * MIB)
    assert len(loaded(tmp_path, _FILLED, max_object_bytes=MIB)) == 3000  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_check_of_many_values_takes_little_memory(tmp_path: Path) -> None:
    data = b"\x80\x04](" + b"N" * 1_000_000 + b"e."
    with memory_within(56 * MIB):
        assert len(loaded(tmp_path, data)) == 1_000_000  # type: ignore[arg-type]
