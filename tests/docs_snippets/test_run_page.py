"""The runner of pages notices what is wrong with a page."""

import os
from pathlib import Path

import pytest

from tests.docs_snippets.page import read_page
from tests.docs_snippets.run_page import Outcome, compare, run_page
from tests.docs_snippets.session import BlockError


def run(text: str, folder: Path) -> Outcome:
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    return run_page(page, folder, os.environ)


def test_blocks_share_a_shell_and_a_python(tmp_path: Path) -> None:
    outcome = run(
        "<!-- setup\nGREETING=hello\n-->\n"
        "```sh\ncd /\n```\n\n```sh\necho $GREETING $PWD\n```\n```text\nhello /\n```\n"
        "```python\nx = 2\n```\n```python\nprint(x)\n```\n```text\n2\n```\n",
        tmp_path,
    )
    assert (outcome.num_run, outcome.num_compared) == (5, 2)


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nfalse\n```\n",
        "```sh\necho $NOT_SET\n```\n",
        "```python\nraise ValueError\n```\n",
        "```sh\necho other\n```\n```text\nthis\n```\n",
        "<!-- not run: needs a GPU -->\n```sh\nif then\n```\n",
        "<!-- not run: needs a GPU; checked by: false -->\n```sh\ntrue\n```\n",
        "<!-- background until: ready -->\n```sh\necho not yet\n```\n",
        "```json\n{\n```\n",
        "```bash\ntrue\n```\n",
    ],
    ids=["exit code", "unset", "exception", "output", "syntax", "check", "background", "json", "language"],
)
def test_it_fails_where_a_page_is_wrong(tmp_path: Path, text: str) -> None:
    with pytest.raises(BlockError, match=r"page\.md:\d+"):
        run(f"# A page\n\n{text}", tmp_path)


def test_what_is_not_run_is_counted_with_its_reason(tmp_path: Path) -> None:
    outcome = run("<!-- not run: needs a GPU -->\n```sh\nexit 1\n```\n```text\nnever seen\n```\n", tmp_path)
    assert (outcome.num_run, outcome.num_compared, outcome.not_run) == (0, 0, ["needs a GPU"])


def test_a_background_command_runs_until_the_page_ends(tmp_path: Path) -> None:
    run(
        "<!-- background until: started -->\n```sh\ntrap 'touch stopped; exit' INT\n"
        "echo started\nwhile true; do read -t 0.1 <> <(:) || true; done\n```\n"
        "```sh\ntest ! -e stopped\n```\n",
        tmp_path,
    )
    assert (tmp_path / "stopped").exists()


def test_whole_numbers_count_and_ids_do_not() -> None:
    compare(
        "job_01a22e9036d472ba8a63120058a05507: 0.81\n...\n3 clips ...\n",
        ("job_01a22e8f000000000000000000000000:   0.5\nmore\nlines\n3 clips at 17 clips/s\n"),
    )
    compare("top1 0.8 -1.5 2.4e-07", "top1 1 -0.25 3.1e-07")
    with pytest.raises(BlockError, match="The page shows"):
        compare("top1 0.8", "top1 none")
    with pytest.raises(BlockError, match="The page shows"):
        compare("4 clips", "3 clips")
    with pytest.raises(BlockError, match="The page shows"):
        compare("a\nb", "a\nb\nc")


def test_a_page_has_its_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n```{toctree}\nother\n```\n\n- in a list:\n\n  ```sh\n  true\n  ```\n")
    (block,) = read_page(page)
    assert (block.language, block.code, block.line) == ("sh", "true\n", 9)
