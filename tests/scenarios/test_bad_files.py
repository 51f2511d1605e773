"""Bad scenario files: each exits 2 with a message that names the file and the field, none with a traceback."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scenarios.cli import main
from simulator.roads.export import opendrive_of
from simulator.roads.layout import LaneLayout
from simulator.roads.segments import Line

GOOD = """\
schema_version: 1
duration_s: 2.0
road:
  type: segments
  segments:
    - {type: line, length_m: 200}
weather: ClearNoon
ego: {speed_mps: 20.0}
assistant: ground_truth
criteria:
  - {metric: lateral_offset_p99, max: 0.25}
"""

MAP = """\
schema_version: 1
duration_s: 2.0
road: {type: opendrive, path: PATH, road: ROAD, lane: LANE, s_m: S}
ego: {speed_mps: 20.0}
assistant: ground_truth
"""


def changed(old: str, new: str) -> bytes:
    """The good file with one change."""
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new).encode()


def added(text: str) -> bytes:
    return (GOOD + text + "\n").encode()


def on_map(path: str = "good.xodr", road: str = "1", lane: str = "-1", s: str = "0") -> bytes:
    replaced = MAP.replace("PATH", path).replace("ROAD", road).replace("LANE", lane).replace("S}", f"{s}}}")
    return replaced.encode()


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b]"

CASES: dict[str, tuple[bytes, str]] = {
    # what is not a scenario at all
    "empty": (b"", "is empty"),
    "only a comment": (b"# nothing\n", "is empty"),
    "a word": (b"hello", "a scenario is a mapping"),
    "a list": (b"- 1\n- 2\n", "a scenario is a mapping"),
    "no yaml": (b"road: [1, 2\nego: }", "bad.yaml:2"),
    "tabs": (b"road:\n\ttype: segments\n", "bad.yaml:2"),
    "two documents": (GOOD.encode() + b"---\n" + GOOD.encode(), "single document"),
    "binary": (bytes(range(256)), "no UTF-8"),
    "control characters": (b"name: a\x00b\n", "not YAML"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00", "no UTF-8"),
    "an alias bomb": (added(BOMB), "aliases are not accepted"),
    "an alias of itself": (added("a: &a [*a]"), "aliases are not accepted"),
    "python tag": (added("name: !!python/object/apply:os.system ['true']"), "tag"),
    "unknown tag": (added("name: !secret x"), "tag"),
    "deep nesting": (b"a: " + b"[" * 2000 + b"]" * 2000, "nested too deeply"),
    "a megabyte": (b"name: " + b"x" * 1_100_000, "at most"),
    "repeated key": (added("ego: {speed_mps: 3.0}"), "ego: the key is repeated"),
    "repeated key inside": (
        changed("{speed_mps: 20.0}", "{speed_mps: 1.0, speed_mps: 2.0}"),
        "ego.speed_mps",
    ),
    "a key that is a list": (added("? [1, 2]\n: 3"), "a key must be a word"),
    # fields
    "unknown key": (added("speeed: 3"), "speeed: there is no such field"),
    "unknown key inside": (changed("{speed_mps: 20.0}", "{speed_mps: 20.0, sped: 1}"), "ego.sped"),
    "unknown segment key": (changed("length_m: 200}", "length_m: 200, radius: 3}"), "road.segments.0.radius"),
    "merge key": (added("<<: {seed: 1}"), "<<: there is no such field"),
    "no ego": (changed("ego: {speed_mps: 20.0}\n", ""), "ego: this field is missing"),
    "no road": (
        b"schema_version: 1\nduration_s: 1.0\nego: {speed_mps: 1.0}\n",
        "road: this field is missing",
    ),
    "no version": (changed("schema_version: 1\n", ""), "schema_version: this field is missing"),
    "another version": (changed("schema_version: 1", "schema_version: 2"), "schema_version"),
    "version as text": (changed("schema_version: 1", "schema_version: '1'"), "schema_version"),
    "null": (changed("duration_s: 2.0", "duration_s: null"), "duration_s"),
    # types and numbers
    "text for a number": (
        changed("speed_mps: 20.0", "speed_mps: fast"),
        "ego.speed_mps: must be a valid number",
    ),
    "a number in quotes": (changed("speed_mps: 20.0", "speed_mps: '20'"), "ego.speed_mps"),
    "yes for a number": (changed("speed_mps: 20.0", "speed_mps: true"), "ego.speed_mps"),
    "a list for a mapping": (changed("{speed_mps: 20.0}", "[20.0]"), "ego"),
    "a mapping for a list": (
        changed("\n    - {type: line, length_m: 200}", " {type: line}"),
        "road.segments",
    ),
    "a fraction for a seed": (added("seed: 1.5"), "seed"),
    "negative speed": (
        changed("speed_mps: 20.0", "speed_mps: -3.0"),
        "ego.speed_mps: must be greater than 0",
    ),
    "standing": (changed("speed_mps: 20.0", "speed_mps: 0.0"), "ego.speed_mps"),
    "speed of light": (changed("speed_mps: 20.0", "speed_mps: 3e8"), "ego.speed_mps"),
    "NaN": (changed("speed_mps: 20.0", "speed_mps: .nan"), "ego.speed_mps: must be a finite number"),
    "infinite": (changed("duration_s: 2.0", "duration_s: .inf"), "duration_s"),
    "overflow": (changed("duration_s: 2.0", "duration_s: 1e999"), "duration_s"),
    "negative duration": (changed("duration_s: 2.0", "duration_s: -2.0"), "duration_s"),
    "between two frames": (changed("duration_s: 2.0", "duration_s: 0.08"), "the nearest is 0.1"),
    "a year": (changed("duration_s: 2.0", "duration_s: 31536000"), "duration_s"),
    "negative seed": (added("seed: -1"), "seed"),
    "huge seed": (added(f"seed: {10**30}"), "seed"),
    "endless number": (added("seed: " + "9" * 5000), "seed: a number of 5000 digits"),
    "name of a path": (added("name: '../../etc/pass wd'"), "name: must match pattern"),
    # names of things
    "unknown weather": (changed("weather: ClearNoon", "weather: ClearNon"), "did you mean 'ClearNoon'"),
    "cloudier than all": (changed("weather: ClearNoon", "weather: {cloudiness: 101}"), "weather.cloudiness"),
    "unknown world": (added("world: embeded"), "did you mean 'embedded'"),
    "unknown assistant": (
        changed("assistant: ground_truth", "assistant: waymo"),
        "assistant: no assistant named 'waymo'",
    ),
    "unknown assistant's option": (
        changed("assistant: ground_truth", "assistant: {type: ground_truth, eyes: 2}"),
        "assistant.eyes",
    ),
    "missing weights": (
        changed("assistant: ground_truth", "assistant: {type: lane_keeping, weights: none.safetensors}"),
        "assistant.weights: there is no file none.safetensors",
    ),
    "an assistant without type": (
        changed("assistant: ground_truth", "assistant: {eyes: 2}"),
        "assistant: expected a name",
    ),
    "unknown attack": (added("attack: {type: random_dust}"), "did you mean 'random_dirt'"),
    "a budget that is none": (
        added("attack: {type: random_dirt, darker: 0.0, brighter: 0.0}"),
        "attack.darker",
    ),
    "a patch beyond the road": (added("attack: {type: random_dirt, ahead_m: 400.0}"), "does not lie on road"),
    "a patch of negative length": (added("attack: {type: random_dirt, length_m: -3.0}"), "attack.length_m"),
    "unknown defense": (added("defenses: [{type: prayer}]"), "defenses.0: no defense named 'prayer'"),
    "unknown metric": (changed("lateral_offset_p99", "lateral_offset_p98"), "criteria.0: no metric named"),
    "unknown vehicle": (changed("speed_mps: 20.0", "speed_mps: 20.0, vehicle: tank"), "ego.vehicle"),
    "criterion without bound": (
        changed(", max: 0.25}", "}"),
        "criteria.0: a criterion needs a 'max' or a 'min'",
    ),
    "criterion that nothing meets": (
        changed("max: 0.25", "max: 0.25, min: 3.0"),
        "criteria.0: min 3 is above max",
    ),
    "latency between steps": (added("world: {type: embedded, latency_s: 0.123}"), "world.latency_s"),
    # roads
    "unknown road": (changed("type: segments", "type: dirt"), "road"),
    "no segments": (changed("\n    - {type: line, length_m: 200}", " []"), "road.segments"),
    "unknown segment": (changed("{type: line, length_m: 200}", "{type: spline}"), "road.segments.0"),
    "negative length": (changed("length_m: 200", "length_m: -200"), "road.segments.0.length_m"),
    "a road that ends": (changed("length_m: 200", "length_m: 30"), "it ends after 30.0 m"),
    "radius zero": (
        changed("{type: line, length_m: 200}", "{type: arc, length_m: 9, radius_m: 0}"),
        "radius_m",
    ),
    "over itself": (
        changed("{type: line, length_m: 200}", "{type: arc, length_m: 900, radius_m: 30}"),
        "length_m",
    ),
    "narrow lane": (
        changed("weather", "  layout: {type: two_way, lane_width_m: 0.5}\nweather"),
        "lane_width_m",
    ),
    "unknown mark": (
        changed("weather", "  layout: {type: two_way, edge: {kind: wavy}}\nweather"),
        "road.layout.edge.kind",
    ),
    "a lane too many": (changed("weather", "  layout: {type: one_way, ego_lane: 7}\nweather"), "ego_lane"),
    "a mark too few": (
        changed(
            "weather", "  layout: {type: strips, ego_lane: 0, strips: [{}, {}], marks: [{}, {}]}\nweather"
        ),
        "every border needs one",
    ),
    # maps
    "missing map": (on_map(path="none.xodr"), "road.path: there is no 'none.xodr'"),
    "a folder for a map": (on_map(path="."), "road.path"),
    "a name no disk has": (on_map(path="x" * 4000), "road.path"),
    "malformed map": (on_map(path="malformed.xodr"), "malformed"),
    "map without roads": (on_map(path="hollow.xodr"), "hollow"),
    "no map at all": (on_map(path="picture.xodr"), "picture"),
    "no such road": (on_map(road="77"), "no road 77"),
    "no such lane": (on_map(lane="-9"), "-9"),
    "the middle lane": (on_map(lane="0"), "lane"),
    "beyond the road": (on_map(s="9999"), "s_m"),
    "before the road": (on_map(s="-1"), "road.s_m"),
    "a lane without width": (
        on_map(path="width_0.xodr"),
        "the lane of the car is 0 m wide 0 m after the start",
    ),
    "a lane of negative width": (on_map(path="width_-3.5.xodr"), "the lane of the car is -3.5 m wide"),
    "a lane as wide as a continent": (on_map(path="width_9e6.xodr"), "the lane of the car is 9e+06 m wide"),
    "a map's road as long as a continent": (on_map(path="long.xodr"), "length is 9e+06"),
    "a strip for a lane": (
        changed(
            "weather",
            "  layout: {type: strips, ego_lane: 0, strips: [{width_m: 1}], marks: [{}, {}]}\nweather",
        ),
        "the lane of the car is 1 m wide",
    ),
    "a map's lane with two signs": (on_map(path="signs.xodr"), "id of <lane> is '--1'"),
    "a map's lane of 5000 digits": (on_map(path="digits.xodr"), "id of <lane> is '1111"),
    "a map's road that ends": (on_map(s="590"), "ends after"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Maps, good and bad ones, beside which the scenario files are put."""
    path = tmp_path_factory.mktemp("bad")
    text = opendrive_of("good", [Line(300.0)], LaneLayout.two_way())
    (path / "good.xodr").write_text(text)
    (path / "malformed.xodr").write_text(text[: len(text) // 2])
    for width in ("0", "-3.5", "9e6"):
        (path / f"width_{width}.xodr").write_text(re.sub(r'(<width[^>]* a=")[^"]*"', rf'\g<1>{width}"', text))
    (path / "long.xodr").write_text(re.sub(r'(<(?:road|geometry) [^>]*length=")[^"]*"', r'\g<1>9e6"', text))
    (path / "signs.xodr").write_text(text.replace('id="-1"', 'id="--1"'))
    (path / "digits.xodr").write_text(text.replace('id="-1"', f'id="{"1" * 5000}"'))
    (path / "hollow.xodr").write_text("<OpenDRIVE><header/></OpenDRIVE>")
    (path / "picture.xodr").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    return path


def test_there_are_at_least_fifty() -> None:
    assert len(CASES) >= 50


@pytest.mark.parametrize("command", ["validate", "run"])
@pytest.mark.parametrize("case", CASES)
def test_bad_files_exit_two(
    folder: Path, capsys: pytest.CaptureFixture[str], case: str, command: str
) -> None:
    content, expected = CASES[case]
    (folder / "bad.yaml").write_bytes(content)
    where = ["--out", str(folder / "runs")] if command == "run" else []
    assert main([command, str(folder / "bad.yaml"), *where]) == 2
    message = capsys.readouterr().err
    assert "bad.yaml" in message
    assert expected in message
    assert "Traceback" not in message
    assert not (folder / "runs").exists()


@pytest.mark.parametrize("case", ["unknown key", "malformed map"])
def test_bad_files_exit_two_as_a_command(folder: Path, case: str) -> None:
    content, expected = CASES[case]
    (folder / "bad.yaml").write_bytes(content)
    command = [sys.executable, "-m", "scenarios.cli", "run", str(folder / "bad.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_the_files_they_were_made_from_are_good(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Otherwise a case could exit 2 for another reason than its own."""
    (folder / "good.yaml").write_text(GOOD)
    (folder / "map.yaml").write_bytes(on_map())
    assert main(["validate", str(folder / "good.yaml"), str(folder / "map.yaml")]) == 0
    assert capsys.readouterr().err == ""


def test_all_faults_of_all_files_are_told_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.yaml").write_bytes(changed("speed_mps: 20.0", "speed_mps: -1, sped: 2"))
    (folder / "worse.yaml").write_bytes(changed("duration_s: 2.0", "duration_s: x"))
    assert main(["run", str(folder / "bad.yaml"), str(folder / "worse.yaml")]) == 2
    message = capsys.readouterr().err
    assert all(
        text in message
        for text in ("bad.yaml:8: ego.speed_mps", "bad.yaml:8: ego.sped", "worse.yaml:2: duration_s")
    )


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("ego.speed_mps=-1", "ego.speed_mps"),
        ("nothing", "write it as field=value"),
        ("=3", "write it as field=value"),
        ("a..b=3", "write it as field=value"),
        ("ego.wings=2", "ego.wings: there is no such field"),
        ("criteria.5.max=1", "none of its places"),
        ("road.segments.².length_m=1", "none of its places"),
        (f"criteria.{'9' * 5000}.max=1", "none of its places"),
        ("weather.fog_density=3", "weather is 'ClearNoon', which has no fields"),
        ("seed=[1", "--set seed"),
    ],
)
def test_bad_overrides_exit_two(
    folder: Path, capsys: pytest.CaptureFixture[str], override: str, expected: str
) -> None:
    (folder / "good.yaml").write_text(GOOD)
    assert main(["validate", str(folder / "good.yaml"), "--set", override]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("benign/highway_strait", "did you mean 'benign/highway_straight'"),
        ("benighn/*", "groups are"),
        ("nowhere.yaml", "there is no such file"),
        ("x" * 300, "cannot be looked for"),
        ("x" * 300 + ".yaml", "cannot be looked for"),
        ("/", "no scenario file or packaged scenario"),
    ],
)
def test_unknown_scenarios_exit_two(capsys: pytest.CaptureFixture[str], name: str, expected: str) -> None:
    assert main(["run", name]) == 2
    assert expected in capsys.readouterr().err


def test_a_folder_is_no_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d.yaml").mkdir()
    assert main(["validate", str(tmp_path / "d.yaml")]) == 2
    assert "this is a folder, not a scenario file" in capsys.readouterr().err


def test_numbers_are_read_as_yaml_1_2_has_them() -> None:
    from scenarios.yaml_text import parse

    text = "{a: 1e3, b: 0x10, c: on, d: 1_000, e: 010, f: -.5, g: ~, h: 2024-01-01, i: .nan, j: -.inf}"
    data = parse(text, "test").data
    assert math.isnan(data.pop("i"))
    expected = {
        "a": 1000.0,
        "b": 16,
        "c": "on",
        "d": "1_000",
        "e": 10,
        "f": -0.5,
        "g": None,
        "h": "2024-01-01",
    }
    assert data == {**expected, "j": -math.inf}
    assert yaml.safe_load("c: on") == {"c": True}  # what is avoided
