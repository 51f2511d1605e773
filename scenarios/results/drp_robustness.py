"""What becomes of saved patches on another day: other seeds, misplaced, worn, at other speeds, in other light."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scenarios.files import locate, read
from scenarios.plugins.rehearsals import patch_folder
from scenarios.results.tables import Means, Table, mean, share
from scenarios.results.trials import Trial, drive, variation
from scenarios.schema import Scenario
from scenarios.store import Store

LEAST_SUCCESS = 0.8
OTHER_SEEDS = 500
"""By how much the seeds of the second day differ from those of the first."""

PLOT = "sweeps.png"

Change = Callable[[Mapping[str, Any]], dict[str, Any]]
"""From the data of a scenario's file to fields that are changed; those of the attack are of a saved patch."""


def fixed(**fields: Any) -> Change:
    """The same values in every scenario; ``__`` stands for a dot."""
    return lambda data: {name.replace("__", "."): value for name, value in fields.items()}


def at_speed(factor: float) -> Change:
    """Each scenario's speed times a factor."""
    return lambda data: {"ego.speed_mps": round(factor * data["ego"]["speed_mps"], 2)}


DAYS: dict[str, Change] = {
    "other seeds": fixed(),
    "0.3 m too near": fixed(attack__along_m=-0.3),
    "0.3 m too far": fixed(attack__along_m=0.3),
    "0.3 m too far right": fixed(attack__across_m=-0.3),
    "0.3 m too far left": fixed(attack__across_m=0.3),
    "10 % slower": at_speed(0.9),
    "10 % faster": at_speed(1.1),
    "sunset": fixed(weather="ClearSunset"),
    "overcast": fixed(weather="CloudyNoon"),
}

SWEEPS: dict[str, dict[str, Change]] = {
    "placement along [m]": {f"{v:g}": fixed(attack__along_m=v) for v in (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)},
    "placement across [m]": {f"{v:g}": fixed(attack__across_m=v) for v in (-0.6, -0.3, -0.15, 0.0, 0.15, 0.3, 0.6)},
    "initial offset [m]": {f"{v:g}": fixed(ego__offset_m=v) for v in (-0.2, -0.1, 0.0, 0.1, 0.2)},
    "speed [share]": {f"{v:g}": at_speed(v) for v in (0.8, 0.9, 1.0, 1.1, 1.2)},
    "light": {v: fixed(weather=v) for v in ("ClearNoon", "CloudyNoon", "ClearSunset", "ClearNight")},
    "wet road": {v: fixed(weather=v) for v in ("ClearNoon", "WetNoon", "MidRainyNoon", "HardRainNoon")},
    "wear of the patch [share]": {f"{v:g}": fixed(attack__wear=v) for v in (0.0, 0.2, 0.4, 0.6, 0.8)},
    "camera height [m]": {f"{v:g}": fixed(camera__height_m=v) for v in (1.02, 1.12, 1.22, 1.32, 1.42)},
    "camera pitch [rad]": {f"{v:g}": fixed(camera__pitch_rad=v) for v in (-0.02, -0.01, 0.0, 0.01, 0.02)},
    "limits of the car": {v: fixed(ego__vehicle=v) for v in ("openpilot_0_6", "openpilot_0_6_delayed", "iso_11270")},
}  # fmt: skip


def second_day(path: Path, patch: Path, change: Change) -> Scenario:
    """A scenario with a patch that was made before, another seed, and something that is different."""
    data = read(path).data
    own, changes = data["attack"], change(data)
    laid = {
        name.removeprefix("attack."): value for name, value in changes.items() if name.startswith("attack.")
    }
    rest = {name: value for name, value in changes.items() if not name.startswith("attack.")}
    attack = {"type": "saved_patch", "path": str(patch), "ahead_m": own["ahead_m"], **laid}
    return variation(path, attack, {"seed": data["seed"] + OTHER_SEEDS, **rest})


def again(
    means: Means, title: str, changes: Mapping[str, Change], paths: Sequence[Path]
) -> dict[str, list[Trial]]:
    """The patches of some scenarios on other days."""
    store = Store(means.out.resolve())
    made = drive(means, "drp16, patches", [variation(path) for path in paths])
    patches = [patch_folder(trial.scenario, store) for trial in made]
    return {
        name: drive(
            means,
            f"{title}, {name}",
            [second_day(path, patch, change) for path, patch in zip(paths, patches, strict=True)],
        )
        for name, change in changes.items()
    }


def reuse(means: Means) -> Table:
    """Saved patches, laid again."""
    found = again(means, "reuse", DAYS, locate("drp16/*"))
    rows = [
        (
            name,
            share([trial.succeeded for trial in trials]),
            mean([trial.figure("time_to_success") for trial in trials]),
            mean([trial.figure("deviation_from_benign") for trial in trials]),
        )
        for name, trials in found.items()
    ]
    everything = [trial.succeeded for trials in found.values() for trial in trials]
    rows.append(("all of these", share(everything), "", ""))
    columns = ("on another day", "success", "time to success [s]", "deviation [m]")
    return Table(columns, tuple(rows), sum(everything) >= LEAST_SUCCESS * len(everything))


def sweeps(means: Means) -> Table:
    """Saved patches over factor after factor; also draws ``sweeps.png`` into the store's folder.

    Each on every other road of ``drp16``, in both directions.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    from scenarios.results.sweeps_plot import draw  # what it lacks is said before the work

    paths = [path for index, path in enumerate(locate("drp16/*")) if index % 4 < 2]
    rows: list[tuple[str, ...]] = []
    shares: dict[str, dict[str, list[bool]]] = {}
    for factor, changes in SWEEPS.items():
        found = again(means, factor, changes, paths)
        shares[factor] = {value: [trial.succeeded for trial in trials] for value, trials in found.items()}
        rows += [
            (
                factor,
                value,
                share(shares[factor][value]),
                mean([trial.figure("deviation_from_benign") for trial in trials]),
            )
            for value, trials in found.items()
        ]
    draw(shares, means.out / PLOT)
    return Table(("factor", "value", "success", "deviation [m]"), tuple(rows), True)
