"""Changes of valid files, as a Hypothesis strategy: flips, cuts, splices, repeats, changed lengths."""

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

LARGEST_INPUT = 2**21
"""Bytes; a repeated section makes no more."""
NUMBERS = (0, 1, 2, 127, 255, 1000, 65535, 10**6, 2**31 - 1, 2**32 - 1, 2**33, 2**53, 2**63 - 1, 2**64 - 1)
WIDTHS = (1, 2, 4, 8)
PLACES = st.floats(0, 1, exclude_max=True)

Mutate = Callable[[bytes], bytes]


def mutated(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of the seeds, changed up to six times; rarely unchanged, or bytes of no kind."""
    changes = st.lists(_changes(seeds), min_size=0, max_size=6)
    return st.one_of(
        st.builds(_applied, st.sampled_from(seeds), changes),
        st.builds(lambda seed, size: seed[:size], st.sampled_from(seeds), st.integers(0, 64)),
        st.binary(max_size=64),
    )


def _applied(seed: bytes, changes: Sequence[Mutate]) -> bytes:
    for change in changes:
        seed = change(seed)[:LARGEST_INPUT]
    return seed


def _changes(seeds: Sequence[bytes]) -> st.SearchStrategy[Mutate]:
    sizes = st.one_of(st.integers(0, 16), st.integers(0, 4096))
    return st.one_of(
        st.builds(_flip, PLACES, st.integers(1, 255)),
        st.builds(_flip, PLACES, st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128])),
        st.builds(_cut, PLACES),
        st.builds(_remove, PLACES, sizes),
        st.builds(_splice, PLACES, st.sampled_from(seeds), PLACES, sizes),
        st.builds(_repeat, PLACES, sizes, st.sampled_from([2, 3, 100, 10_000])),
        st.builds(_number, PLACES, st.sampled_from(NUMBERS), st.sampled_from(WIDTHS), st.booleans()),
        st.builds(_digits, PLACES, st.sampled_from(NUMBERS)),
    )


def _at(content: bytes, place: float) -> int:
    return int(place * len(content))


def _flip(place: float, mask: int) -> Mutate:
    def change(content: bytes) -> bytes:
        at = _at(content, place)
        return content[:at] + bytes(byte ^ mask for byte in content[at : at + 1]) + content[at + 1 :]

    return change


def _cut(place: float) -> Mutate:
    return lambda content: content[: _at(content, place)]


def _remove(place: float, size: int) -> Mutate:
    return lambda content: content[: _at(content, place)] + content[_at(content, place) + size :]


def _splice(place: float, other: bytes, other_place: float, size: int) -> Mutate:
    start = _at(other, other_place)
    piece = other[start : start + size]
    return lambda content: content[: _at(content, place)] + piece + content[_at(content, place) + size :]


def _repeat(place: float, size: int, times: int) -> Mutate:
    def change(content: bytes) -> bytes:
        at = _at(content, place)
        piece = content[at : at + size]
        times_that_fit = min(times, LARGEST_INPUT // max(1, len(piece)))
        return content[:at] + piece * times_that_fit + content[at + size :]

    return change


def _number(place: float, number: int, width: int, is_little: bool) -> Mutate:
    """Overwrite a number, such as a length."""
    value = (number % 2 ** (8 * width)).to_bytes(width, "little" if is_little else "big")
    return lambda content: content[: _at(content, place)] + value + content[_at(content, place) + width :]


def _digits(place: float, number: int) -> Mutate:
    """Replace the next digits after a place, such as a side of a shape."""

    def change(content: bytes) -> bytes:
        start = next(
            (at for at in range(_at(content, place), len(content)) if content[at : at + 1].isdigit()), None
        )
        if start is None:
            return content
        end = next(
            (at for at in range(start, len(content)) if not content[at : at + 1].isdigit()), len(content)
        )
        return content[:start] + str(number).encode() + content[end:]

    return change
