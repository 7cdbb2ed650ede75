"""Which table holds the labels of a source, and what its columns mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.specs.source_formats import ColumnRole


@dataclass(frozen=True)
class TableOptions:
    """The table's path or name below the source, and the names of its columns; both if not the usual ones."""

    labels: str | None = None
    columns: Mapping[ColumnRole, str] = field(default_factory=dict)

    @property
    def are_stated(self) -> bool:
        """Whether the user says anything about a table."""
        return self.labels is not None or bool(self.columns)
