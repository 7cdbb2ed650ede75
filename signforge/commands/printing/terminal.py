"""Output of commands: tables and JSON on standard output, one-line errors on standard error."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import SignforgeError, SpecError
from signforge.commands.printing.plain_help import PlainHelp
from signforge.installation import InstallationError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from rich.table import Table

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


class OneLineErrors(PlainHelp):
    """A command group that prints its errors as one line on standard error, with exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = _in_plain_words(error)
            raise
        except (SignforgeError, InstallationError) as error:
            where = f"{error.pointer}: " if isinstance(error, SpecError) and _unnamed(error) else ""
            typer.echo(f"Error: {where}{error}", err=True)
            raise typer.Exit(EXIT_FAILED) from None


def _in_plain_words(error: typer.BadParameter) -> str:
    """The message about a wrong value: typer passes on pydantic's, which does not quote it."""
    found: list[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
    if not found:
        return error.message
    from core.specs.faults import fault_sentence  # slow to import

    is_quoted = repr(found[0]["input"]) in error.message
    return fault_sentence({**found[0], "input": {}} if is_quoted else found[0], at="")


def output(*, stderr: bool = False) -> "Console":
    """A console on the current standard output. It is wide if that is not a terminal, to keep ids whole."""
    from rich.console import Console  # slow to import: `signforge --help` does without

    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(width=None if is_terminal else 200, highlight=False, stderr=stderr)


def print_json(answer: "BaseModel | Sequence[BaseModel]") -> None:
    """Print models as JSON."""
    if isinstance(answer, Sequence):
        typer.echo(json.dumps([item.model_dump(mode="json") for item in answer], indent=2))
    else:
        typer.echo(answer.model_dump_json(indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print a table, or the sentence `empty` if there are no rows."""
    from rich.table import Table

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(text(cell) for cell in row))
    if table.row_count:
        _show(table)
    else:
        typer.echo(empty)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one pair per line, without missing values."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        if value is not None and value not in ("", {}, ()):
            table.add_row(name, text(value))
    _show(table)


def _show(table: "Table") -> None:
    """Print a table, without spaces at the ends of lines where that is not a terminal."""
    console = output()
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as shown:
        console.print(table)
    for line in shown.get().splitlines():
        typer.echo(line.rstrip())


def plain_fields(document: Mapping[str, Any]) -> list[tuple[str, object]]:
    """The entries of a JSON object that fit on a line, with words for names; `--json` shows the others."""
    return [
        (name.replace("_", " "), value)
        for name, value in document.items()
        if not isinstance(value, dict | list | tuple)
    ]


def text(value: object) -> str:
    """Format a value for a table. Square brackets are escaped, since rich takes them for markup."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:.4g}"
    plain = json.dumps(value) if isinstance(value, dict | list) else str(value)
    return plain.replace("[", r"\[")


def size(num_bytes: float) -> str:
    """Format a number of bytes with a unit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if num_bytes < 1024:
            return f"{num_bytes:.0f} {unit}" if unit == "B" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1024
    return f"{num_bytes:.1f} TiB"


def _unnamed(error: SpecError) -> bool:
    return bool(error.pointer) and error.pointer not in str(error)
