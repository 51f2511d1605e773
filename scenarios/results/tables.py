"""Tables of figures, and what those that are driven for hours need to be made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.statistics import bootstrap, clopper_pearson

SEED = 0
"""Of the bootstrap's resamples."""


@dataclass(frozen=True)
class Table:
    """Figures of the README.

    Attributes:
        columns: headings.
        rows: cells.
        met: whether every bar was met that belongs to these figures.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    met: bool

    def markdown(self) -> str:
        """As a table in a README."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@dataclass(frozen=True)
class Means:
    """With what the figures are made.

    Attributes:
        maps: folders of OpenDRIVE maps.
        out: folder of the store that trials are kept in, so that nothing is driven twice.
        workers: episodes at a time.
        drivers: assistants that patches are made for and judged by, beside the shipped ones, by name.
    """

    maps: Sequence[Path]
    out: Path
    workers: int = 1
    drivers: Mapping[str, Any] = field(default_factory=dict)


Section = Callable[[Means], Table]
"""Makes one table of the README."""


def share(happened: Sequence[bool]) -> str:
    """How often, and the Clopper-Pearson interval at 95 %."""
    if not happened:
        return "none"
    interval = clopper_pearson(sum(happened), len(happened))
    return f"{sum(happened)} of {len(happened)} [{interval.low:.0%}, {interval.high:.0%}]"


def mean(values: Sequence[float], digits: int = 3) -> str:
    """Mean of the finite values, and its bootstrap interval at 95 %; nothing where there are none."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    interval = bootstrap(finite, "mean", np.random.default_rng(SEED))
    return f"{interval.value:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"
