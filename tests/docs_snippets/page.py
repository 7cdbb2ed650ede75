"""Read the code blocks of a Markdown page, each with what the comment before it says about it.

Comments that readers do not see direct how a page is tested:

* `<!-- setup`, code on the next lines, `-->`: a hidden block that is run by the shell.
* `<!-- not run: REASON -->`: the next block is checked for syntax alone. `; checked by: COMMAND` may follow.
* `<!-- background until: TEXT -->`: the next block keeps running; the page goes on when it has printed TEXT.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

RUNNABLE = frozenset({"sh", "python"})
OUTPUT = "text"

_SETUP = "setup"
_NOT_RUN = re.compile(r"not run: (?P<reason>[^;]+?)(?:; checked by: (?P<check>.+))?$", re.DOTALL)
_BACKGROUND = re.compile(r"background until: (?P<text>.+)$")


@dataclass(frozen=True)
class Block:
    """A code block: its language, code, line in the page, and how it is treated."""

    language: str
    code: str
    line: int
    not_run: str | None = None
    """Why it is not run."""
    check: str | None = None
    """A command that is run in its place."""
    until: str | None = None
    """It stays in the background once it has printed this."""

    @property
    def is_runnable(self) -> bool:
        """Whether it is code that is run here."""
        return self.language in RUNNABLE and self.not_run is None


def read_page(path: Path) -> list[Block]:
    """Return the blocks of a page in their order, hidden ones too; directives of the site are left out."""
    blocks, comment = [], ""
    for token in MarkdownIt("commonmark").parse(path.read_text(encoding="utf-8")):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block":
            comment = token.content.strip().removeprefix("<!--").removesuffix("-->").strip()
            if comment.startswith(_SETUP):
                blocks.append(Block("sh", comment.removeprefix(_SETUP), line))
        elif token.type == "fence" and not token.info.startswith("{"):
            blocks.append(_block(token.info.strip(), token.content, line, comment))
            comment = ""
        elif token.type not in ("fence", "html_block"):
            comment = ""
    return blocks


def _block(language: str, code: str, line: int, comment: str) -> Block:
    not_run, background = _NOT_RUN.match(comment), _BACKGROUND.match(comment)
    return Block(
        language,
        code,
        line,
        not_run=not_run["reason"] if not_run else None,
        check=not_run["check"] if not_run else None,
        until=background["text"] if background else None,
    )
