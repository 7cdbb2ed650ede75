"""Small pieces of Markdown: tables, cells, anchors and fenced code."""

import json
import re
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, or an empty text where there are no rows."""
    filled = [[cell(text) for text in row] for row in rows]
    if not filled:
        return ""
    lines = [header, ["---"] * len(header), *filled]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def cell(text: str) -> str:
    """Text that may stand in a cell: on one line, with its bars escaped."""
    return re.sub(r"\s+", " ", text).strip().replace("|", r"\|")


def code(text: str) -> str:
    """Inline code, also of text that has backticks itself."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def values(some: Iterable[object]) -> str:
    """Values as inline code, separated by commas."""
    return ", ".join(code(str(value)) for value in some)


def fenced(text: str, language: str) -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```\n"


def as_json(value: object) -> str:
    """A block of indented JSON."""
    return fenced(json.dumps(value, indent=2, ensure_ascii=False), "json")


def heading(level: int, text: str, *, anchor: str = "") -> str:
    """A heading, with an anchor that other pages can link to."""
    target = f"({anchor})=\n" if anchor else ""
    return f"{target}{'#' * level} {text}\n"


def slug(text: str) -> str:
    """The part of an anchor that stands for `text`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def joined(parts: Iterable[str]) -> str:
    """Blocks, with an empty line between them; empty ones are left out."""
    return "\n".join(f"{part.rstrip()}\n" for part in parts if part.strip())
