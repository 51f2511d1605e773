"""A picture of how strong a patch may be, place by place, before it is not proved harmless any more."""

from __future__ import annotations

from collections.abc import Sequence
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


def draw(bounds: Sequence[CurvatureBound], path: Path) -> None:
    """Write the plot.

    Args:
        bounds: of one threat, of one or more places.
        path: a .png or .svg file.
    """
    certified = certified_radii(bounds)
    figure = Figure(figsize=(8.0, 3.0), layout="constrained")
    axes = figure.subplots()
    axes.step(
        list(certified), [255 * radius for radius in certified.values()], where="mid", marker="o", color="C0"
    )
    axes.set_xlabel("car along the road [m]")
    axes.set_ylabel("certified budget [1/255]")
    axes.set_ylim(bottom=0)
    figure.savefig(path, dpi=150)
