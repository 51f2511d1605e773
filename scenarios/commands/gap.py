"""``dirtyroad gap``: how far rendered and real are apart, for networks of either side."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.commands.selection import check_numbers
from scenarios.output import print_json, print_table, progress_bar
from simulator.errors import InvalidInput

if TYPE_CHECKING:
    from scenarios.results.gap_real import Comparison
    from scenarios.results.gap_rendered import Sight

TILES = 40
"""So many pictures are in a mosaic at most, the worst first."""


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "gap",
        help="measure the gap between rendered and real",
        description="Measure the gap between rendered and real, from either side. TwinLiteNet, a published network "
        "that was trained on real roads, sees what a person sees; its weights are not part of dirtyroad.",
    )
    directions = parser.add_subparsers(metavar="DIRECTION", required=True)
    rendered = directions.add_parser(
        "rendered",
        help="does a network of real roads find the lane in our frames?",
        description="Show TwinLiteNet rendered frames from random places of scenarios by daylight, and hold its "
        "lines against the map: found is an ego lane both lines of which are within 0.25 m at 10 m ahead and within "
        "0.4 m at 20 m.",
    )
    rendered.add_argument(
        "scenarios", nargs="*", default=["benign/*"], metavar="FILE|NAME", help="default: benign/*"
    )
    rendered.add_argument("--frames", type=int, default=200, metavar="N", help="how many (default: 200)")
    rendered.add_argument("--seed", type=int, default=0, metavar="N", help="of the places (default: 0)")
    rendered.set_defaults(execute=execute_rendered)
    real = directions.add_parser(
        "real",
        help="does our driver find the lane in real frames?",
        description="Show the driver real frames and hold its ego lane lines, 10 m ahead, against TwinLiteNet's, where "
        "that sees both: they agree within 0.4 m, or within 3 % of the picture's width where the camera's mount is "
        "unknown and found from the lane.",
    )
    real.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="a picture, a video, a folder of them, or a comma2k19 segment (then the mount is known)",
    )
    real.add_argument(
        "--driver", default="standard", metavar="NAME|FILE", help="weights of the driver (default: standard)"
    )
    real.add_argument(
        "--every", type=int, default=6, metavar="K", help="judge every K-th frame of a video (default: 6)"
    )
    real.add_argument(
        "--focal",
        type=float,
        metavar="PX",
        help="focal length of unknown cameras (default: 0.8 of the width)",
    )
    real.set_defaults(execute=execute_real)
    for direction in (rendered, real):
        direction.add_argument(
            "--twinlitenet", type=Path, required=True, metavar="FILE", help="its authors' best.pth"
        )
        direction.add_argument(
            "--mosaic", type=Path, metavar="FILE", help="draw the worst frames as a .jpg or .png"
        )
        direction.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def execute_rendered(arguments: argparse.Namespace) -> int:
    """Run the command from the real side; returns the exit code."""
    from lkas.zoo.twinlitenet import TwinLiteNet
    from scenarios.files import load, locate
    from scenarios.reports.mosaic import check_mosaic, write_mosaic
    from scenarios.results.gap_rendered import by_daylight, describe, look

    if not 1 <= arguments.frames <= 100_000:
        raise InvalidInput(f"--frames {arguments.frames}: give 1 to 100000")
    if not 0 <= arguments.seed < 2**32:
        raise InvalidInput(f"--seed {arguments.seed}: give 0 to {2**32 - 1}")
    check_mosaic(arguments.mosaic)
    paths = dict.fromkeys(path for name in arguments.scenarios for path in locate(name))
    scenarios = by_daylight([load(path) for path in paths])
    network = TwinLiteNet.load(arguments.twinlitenet)
    sights = []
    with progress_bar("looking", arguments.frames) as advance:
        for sight in look(network, scenarios, arguments.frames, arguments.seed):
            sights.append(sight)
            advance(1)
    if arguments.mosaic is not None:
        worst = sorted(sights, key=lambda sight: -sight.worst)[:TILES]
        write_mosaic(arguments.mosaic, [describe(sight) for sight in worst], columns=4)
    share = sum(sight.found for sight in sights) / len(sights)
    if arguments.json:
        print_json({"found_share": share, "frames": [_sight_json(sight) for sight in sights]})
        return 0
    rows = []
    for name in dict.fromkeys(sight.scenario for sight in sights):
        mine = [sight for sight in sights if sight.scenario == name]
        rows.append((name, str(len(mine)), str(sum(sight.found for sight in mine))))
    print_table(
        f"TwinLiteNet finds the ego lane in {share:.1%} of {len(sights)} rendered frames",
        ("scenario", "frames", "found"),
        rows,
    )
    return 0


def _sight_json(sight: Sight) -> dict[str, Any]:
    errors = [None if math.isinf(error) else error for error in sight.error_m.flatten().tolist()]
    names = ("left_10_m", "left_20_m", "right_10_m", "right_20_m")
    return {
        "scenario": sight.scenario,
        "s_m": sight.s_m,
        "offset_m": sight.offset_m,
        "heading_rad": sight.heading_rad,
        "found": sight.found,
        "error_m": dict(zip(names, errors, strict=True)),
    }


def execute_real(arguments: argparse.Namespace) -> int:
    """Run the command from our side; returns the exit code."""
    from lkas.driver import DriverAssistant, load_driver
    from lkas.zoo.twinlitenet import TwinLiteNet
    from scenarios.reports.mosaic import check_mosaic, write_mosaic
    from scenarios.results.gap_real import compare, describe, judged_frames, sources

    check_numbers(arguments, every=(1, math.inf))
    if arguments.focal is not None and not 10 <= arguments.focal <= 100_000:
        raise InvalidInput(f"--focal {arguments.focal:g}: give 10 to 100000 pixels")
    check_mosaic(arguments.mosaic)
    shown = [source for path in arguments.paths for source in sources(path, arguments.focal)]
    network = TwinLiteNet.load(arguments.twinlitenet)
    driver = DriverAssistant(load_driver(arguments.driver))
    results: list[list[Comparison]] = []
    with progress_bar("looking", sum(judged_frames(source, arguments.every) for source in shown)) as advance:
        for source in shown:
            results.append([])
            for comparison in compare(network, driver, source, arguments.every):
                results[-1].append(comparison)
                advance(1)
    everything = [comparison for result in results for comparison in result]
    if arguments.mosaic is not None:
        worst = sorted(everything, key=lambda comparison: -(comparison.worst or 0.0))[:TILES]
        write_mosaic(arguments.mosaic, [describe(comparison) for comparison in worst], columns=2)
    judged = [comparison for comparison in everything if comparison.agrees is not None]
    agree = sum(bool(comparison.agrees) for comparison in judged)
    if arguments.json:
        print_json(
            {
                "frames": len(everything),
                "judged": len(judged),
                "agree": agree,
                "comparisons": [
                    {name: value for name, value in vars(c).items() if name != "picture"}
                    | {"agrees": c.agrees}
                    for c in everything
                ],
            }
        )
        return 0
    print_table(
        f"the driver agrees with TwinLiteNet in {agree} of the {len(judged)} frames in which that sees both lines "
        f"(of {len(everything)} shown)",
        ("source", "frames", "both seen", "agree", "worst difference"),
        [_row(result) for result in results],
    )
    return 0


def _row(result: list[Comparison]) -> tuple[str, ...]:
    judged = [comparison for comparison in result if comparison.difference is not None]
    agree = sum(bool(comparison.agrees) for comparison in judged)
    worst = max((max(c.difference) for c in judged if c.difference is not None), default=None)
    if worst is None:
        said = "TwinLiteNet sees " + ", ".join(sorted({comparison.seen for comparison in result}))
    else:
        said = f"{worst:.2f} m" if result[0].known else f"{100 * worst:.1f} % of the width"
    return result[0].source, str(len(result)), str(len(judged)), str(agree), said
