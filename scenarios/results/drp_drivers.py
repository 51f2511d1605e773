"""Figures of the dirty road patch against other drivers, other cars, and defenses; each beside its controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lkas.driver import WEIGHTS
from scenarios.results.tables import Means, Table, mean, share
from scenarios.results.trials import Trial, drive, variations
from simulator.world import InvalidInput

STANDARD, AUGMENTED = "standard", "dirt_augmented"
RANDOM_DIRT: dict[str, Any] = {"type": "random_dirt", "budget": "paint"}
"""The control: as bright as the patch may be, on as many cells."""


def shipped_drivers() -> dict[str, Any]:
    """Every driver that comes with dirtyroad."""
    names = sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))
    return {name: {"type": "lane_keeping", "weights": name} for name in names}


def transfer(means: Means) -> Table:
    """What a patch that was made for one driver does to the others."""
    drivers = {**shipped_drivers(), **means.drivers}
    if len(drivers) < 2:
        raise InvalidInput(
            "results transfer: there is one driver only; name others with --driver NAME=ASSISTANT"
        )
    found: dict[tuple[str, str], list[Trial]] = {}
    for driven_by, assistant in drivers.items():
        changes = {"assistant": assistant}
        for made_for, victim in drivers.items():
            attack = {} if made_for == driven_by else {"victim": victim}
            title = f"transfer, {made_for} to {driven_by}"
            found[made_for, driven_by] = drive(means, title, variations("drp16", attack, changes))
        title = f"transfer, random dirt to {driven_by}"
        found["random dirt", driven_by] = drive(means, title, variations("drp16", RANDOM_DIRT, changes))
    rows = [
        (made_for, *(share([trial.succeeded for trial in found[made_for, driver]]) for driver in drivers))
        for made_for in (*drivers, "random dirt")
    ]
    benign = [[t.figure("benign_offset_p99") for t in found["random dirt", driver]] for driver in drivers]
    rows.append(("no patch: p99 offset [m]", *(mean(offsets) for offsets in benign)))
    return Table(("made for \\ drives", *drivers), tuple(rows), len(drivers) >= 3)


@dataclass(frozen=True)
class Condition:
    """Under what the patches of ``drp16`` are judged.

    Attributes:
        name: as in the table.
        changes: fields of the scenarios, dotted.
        attackers: what is different about the attack, by what the attacker is called.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    attackers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"adaptive": {}})


TRANSFORMATIONS: dict[str, dict[str, Any]] = {
    "JPEG, quality 20": {"type": "jpeg", "quality": 20},
    "4 bits a colour": {"type": "bit_depth", "bits": 4},
    "Gaussian noise, 0.05": {"type": "gaussian_noise", "standard_deviation": 0.05},
    "median of 5 x 5": {"type": "median_blur", "kernel": 5},
    "autoencoder": {"type": "autoencoder"},
}
VEHICLES = ("iso_11270", "openpilot_0_6_delayed")


def conditions() -> list[Condition]:
    """Other limits of the car, a driver that has seen dirt, and each transformation."""
    drivers = shipped_drivers()
    found = [Condition("none")]
    found += [Condition(f"limits {name}", {"ego.vehicle": name}) for name in VEHICLES]
    if AUGMENTED in drivers:
        attackers: dict[str, dict[str, Any]] = {"plain": {"victim": drivers[STANDARD]}, "adaptive": {}}
        found.append(Condition(f"driver {AUGMENTED}", {"assistant": drivers[AUGMENTED]}, attackers))
    both = {attacker: {"adaptive": attacker == "adaptive"} for attacker in ("plain", "adaptive")}
    found += [Condition(name, {"defenses": [one]}, both) for name, one in TRANSFORMATIONS.items()]
    return found


def defenses(means: Means) -> Table:
    """Every condition, against an attacker who does not know of it (plain) and one who optimises through it."""
    rows = []
    undefended: list[float] = []
    for condition in conditions():
        title = f"defenses, {condition.name}"
        dirt = drive(means, f"{title}, random dirt", variations("drp16", RANDOM_DIRT, condition.changes))
        benign = [trial.figure("benign_offset_p99") for trial in dirt]
        undefended = undefended or benign
        cost = [defended - plain for defended, plain in zip(benign, undefended, strict=True)]
        for attacker, attack in condition.attackers.items():
            trials = drive(means, f"{title}, {attacker}", variations("drp16", attack, condition.changes))
            rows.append(
                (
                    condition.name,
                    attacker,
                    share([trial.succeeded for trial in trials]),
                    mean([trial.figure("time_to_success") for trial in trials]),
                    share([trial.succeeded for trial in dirt]),
                    mean(benign),
                    mean(cost),
                )
            )
    columns = (
        "defense", "attacker", "success", "time to success [s]", "random dirt's success", "benign p99 offset [m]",
        "more than without [m]",
    )  # fmt: skip
    return Table(columns, tuple(rows), AUGMENTED in shipped_drivers())
