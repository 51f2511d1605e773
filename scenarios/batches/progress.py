"""How far a batch is: counts by verdict and time left, on standard error."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scenarios.batches.batch import EpisodeResult
from scenarios.output import QUIET_S


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[EpisodeResult], None]]:
    """A bar for who watches, else a line now and then; what is given is told of every result."""
    console = Console(stderr=True)
    counts: Counter[str] = Counter()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[verdicts]}"),
        TimeRemainingColumn(),
    )
    began = told = time.monotonic()
    fresh = 0
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(escape(title), total=total, verdicts="")

        def note(result: EpisodeResult) -> None:
            nonlocal told, fresh
            counts[result.verdict] += 1
            fresh += result.report is not None
            verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
            bar.update(task, advance=1, verdicts=verdicts)
            done, now = counts.total(), time.monotonic()
            if not console.is_terminal and (now - told >= QUIET_S or done == total):
                told = now
                left_s = (now - began) / max(fresh, 1) * (total - done)
                print(f"{title}: {done} of {total} ({verdicts}), {left_s:.0f} s left", file=sys.stderr)

        yield note
