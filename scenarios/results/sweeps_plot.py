"""A picture of how often saved patches succeed, over the values of one factor after another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scenarios.statistics import clopper_pearson
from simulator.errors import MissingExtra

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise MissingExtra(
        f"plots need {error.name}, which is not installed: pip install 'dirtyroad[report]'"
    ) from error


def draw(shares: Mapping[str, Mapping[str, list[bool]]], path: Path) -> None:
    """Write the plot: rates with Clopper-Pearson intervals at 95 %.

    Args:
        shares: which drives succeeded, by factor and value.
        path: a .png or .svg file.
    """
    columns = 2
    figure = Figure(figsize=(9.0, 2.2 * -(-len(shares) // columns)), layout="constrained")
    grid = figure.subplots(-(-len(shares) // columns), columns, squeeze=False).ravel()
    for axes, (factor, values) in zip(grid, shares.items(), strict=False):
        found = [clopper_pearson(sum(one), len(one)) for one in values.values()]
        rate = [interval.value for interval in found]
        below = [interval.value - interval.low for interval in found]
        above = [interval.high - interval.value for interval in found]
        axes.errorbar(range(len(rate)), rate, yerr=[below, above], marker="o", capsize=3)
        axes.set_xticks(range(len(rate)), list(values), fontsize=7)
        axes.set_ylim(-0.05, 1.05)
        axes.set_xlabel(factor, fontsize=8)
        axes.set_ylabel("success", fontsize=8)
    for axes in grid[len(shares) :]:
        axes.set_axis_off()
    figure.savefig(path, dpi=120)
