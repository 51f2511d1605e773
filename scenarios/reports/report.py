"""Reports: results as one self-contained HTML page, as Markdown for a pull request, or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scenarios.batches.gates import finite
from scenarios.reports.data import Results, costs, summarise
from scenarios.statistics import Interval
from simulator.errors import MissingExtra

try:
    from jinja2 import Environment, FileSystemLoader
except ModuleNotFoundError as error:
    raise MissingExtra(
        f"reports need {error.name}, which is not installed: pip install 'dirtyroad[report]'"
    ) from error

TEMPLATES = Path(__file__).parent / "templates"
MATRICES = {
    "attack_success": "share of drives in which the attack succeeded",
    "lane_departure": "share of drives that left the lane",
    "lateral_offset_max": "mean largest offset [m]",
}
"""Metrics that are shown as a matrix of attacks and defenses, where they are known."""

COLUMNS = ("lateral_offset_max", "lateral_offset_p99", "time_to_lane_departure", "collision")
WORST = 12
HOT_M = 1.0
"""An offset that is drawn as red as can be: a wheel is then over the mark in most lanes."""


def html(results: Results) -> str:
    """The page."""
    from scenarios.reports import plots as report_plots

    worst = [
        {"row": row, "picture": report_plots.thumbnail(row.recording())} for row in results.worst()[:WORST]
    ]
    return _render(
        "report.html.j2",
        results,
        worst=worst,
        trajectories=report_plots.trajectories(results),
        departures=report_plots.departures(results),
        columns=COLUMNS,
    )


def markdown(results: Results) -> str:
    """The same in text."""
    return _render("report.md.j2", results, worst=[{"row": row} for row in results.worst()[:WORST]])


def to_json(results: Results) -> dict[str, Any]:
    """The same for programs."""
    return {
        "name": results.name,
        "verdicts": dict(Counter(row.verdict for row in results.rows)),
        "gates": list(results.gates),
        "matrices": {
            metric: [
                {"attack": group[0], "defense": group[1], **_plain(interval)}
                for group in results.groups
                if (interval := summarise(results.of(group), metric)) is not None
            ]
            for metric in MATRICES
        },
        "costs": [vars(cost) for cost in costs(results)],
        "worst": [{"episode": str(row.labels), "command": row.command} for row in results.worst()[:WORST]],
        "environment": results.environment,
    }


def matrices(results: Results) -> list[dict[str, Any]]:
    """Attacks by defenses, a cell each with colour and interval."""
    attacks = list(dict.fromkeys(attack for attack, _ in results.groups))
    defenses = list(dict.fromkeys(defense for _, defense in results.groups))
    tables = []
    for metric, title in MATRICES.items():
        rows = [
            (
                attack,
                [_cell(summarise(results.of((attack, defense)), metric), metric) for defense in defenses],
            )
            for attack in attacks
        ]
        if any(cell["value"] for _, cells in rows for cell in cells):
            tables.append({"title": title, "defenses": defenses, "rows": rows})
    return tables


def _cell(interval: Interval | None, metric: str) -> dict[str, str]:
    if interval is None:
        return {"value": "", "interval": "", "colour": "white"}
    heat = min(max(interval.value / (HOT_M if metric == "lateral_offset_max" else 1.0), 0.0), 1.0)
    return {
        "value": f"{interval.value:.3g}",
        "interval": f"[{interval.low:.3g}, {interval.high:.3g}] of {interval.count}",
        "colour": f"hsl({120 * (1 - heat):.0f}, 60%, 82%)",
    }


def _plain(interval: Interval) -> dict[str, float | None]:
    return {name: finite(value) for name, value in vars(interval).items()}


def _shown(interval: Mapping[str, float | None]) -> str:
    value, low, high = (
        "never" if interval[name] is None else f"{interval[name]:.3g}" for name in ("value", "low", "high")
    )
    return f"{value} [{low}, {high}]"


def _render(template: str, results: Results, **content: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=template.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["interval"] = _shown
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    return environment.get_template(template).render(
        results=results,
        counts=Counter(row.verdict for row in results.rows),
        matrices=matrices(results),
        costs=costs(results),
        **content,
    )
