"""What a camera makes of attributes that cannot be drawn."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from simulator.carla.sensors.cameras import LIMITS, RgbCamera


class Attributes:
    """A sensor as far as a camera reads it before it draws."""

    kind = "camera.rgb"

    def __init__(self, **numbers: float) -> None:
        self.numbers = numbers

    def number_of(self, name: str, usual: float) -> float:
        return self.numbers.get(name, usual)


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("share", [-1.0, 2.0])
def test_what_cannot_be_drawn_is_said(name: str, share: float, caplog: pytest.LogCaptureFixture) -> None:
    sensor: Any = Attributes(**{name: share * LIMITS[name][2]})
    with caplog.at_level(logging.WARNING):
        RgbCamera(sensor)
    assert name in caplog.text


def test_usual_cameras_are_not_remarked_on(caplog: pytest.LogCaptureFixture) -> None:
    sensor: Any = Attributes(image_size_x=1920, image_size_y=1080, fov=110)
    with caplog.at_level(logging.WARNING):
        RgbCamera(sensor)
    assert caplog.text == ""
