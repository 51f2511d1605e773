"""The table of openpilot's output layouts adds up."""

from __future__ import annotations

import pytest

from lkas.layouts import LAYOUTS, layout_of
from simulator.world import InvalidInput


@pytest.mark.parametrize("version", LAYOUTS)
def test_slices_cover_the_vector(version: str) -> None:
    layout = LAYOUTS[version]
    stop = 0
    for part in layout.slices.values():
        assert part.start == stop
        stop = part.stop
    assert stop == layout.size


@pytest.mark.parametrize(
    ("version", "name", "start", "stop"),
    [
        ("0.6.6", "lead", 1154, 1212),
        ("0.7", "lead", 1154, 1212),
        ("0.7", "desire_prediction", 1216, 1248),
        ("0.7.3", "lead", 1157, 1215),
        ("0.7.3", "pose", 1851, 1863),
        ("0.8.2", "lane_prob", 10433, 10437),
        ("0.8.2", "pose", 10803, 10815),
        ("0.8.5", "road_edges", 5491, 5755),
        ("0.8.5", "meta", 5821, 5853),
        ("0.8.10", "lead", 5755, 5857),
        ("0.8.10", "pose", 5948, 5960),
        ("0.9.6", "road_transform", 5978, 5990),
        ("0.9.6", "features", 5992, 6504),
    ],
)
def test_known_offsets(version: str, name: str, start: int, stop: int) -> None:
    assert LAYOUTS[version].slices[name] == slice(start, stop)


def test_layouts_are_known_by_their_size() -> None:
    for layout in LAYOUTS.values():
        assert layout_of(layout.size) is layout


def test_unknown_size_is_invalid_input() -> None:
    with pytest.raises(InvalidInput, match="1000 values"):
        layout_of(1000)
