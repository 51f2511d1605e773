"""``dirtyroad picture``: what the driver sees and believes, as one picture of several scenarios."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.commands import selection
from scenarios.output import progress_bar
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
        "lane lines (amber) that it believes in, the fainter the less it does. With --attack, an attacked drive beside "
        "one without the attack, and both ways from above.",
    )
    selection.add_arguments(parser)
    parser.add_argument(
        "--at",
        type=float,
        default=2.0,
        metavar="S",
        help="after so many seconds, with --attack from its time zero on (default: 2)",
    )
    parser.add_argument("--attack", action="store_true", help="one scenario, without and with its attack")
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="where patches are kept and looked for (default: nowhere)"
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
    selection.check_file("--out", arguments.out, ".jpg", ".png")
    wide = arguments.camera == "wide"
    arguments.overrides += [f"record.wide_frames={str(wide).lower()}", "criteria=[]"]
    if arguments.attack:
        picture = attacked(arguments)
    else:
        arguments.overrides.append(f"duration_s={arguments.at}")
        pictures = [draw(recording, arguments.camera) for recording in drive(arguments)]
        pictures += [np.zeros_like(pictures[0])] * (-len(pictures) % arguments.columns)
        starts = range(0, len(pictures), arguments.columns)
        picture = np.vstack([np.hstack(pictures[k : k + arguments.columns]) for k in starts])
    if not cv2.imwrite(str(arguments.out), picture[..., ::-1]):
        raise InvalidInput(f"--out {arguments.out}: cannot be written; is its folder there?")
    print(arguments.out)
    return 0


def drive(arguments: argparse.Namespace) -> list[Recording]:
    """Recordings of the scenarios that are meant.

    Raises:
        InvalidInput: one of them has no picture of the camera that is asked for.
    """
    from scenarios.runner import run
    from scenarios.store import Store

    scenarios = selection.chosen(arguments)
    store = Store(arguments.store) if arguments.store else None
    with progress_bar("driving", sum(scenario.steps for scenario in scenarios)) as advance:
        recordings = [outcome.recording for outcome in run(scenarios, advance, store=store)]
    for scenario, recording in zip(scenarios, recordings, strict=True):
        if f"frames/{arguments.camera}" not in recording.images:
            raise InvalidInput(
                f"{scenario.name}: --camera {arguments.camera}: assistant {scenario.assistant.type} does not look "
                "through it, or record.model_frames is false; give --camera wide"
            )
    return recordings


def attacked(arguments: argparse.Namespace) -> NDArray[np.uint8]:
    """A scenario without and with its attack.

    Raises:
        InvalidInput: several are meant, or the one has no attack.
    """
    from scenarios.reports.attack_picture import draw_attack
    from simulator.camera import CAMERAS

    recordings = drive(arguments)
    if len(recordings) != 1 or "patch/place_m" not in recordings[0]:
        raise InvalidInput("--attack: name one scenario, and one that has an attack on the road")
    arguments.overrides.append("attack=null")
    (clean,) = drive(arguments)
    return draw_attack(clean, recordings[0], CAMERAS[arguments.camera], arguments.at)


def draw(recording: Recording, camera: str) -> NDArray[np.uint8]:
    """The last frame of a run, with what was believed then."""
    from simulator.camera import CAMERAS
    from simulator.overlay import draw_sight

    path, lanes, prob = (
        recording[f"perception/{name}"][-1] for name in ("path_y_m", "lane_y_m", "lane_prob")
    )
    return draw_sight(recording.images[f"frames/{camera}"][-1], CAMERAS[camera], path, lanes, prob)
