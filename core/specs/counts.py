"""Counts of things in words: 1 clip, 2 clips."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 clip` or `2 clips`; `plural` is for nouns that take another ending than `s`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
