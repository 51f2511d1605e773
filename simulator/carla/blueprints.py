"""The blueprint library: what can be spawned, with CARLA's ids and attributes, out of a data table a version.

Beside CARLA's own there is ``vehicle.dirtyroad.NAME`` for every preset of ``simulator.vehicle``, so that the car of a
scenario can be had here with its own actuator, and ``OTHER_CAR``, as large as the other cars of scenarios.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from simulator.objects import OTHER_CAR_HEIGHT_M, OTHER_CAR_LENGTH_M, OTHER_CAR_WIDTH_M
from simulator.vehicle import PRESETS

VALUE_TYPES = {"Bool": 1, "Int": 2, "Float": 3, "String": 4, "RGBColor": 5}

OWN_PREFIX = "vehicle.dirtyroad."
"""Ids of cars that are this project's and not CARLA's."""

OTHER_CAR = OWN_PREFIX + "other_car"


@dataclass(frozen=True)
class Attribute:
    """One attribute of a blueprint; ``recommended`` values are a hint unless ``restricted``."""

    name: str
    kind: str
    value: str
    recommended: tuple[str, ...] = ()
    modifiable: bool = True
    restricted: bool = False

    def message(self) -> list[Any]:
        """As ``ActorAttribute``."""
        kind = VALUE_TYPES[self.kind]
        return [self.name, kind, self.value, list(self.recommended), self.modifiable, self.restricted]


@dataclass(frozen=True)
class Blueprint:
    """Something that can be spawned.

    Attributes:
        uid: place in the library, from 1.
        name: id such as ``vehicle.tesla.model3``.
        half_size_m: of its box: length, width and height.
        attributes: all of them.
    """

    uid: int
    name: str
    half_size_m: tuple[float, float, float]
    attributes: tuple[Attribute, ...]

    @property
    def tags(self) -> str:
        """The parts of its id."""
        return ",".join(reversed(self.name.split(".")))

    def message(self) -> list[Any]:
        """As ``ActorDefinition``."""
        return [self.uid, self.name, self.tags, [attribute.message() for attribute in self.attributes]]

    def value(self, attribute: str) -> str:
        """The usual value of an attribute; empty if it has none."""
        return next((found.value for found in self.attributes if found.name == attribute), "")


def library(version: str) -> dict[str, Blueprint]:
    """All blueprints of a version by id.

    Args:
        version: such as ``0.9.16``, of which there must be a table.
    """
    table = files("simulator.carla") / "data" / f"blueprints_{version.replace('.', '_')}.yaml"
    data = yaml.safe_load(table.read_text(encoding="utf-8"))
    found: dict[str, Blueprint] = {}
    for name, half_size, attributes in _entries(data):
        found[name] = Blueprint(len(found) + 1, name, half_size, tuple(attributes))
    return found


def _entries(
    data: Mapping[str, Any],
) -> Iterator[tuple[str, tuple[float, float, float], list[Attribute]]]:
    """Id, half size and attributes of everything in the table."""
    for name, (base, special, generation, wheels, half) in data["vehicles"].items():
        yield name, tuple(half), _vehicle(base, special, generation, wheels, data["colors"])
    sizes = {
        OWN_PREFIX + name: (car.length_m, car.width_m)
        for name, car in PRESETS.items()
        if car.model == "kinematic"
    }
    sizes[OTHER_CAR] = OTHER_CAR_LENGTH_M, OTHER_CAR_WIDTH_M
    for name, (length, width) in sizes.items():
        half = 0.5 * length, 0.5 * width, 0.5 * OTHER_CAR_HEIGHT_M
        yield name, half, _vehicle("car", "", 2, 4, data["colors"])
    for number in range(1, data["walkers"] + 1):
        yield f"walker.pedestrian.{number:04d}", tuple(data["walker_half_size"]), _walker(number)
    small = (0.05, 0.05, 0.05)
    yield "controller.ai.walker", small, [_role("default", ())]
    for name, half in data["props"].items():
        yield name, tuple(half), [_role("prop", ()), _fixed("size", "String", "medium")]
    for name, attributes in (data["triggers"] | data["sensors"]).items():
        front = ("front", "back", "left", "right", "front_left", "front_right", "back_left", "back_right")
        own = [
            Attribute(key, kind, value, tuple(more[0]) if more else ())
            for key, (kind, value, *more) in attributes.items()
        ]
        yield name, small, [_role("front", front), *own]


def _vehicle(base: str, special: str, generation: int, wheels: int, colors: list[str]) -> list[Attribute]:
    roles = ("autopilot", "scenario", "ego_vehicle")
    return [
        _role("autopilot", roles),
        Attribute("color", "RGBColor", colors[0], tuple(colors), restricted=False),
        Attribute("sticky_control", "Bool", "True"),
        Attribute("terramechanics", "Bool", "False"),
        Attribute("ros_name", "String", ""),
        _fixed("number_of_wheels", "Int", str(wheels)),
        _fixed("base_type", "String", base),
        _fixed("special_type", "String", special),
        _fixed("generation", "Int", str(generation)),
        _fixed("object_type", "String", ""),
        _fixed("has_lights", "Bool", "true" if wheels >= 4 else "false"),
        _fixed("has_dynamic_doors", "Bool", "false"),
    ]


def _walker(number: int) -> list[Attribute]:
    age = "child" if number in (9, 10, 11, 12, 13, 14, 48, 49) else "adult"
    return [
        _role("pedestrian", ("pedestrian",)),
        Attribute("is_invincible", "Bool", "true"),
        Attribute("speed", "Float", "1.4", ("0.0", "1.4", "2.8")),
        _fixed("age", "String", age),
        _fixed("gender", "String", "female" if number % 2 else "male"),
        _fixed("generation", "Int", "2" if number > 14 else "1"),
    ]


def _role(value: str, recommended: tuple[str, ...]) -> Attribute:
    return Attribute("role_name", "String", value, recommended)


def _fixed(name: str, kind: str, value: str) -> Attribute:
    return Attribute(name, kind, value, (value,), modifiable=False, restricted=True)
