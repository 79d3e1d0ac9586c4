"""What every reader of a file returns."""

from dataclasses import dataclass, field
from typing import NamedTuple

Row = dict[str, str]  # column to text


class Broken(NamedTuple):
    """A row that can't be read: its number from 1, the start of its text, and why."""

    row: int
    value: str
    reason: str


@dataclass
class Rows:
    """Rows as they are read; `None` stands in for a broken one, so that positions hold.

    `halves` counts half characters that JSON escapes left, and `notes` says what was passed over.
    """

    separator: str
    rows: list[Row | None] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    halves: int = 0

    def reject(self, value: str, reason: str) -> None:
        """Add a row that can't be read."""
        self.rows.append(None)
        self.broken.append(
            Broken(
                len(self.rows),
                value.strip()[:200],
                reason,
            )
        )
