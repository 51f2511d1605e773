"""The blueprint library has CARLA's ids, and the project's own cars."""

from __future__ import annotations

import pytest

from simulator.carla.blueprints import OWN_PREFIX, VALUE_TYPES, library
from simulator.carla.layouts import LAYOUTS
from simulator.carla.sensors.kinds import DEVICES
from simulator.vehicle import PRESETS


@pytest.mark.parametrize("version", LAYOUTS)
def test_every_version_has_a_table(version: str) -> None:
    found = library(version)

    assert {"vehicle.tesla.model3", "walker.pedestrian.0001", "sensor.camera.rgb"} <= set(found)
    assert {"static.prop.streetbarrier", "controller.ai.walker", "static.trigger.friction"} <= set(found)
    assert {OWN_PREFIX + name for name, car in PRESETS.items() if car.model == "kinematic"} <= set(found)
    assert [blueprint.uid for blueprint in found.values()] == list(range(1, len(found) + 1))


@pytest.mark.parametrize("version", LAYOUTS)
def test_every_sensor_has_a_number_and_a_device(version: str) -> None:
    sensors = {name for name in library(version) if name.startswith("sensor.")}

    assert sensors - {"sensor.other.lane_invasion"} == set(DEVICES) == set(LAYOUTS[version].sensor_types)
    assert LAYOUTS[version].world_observer not in LAYOUTS[version].sensor_types.values()


def test_values_are_of_their_types() -> None:
    checks = {"Bool": lambda v: v.lower() in ("true", "false"), "Int": int, "Float": float}
    for blueprint in library("0.9.16").values():
        for attribute in blueprint.attributes:
            assert attribute.kind in VALUE_TYPES
            assert attribute.kind not in checks or checks[attribute.kind](attribute.value) is not False
