"""A map says which corridor of it is meant, and how it looks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.carla.hints import CODE, declare, hint_in, hint_of
from simulator.roads.export import opendrive_of
from simulator.roads.layout import LaneLayout
from simulator.roads.opendrive import Network
from simulator.roads.road import LEAD_IN_M
from simulator.roads.segments import Arc, Line, Segment, build_road
from simulator.scene import Scene
from simulator.world import InvalidInput

pytest.importorskip("carla")

SEGMENTS: list[Segment] = [Line(30.0), Arc(60.0, 250.0)]
LAYOUT = LaneLayout.two_way()
TEXT = opendrive_of("bend", SEGMENTS, LAYOUT)


@pytest.fixture(scope="module")
def scene() -> Scene:
    road = build_road("bend", SEGMENTS, LAYOUT)
    return Scene(replace(road, opendrive=TEXT), seed=5)


def test_the_corridor_is_found_again_in_its_map(scene: Scene) -> None:
    hint = hint_of(scene)
    assert hint is not None

    found = hint_in(declare(TEXT, hint))

    assert found == hint
    assert hint.s_m == pytest.approx(LEAD_IN_M, abs=1e-3)
    assert (hint.seed, hint.surface) == (5, vars(scene.surface))
    assert hint.corridor(Network(TEXT)).length_m == scene.road.length_m


def test_a_road_that_is_not_the_maps_is_not_found_in_it(scene: Scene) -> None:
    straight = build_road("straight", [Line(90.0)], LAYOUT)

    assert hint_of(replace(scene, road=replace(straight, opendrive=TEXT))) is None


def test_a_map_without_a_hint_has_none() -> None:
    assert hint_in(TEXT) is None


@pytest.mark.parametrize("value", ["", "[]", "{}", "{&quot;road&quot;: 1}"])
def test_a_hint_that_cannot_be_read_is_refused(value: str) -> None:
    text = TEXT.replace("</OpenDRIVE>", f'<userData code="{CODE}" value="{value}"/></OpenDRIVE>')

    with pytest.raises(InvalidInput, match=CODE):
        hint_in(text)
