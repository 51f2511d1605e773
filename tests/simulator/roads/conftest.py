"""Small OpenDRIVE maps, written by hand."""

from __future__ import annotations

import pytest

LANES = """
<laneSection s="0"><left>
  <lane id="2" type="shoulder"><width sOffset="0" a="1.5" b="0" c="0" d="0"/></lane>
  <lane id="1" type="driving"><link>{left}</link><width sOffset="0" a="3.5" b="0" c="0" d="0"/>
    <roadMark sOffset="0" type="solid" color="white" width="0.12"/></lane>
</left><center><lane id="0" type="none">
    <roadMark sOffset="0" type="solid broken" color="yellow" width="0.15"/></lane>
</center><right>
  <lane id="-1" type="driving"><link>{right}</link><width sOffset="0" a="3" b="0" c="0" d="0"/>
    <roadMark sOffset="0" type="solid" color="standard" weight="bold"/>
    <roadMark sOffset="40" type="broken" color="standard" width="0.1">
      <type name="broken" width="0.1"><line length="2" space="4" tOffset="0" sOffset="0" width="0.1"/></type>
    </roadMark></lane>
</right></laneSection>
"""

ROAD = """
<road id="{road_id}" length="{length}" junction="{junction}"><link>{link}</link>
<planView><geometry s="0" x="{x}" y="{y}" hdg="{heading}" length="{length}">{shape}</geometry></planView>
<elevationProfile><elevation s="0" a="7" b="0.01" c="0" d="0"/></elevationProfile><lanes>{lanes}</lanes></road>
"""


def _road(road_id: int, x: float, length: float, **changes: object) -> str:
    fields = {
        "road_id": road_id,
        "x": x,
        "y": 0.0,
        "heading": 0.0,
        "length": length,
        "junction": -1,
        "link": "",
        "shape": "<line/>",
        "lanes": LANES.format(left="", right=""),
    } | changes
    return ROAD.format(**fields)


def _whole(*parts: str) -> str:
    return (
        '<?xml version="1.0"?><OpenDRIVE><header revMajor="1" revMinor="4"/>'
        + "".join(parts)
        + "</OpenDRIVE>"
    )


@pytest.fixture(scope="session")
def single_map() -> str:
    """Road 1, straight, 100 m: lanes 2 (shoulder), 1, -1."""
    return _whole(_road(1, 0.0, 100.0))


@pytest.fixture(scope="session")
def crossing_map() -> str:
    """Road 1 (100 m) leads to a junction: straight on by road 3 to road 4 (100 m), or left by road 2."""
    both = '<predecessor id="{0}"/><successor id="{0}"/>'
    through = LANES.format(left=both.format(1), right=both.format(-1))
    origin = '<predecessor elementType="road" elementId="1" contactPoint="end"/>'
    goal = '<successor elementType="road" elementId="4" contactPoint="start"/>'
    connection = (
        '<connection id="{0}" incomingRoad="{1}" connectingRoad="{2}" contactPoint="{3}">'
        '<laneLink from="{4}" to="{4}"/></connection>'
    )
    return _whole(
        _road(1, 0.0, 100.0, link='<successor elementType="junction" elementId="9"/>'),
        _road(2, 100.0, 15.0, junction=9, link=origin, lanes=through, shape='<arc curvature="0.1"/>'),
        _road(3, 100.0, 20.0, junction=9, link=origin + goal, lanes=through),
        _road(4, 120.0, 100.0, link='<predecessor elementType="junction" elementId="9"/>'),
        '<junction id="9" name="">',
        connection.format(0, 1, 2, "start", -1),
        connection.format(1, 1, 3, "start", -1),
        connection.format(2, 4, 3, "end", 1),
        "</junction>",
    )


@pytest.fixture(scope="session")
def chained_map() -> str:
    """Road 1 (100 m, straight) goes over into road 2 (50 m, a left curve of radius 80 m)."""
    forth = '<successor elementType="road" elementId="2" contactPoint="start"/>'
    back = '<predecessor elementType="road" elementId="1" contactPoint="end"/>'
    return _whole(
        _road(
            1,
            0.0,
            100.0,
            link=forth,
            lanes=LANES.format(left='<successor id="1"/>', right='<successor id="-1"/>'),
        ),
        _road(
            2,
            100.0,
            50.0,
            link=back,
            lanes=LANES.format(left='<predecessor id="1"/>', right='<predecessor id="-1"/>'),
            shape='<arc curvature="0.0125"/>',
        ),
    )
