"""The ``road:`` of a scenario file: built from segments, or taken from an OpenDRIVE map."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scenarios.registry import Strict

Length = Annotated[float, Field(ge=0.01, le=100_000.0)]
Curvature = Annotated[float, Field(ge=-0.5, le=0.5)]
LaneWidth = Annotated[float, Field(ge=2.0, le=6.0)]
Kind = Literal[
    "none",
    "solid",
    "broken",
    "solid solid",
    "solid broken",
    "broken solid",
    "broken broken",
    "botts dots",
    "curb",
    "grass",
]
Color = Literal["white", "yellow", "orange", "red", "blue", "green", "standard"]


class Line(Strict):
    """A straight stretch."""

    type: Literal["line"]
    length_m: Length


class Arc(Strict):
    """A stretch of constant curvature; a positive radius turns left, a negative one right."""

    type: Literal["arc"]
    length_m: Length
    radius_m: Annotated[float, Field(ge=-1e6, le=1e6)]


class Clothoid(Strict):
    """A stretch whose curvature changes evenly; positive is to the left."""

    type: Literal["clothoid"]
    length_m: Length
    start_per_m: Curvature
    end_per_m: Curvature


Segment = Annotated[Line | Arc | Clothoid, Field(discriminator="type")]


class Mark(Strict):
    """What is painted on one border, in OpenDRIVE's words; of a pair the left stroke is named first."""

    kind: Kind = "solid"
    color: Color = "white"
    width_m: Annotated[float, Field(ge=0.01, le=1.0)] = 0.15
    dash_m: Annotated[float, Field(ge=0.05, le=100.0)] = 3.0
    gap_m: Annotated[float, Field(ge=0.0, le=100.0)] = 9.0


class Strip(Strict):
    """One lane; direction -1 is oncoming."""

    width_m: Annotated[float, Field(ge=0.1, le=100.0)] = 3.6
    kind: Literal["driving", "shoulder", "sidewalk", "border", "parking", "median", "biking"] = "driving"
    direction: Literal[1, -1] = 1


class TwoWay(Strict):
    """One lane each way and a shoulder on either side; the car drives on the right."""

    type: Literal["two_way"] = "two_way"
    lane_width_m: LaneWidth = 3.6
    shoulder_m: Annotated[float, Field(ge=0.1, le=20.0)] = 1.5
    centre: Mark = Mark(kind="broken", color="yellow")
    edge: Mark = Mark()


class OneWay(Strict):
    """A carriageway; lanes are counted from the left, from 0."""

    type: Literal["one_way"]
    lane_count: Annotated[int, Field(ge=1, le=12)] = 3
    ego_lane: Annotated[int, Field(ge=0, le=11)] = 1
    lane_width_m: LaneWidth = 3.6
    shoulder_m: Annotated[float, Field(ge=0.1, le=20.0)] = 2.5
    between: Mark = Mark(kind="broken")
    left_edge: Mark = Mark(color="yellow")
    right_edge: Mark = Mark()


class Strips(Strict):
    """Any cross-section: lanes from left to right, and a mark for every border, one more than there are lanes."""

    type: Literal["strips"]
    strips: Annotated[tuple[Strip, ...], Field(strict=False, min_length=1, max_length=30)]
    marks: Annotated[tuple[Mark, ...], Field(strict=False, min_length=2, max_length=31)]
    ego_lane: Annotated[int, Field(ge=0, le=29)]


Layout = Annotated[TwoWay | OneWay | Strips, Field(discriminator="type")]


class SegmentsRoad(Strict):
    """A road laid out from segments that follow one another; the car starts ``s_m`` after the first one's beginning."""

    type: Literal["segments"]
    segments: Annotated[tuple[Segment, ...], Field(strict=False, min_length=1, max_length=500)]
    layout: Layout = TwoWay()
    s_m: Annotated[float, Field(ge=0.0, le=100_000.0)] = 0.0


class OpenDriveRoad(Strict):
    """A lane of an OpenDRIVE map, from a start given by road, lane and s, on through the lanes that follow it.

    A relative path is looked for beside the scenario file, then in the working directory, then in every folder
    given with ``--maps``.
    """

    type: Literal["opendrive"]
    path: Annotated[str, Field(min_length=1, max_length=4096)]
    road: Annotated[int, Field(ge=0, le=2**31 - 1)]
    lane: Annotated[int, Field(ge=-1000, le=1000)]
    s_m: Annotated[float, Field(ge=0.0, le=1e6)] = 0.0
    length_m: Annotated[float, Field(ge=5.0, le=20_000.0)] | None = None
    through_junctions: bool = False


RoadSpec = Annotated[SegmentsRoad | OpenDriveRoad, Field(discriminator="type")]
