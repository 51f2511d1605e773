"""A picture of the loss around trained weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from scenarios.results.flat_landscape import WeightRow
from simulator.errors import MissingExtra

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise MissingExtra(
        f"plots need {error.name}, which is not installed: pip install 'dirtyroad[report]'"
    ) from error

CEILING = 20.0
"""Losses above it say no more than that all is lost; curves leave the picture there."""


def draw(rows: Sequence[WeightRow], path: Path) -> None:
    """Write the plot: what random steps, an attack and the proof make of the loss, over the distance.

    Args:
        rows: one for each training.
        path: a .png or .svg file.
    """
    figure = Figure(figsize=(8.0, 3.4), layout="constrained")
    axes = figure.subplots()
    distances = [level.distance for level in rows[0].levels]
    for number, row in enumerate(rows):
        for kind, style in (("random", ":o"), ("attacked", "-o"), ("proved", "--^")):
            values = [math.nan if (v := getattr(level, kind)) is None else v for level in row.levels]
            axes.plot(
                distances, values, style, color=f"C{number}", markersize=4, label=f"{row.training}, {kind}"
            )
        axes.axhline(row.loss, color=f"C{number}", alpha=0.3, label=f"{row.training}, not moved")
    axes.axvline(rows[-1].radius, color="grey", linewidth=0.8, label="trained against")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.8 * min(row.loss for row in rows), CEILING)
    axes.set_xlabel("change of every weight matrix (l2 norm)")
    axes.set_ylabel("cross entropy of test pictures")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xticks(distances)
    axes.minorticks_off()
    axes.legend(fontsize=7, handlelength=4, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, dpi=150)
