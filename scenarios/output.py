"""How commands show tables and progress."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

QUIET_S = 30.0
"""How often a line is printed where nobody watches a bar, as in a CI log."""


class Advance(Protocol):
    """Told how many steps were made since the last call."""

    def __call__(self, steps: int) -> None: ...


def print_json(content: Any) -> None:
    """One JSON object on standard output."""
    print(json.dumps(content, indent=2, allow_nan=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output; columns of numbers are set to the right."""
    console = Console()
    if not console.is_terminal:
        console.width = 180  # what is piped into a file is not folded to a screen
    table = Table()
    for index, column in enumerate(columns):
        numbers = bool(rows) and all(_is_number(row[index]) for row in rows)
        table.add_column(escape(column), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(escape(title), soft_wrap=True)
    console.print(table)


def _is_number(cell: str) -> bool:
    try:
        float(cell.split(" ")[0])
    except ValueError:
        return cell in ("never", "invalid", "")
    return True


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Advance]:
    """A bar on standard error, gone when the work is done; a line now and then where nobody watches."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    began = told = time.monotonic()
    done = first = 0
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(escape(title), total=total)

        def advance(steps: int) -> None:
            nonlocal began, told, done, first
            progress.advance(task, steps)
            done, now = done + steps, time.monotonic()
            if not first:  # what comes before the first step takes as long as it takes
                began, first = now, done
            if not console.is_terminal and now - told >= QUIET_S:
                told = now
                left_s = (now - began) / max(1, done - first) * max(0, total - done)
                guess = f", {left_s:.0f} s left" if done > first else ""
                print(f"{title}: {done} of {total}{guess}", file=sys.stderr)

        yield advance
