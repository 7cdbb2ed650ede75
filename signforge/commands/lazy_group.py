"""A command group that imports a command's module only when that command runs.

The help of the group needs no module: the table of commands holds one line about each.
"""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command_from_info, get_group

from signforge.commands.printing.terminal import OneLineErrors


@dataclass(frozen=True)
class LazyCommand:
    """A command, or a group of commands, by the place of its code."""

    name: str
    place: str
    """`module:name` below `signforge.commands`; a function, or a `typer.Typer`."""
    summary: str
    """One line for the list of commands: the beginning of its help."""
    panel: str | None = None
    """Heading in the list of commands."""

    def stub(self) -> Any:
        """What the list of commands shows. It cannot run."""
        return TyperCommand(self.name, help=self.summary, rich_help_panel=self.panel)

    def load(self) -> Any:
        """Import the command."""
        module, _, attribute = self.place.partition(":")
        found = getattr(importlib.import_module(f"signforge.commands.{module}"), attribute)
        if isinstance(found, typer.Typer):
            group = get_group(found)
            group.name = self.name
            return group
        alone = typer.Typer(rich_markup_mode=None)
        alone.command(self.name, rich_help_panel=self.panel)(found)
        return get_command_from_info(
            alone.registered_commands[0], pretty_exceptions_short=True, rich_markup_mode=None
        )


class LazyCommands(Mapping[str, Any]):
    """Commands by name; each is imported when it is first asked for."""

    def __init__(self, table: tuple[LazyCommand, ...]) -> None:
        self._table = {command.name: command for command in table}
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = self._table[name].load()
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, name: object) -> bool:
        return name in self._table

    def stubs(self) -> dict[str, Any]:
        """The commands as the list of commands shows them, without an import."""
        return {name: command.stub() for name, command in self._table.items()}


class LazyGroup(OneLineErrors):
    """A group of the commands in `table`, which a subclass sets."""

    table: tuple[LazyCommand, ...] = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.commands: Any = LazyCommands(self.table)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the group."""
        loadable = self.commands
        self.commands = loadable.stubs()
        try:
            super().format_help(ctx, formatter)
        finally:
            self.commands = loadable
