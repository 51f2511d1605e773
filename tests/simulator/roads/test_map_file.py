"""What a file says: lanes, widths and marks; and every way in which a file can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simulator.roads.map_file import parse_map, read_text
from simulator.world import InvalidInput


def parsed(text: str):
    return parse_map(text, "test")[1]


def test_borders_can_be_given_instead_of_widths(single_map: str) -> None:
    text = single_map.replace('<width sOffset="0" a="3" ', '<border sOffset="0" a="-2.5" ')

    borders = parsed(text)[1].sections[0].borders(np.array([5.0]))

    assert [float(border[0, 0]) for border in borders[-1]] == [0.0, -2.5]
    assert [float(border[0, 0]) for border in borders[2]] == [3.5, 5.0]


@pytest.mark.parametrize(
    ("lane_id", "attributes", "lines", "kind"),
    [
        (0, 'type="solid broken"', "", "solid broken"),
        (-1, 'type="solid broken"', "", "solid broken"),
        # inside first, and the inside of a left lane is its right
        (1, 'type="solid broken"', "", "broken solid"),
        (1, 'type="solid solid"', "", "solid solid"),
        (1, 'type="botts dots"', "", "botts dots"),
        (-1, 'type="edge"', "", "none"),
        (-1, 'type="custom"', '<line length="2" space="3" tOffset="0" sOffset="0"/>', "broken"),
        # explicit lines say which one is on the left
        (
            1,
            'type="solid broken"',
            '<line length="4" space="0" tOffset="0.1"/><line length="4" space="4" tOffset="-0.1"/>',
            "solid broken",
        ),
    ],
)
def test_pairs_are_named_from_the_left(
    single_map: str, lane_id: int, attributes: str, lines: str, kind: str
) -> None:
    old = {
        0: 'type="solid broken" color="yellow" width="0.15"/>',
        1: 'type="solid" color="white" width="0.12"/>',
    }
    old[-1] = 'type="solid" color="standard" weight="bold"/>'
    new = f'{attributes} color="yellow" width="0.15"><type name="">{lines}</type></roadMark>'

    lane = parsed(single_map.replace(old[lane_id], new))[1].sections[0].lanes[lane_id]

    assert lane.marks[0].kind == kind


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</OpenDRIVE>", "", "not well-formed XML"),
        ("OpenDRIVE>", "roads>", "its root element is <roads>"),
        ('<road id="1"', '<path id="1"', "not well-formed XML"),
        ('<road id="1"', '<road id="one"', "id of <road> is 'one'"),
        ('<road id="1" length="100.0"', '<road id="1"', "<road> has no length"),
        ('<road id="1" length="100.0"', '<road id="1" length="nan"', "length of <road> is 'nan'"),
        ('<road id="1" length="100.0"', '<road id="1" length="-4"', "length is -4, but must be positive"),
        ('<road id="1" length="100.0"', '<road id="1" length="1e308"', "length of <road> is '1e308'"),
        ('hdg="0.0"', 'hdg="inf"', "hdg of <geometry> is 'inf'"),
        ('hdg="0.0"', "", "<geometry> has no hdg"),
        ("<line/>", "<helix/>", "<helix>, but must be a line"),
        ("<line/>", "", "<geometry>, but must be a line"),
        ("<line/>", '<arc curvature="x"/>', "curvature of <arc> is 'x'"),
        ("<line/>", '<arc curvature="50"/>', "turns round and round"),
        ("<line/>", '<poly3 a="0" b="0" c="1e99" d="0"/>', "c of <poly3>"),
        ("<planView>", "<planView/><other>", "not well-formed XML"),
        ('<laneSection s="0">', '<laneSection s="30">', "lane sections begin at \\[30.0\\]"),
        ('<lane id="0"', '<lane id="-7"', "lane ids are \\[-7, -1, 1, 2\\]"),
        ('a="3.5"', 'a="-inf"', "lane 1: a of <width> is '-inf'"),
        ('<lane id="-1"', '<lane id="1e3"', "id of <lane> is '1e3'"),
    ],
)
def test_bad_maps_are_refused(single_map: str, old: str, new: str, message: str) -> None:
    assert old in single_map
    with pytest.raises(InvalidInput, match=message) as caught:
        parse_map(single_map.replace(old, new), "bad.xodr")
    assert "bad.xodr" in str(caught.value)


@pytest.mark.parametrize("text", ["<OpenDRIVE/>", "<OpenDRIVE><header/></OpenDRIVE>"])
def test_a_map_needs_a_road(text: str) -> None:
    with pytest.raises(InvalidInput, match="has no <road>"):
        parse_map(text, "empty")


def test_text_is_told_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "town.xodr"
    path.write_text("\ufeff<OpenDRIVE/>", encoding="utf-8")

    assert read_text(path) == ("<OpenDRIVE/>", "town")
    assert read_text(str(path)) == ("<OpenDRIVE/>", "town")
    assert read_text("\ufeff  <OpenDRIVE/>") == ("<OpenDRIVE/>", "map")
    with pytest.raises(InvalidInput, match="cannot be read as text"):
        read_text(tmp_path)
    (tmp_path / "noise.xodr").write_bytes(bytes(range(128, 256)))
    with pytest.raises(InvalidInput, match="cannot be read as text"):
        read_text(tmp_path / "noise.xodr")
