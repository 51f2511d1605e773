"""``dirtyroad picture``: what the driver sees and believes, as one picture of several scenarios."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.commands import selection
from scenarios.commands.output import progress_bar
from simulator.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from simulator.recording import Recording

CAMERA_CHOICES = ("model", "wide")


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "picture",
        help="draw what the driver sees",
        description="Drive scenarios for a moment and draw what the driver then sees, with the path (green) and the "
        "lane lines (amber) that it believes in, the fainter the less it does.",
    )
    selection.add_arguments(parser)
    parser.add_argument(
        "--at", type=float, default=2.0, metavar="S", help="after so many seconds (default: 2)"
    )
    parser.add_argument(
        "--camera", choices=CAMERA_CHOICES, default="model", help="the network's (default) or one for people"
    )
    parser.add_argument("--columns", type=int, default=2, metavar="K", help="pictures in a row (default: 2)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .jpg or .png")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    import cv2
    import numpy as np

    from simulator.world import CAMERA_PERIOD_S

    if not CAMERA_PERIOD_S <= arguments.at <= 600:
        raise InvalidInput(f"--at {arguments.at:g}: give {CAMERA_PERIOD_S:g} to 600 seconds")
    if not 1 <= arguments.columns <= 16:
        raise InvalidInput(f"--columns {arguments.columns}: give 1 to 16")
    if arguments.out.suffix not in (".jpg", ".png"):
        raise InvalidInput(f"--out {arguments.out}: give a name that ends in .jpg or .png")
    wide = arguments.camera == "wide"
    arguments.overrides += [
        f"duration_s={arguments.at}",
        f"record.wide_frames={str(wide).lower()}",
        "criteria=[]",
    ]
    scenarios = selection.chosen(arguments)
    from scenarios.runner import run

    with progress_bar("driving", sum(scenario.steps for scenario in scenarios)) as advance:
        outcomes = run(scenarios, advance)
    pictures = [draw(outcome.recording, arguments.camera) for outcome in outcomes]
    pictures += [np.zeros_like(pictures[0])] * (-len(pictures) % arguments.columns)
    rows = [
        np.hstack(pictures[k : k + arguments.columns]) for k in range(0, len(pictures), arguments.columns)
    ]
    if not cv2.imwrite(str(arguments.out), np.vstack(rows)[..., ::-1]):
        raise InvalidInput(f"--out {arguments.out}: cannot be written; is its folder there?")
    print(arguments.out)
    return 0


def draw(recording: Recording, camera: str) -> NDArray[np.uint8]:
    """The last frame of a run, with what was believed then."""
    from simulator.camera import CAMERAS
    from simulator.overlay import draw_sight

    path, lanes, prob = (
        recording[f"perception/{name}"][-1] for name in ("path_y_m", "lane_y_m", "lane_prob")
    )
    return draw_sight(recording.images[f"frames/{camera}"][-1], CAMERAS[camera], path, lanes, prob)
