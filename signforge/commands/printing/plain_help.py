"""Help as plain text: it starts fast, and a narrow terminal cuts no option name.

Typer's own help loads rich and draws boxes, in whose columns long names are cut (decision 84).
"""

from typing import Any

import typer
from typer.core import TyperGroup

from core.specs.near_names import hint

_HEADING = "Commands"


class PlainHelp(TyperGroup):
    """A command group whose help shows the whole first paragraph about each command, by panel."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                panel = command.rich_help_panel
                panels.setdefault(panel if isinstance(panel, str) else _HEADING, []).append(
                    (name, _first_paragraph(command.help))
                )
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command, or name it within a group, or a near one, or all."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            within = " or ".join(map(repr, self._in_groups(ctx, args[0])))
            known = f" Did you mean {within}?" if within else hint(args[0], self.list_commands(ctx))
            ctx.fail(f"There is no command {args[0]!r}.{known}")
        return super().resolve_command(ctx, args)

    def _in_groups(self, ctx: Any, name: str) -> list[str]:
        """The commands of that name in the groups within this one, each with its group."""
        found = []
        for group in self.commands:
            inner = getattr(self.get_command(ctx, group), "commands", {}).get(name)
            if inner is not None and not inner.hidden:
                found.append(f"{group} {name}")
        return found


def command_group(*, help: str, cls: type[PlainHelp] = PlainHelp, **options: Any) -> typer.Typer:  # noqa: A002
    """A group of commands with plain help, which it also shows if no command is given."""
    return typer.Typer(cls=cls, help=help, no_args_is_help=True, rich_markup_mode=None, **options)


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())
