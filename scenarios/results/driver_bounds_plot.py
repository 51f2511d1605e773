"""A picture of how strong a patch may be, place by place, before it is not proved harmless any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from scenarios.results.driver_bounds import CurvatureBound
from simulator.errors import MissingExtra

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise MissingExtra(
        f"plots need {error.name}, which is not installed: pip install 'dirtyroad[report]'"
    ) from error


def certified_radii(bounds: Sequence[CurvatureBound]) -> dict[float, float]:
    """For every place the greatest budget up to which all budgets tried are proved harmless; 0 for none."""
    certified: dict[float, float] = {}
    for s_m in dict.fromkeys(one.s_m for one in bounds):
        certified[s_m] = 0.0
        for one in sorted((one for one in bounds if one.s_m == s_m), key=lambda one: one.radius):
            if not one.harmless:
                break
            certified[s_m] = one.radius
    return certified


def draw(bounds: Mapping[str, Sequence[CurvatureBound]], path: Path) -> None:
    """Write the plot.

    Args:
        bounds: of each driver, of one threat, at one or more places.
        path: a .png or .svg file.
    """
    figure = Figure(figsize=(8.0, 3.0), layout="constrained")
    axes = figure.subplots()
    for number, (driver, found) in enumerate(bounds.items()):
        certified = certified_radii(found)
        radii = [255 * radius for radius in certified.values()]
        axes.step(list(certified), radii, where="mid", marker="os^v"[number % 4], label=driver, linestyle=":")
    tried = sorted({255 * one.radius for found in bounds.values() for one in found})
    axes.axhline(tried[-1], color="grey", linewidth=0.8, linestyle="--", label="the greatest tried")
    axes.set_ylim(0, 1.1 * tried[-1])
    axes.set_xlabel("car along the road [m]")
    axes.set_ylabel("certified budget [1/255]")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=150)
