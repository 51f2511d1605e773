"""``dirtyroad view``: look at what happened."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.reports.viewing import show_file
from simulator.errors import InvalidInput

if TYPE_CHECKING:
    from simulator.recording import Recording

FILM_HZ = 20.0


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "view",
        help="look at a run",
        description="Show a run in Rerun: what the camera saw and the driver believed, the road from above with the "
        "patch and both trajectories, plots. Nothing is served to other machines.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder, or a recording")
    parser.add_argument(
        "--save", type=Path, metavar="FILE", help="write a file for Rerun (.rrd), open nothing"
    )
    parser.add_argument("--mp4", type=Path, metavar="FILE", help="write a film of the camera, open nothing")
    parser.add_argument("--web", action="store_true", help="open it in a web browser on this machine")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from simulator.recording import Recording

    path = arguments.run / "recording.zip" if arguments.run.is_dir() else arguments.run
    recording = Recording.load(path)
    if arguments.mp4 is not None:
        film(recording, arguments.mp4)
        print(arguments.mp4)
    if arguments.save is not None:
        write(recording, arguments.save)
        print(arguments.save)
    if arguments.mp4 is None and arguments.save is None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "run.rrd"
            write(recording, file)
            show_file(file, arguments.web)
    return 0


def write(recording: Recording, path: Path) -> None:
    """Write a file for Rerun."""
    from scenarios.metrics import CAR_WIDTH_M
    from simulator.viewer import save

    save(recording, path, CAR_WIDTH_M)


def film(recording: Recording, path: Path) -> None:
    """Write a film of the camera, with what the driver believed drawn over it.

    Raises:
        InvalidInput: there are no pictures, or the film cannot be written.
    """
    import cv2

    from simulator.camera import CAMERAS
    from simulator.overlay import draw_sight
    from simulator.sketch import shown_camera

    name = shown_camera(recording)
    if name is None:
        raise InvalidInput("--mp4: no pictures were recorded; run it with --set record.wide_frames=true")
    camera, frames = CAMERAS[name], recording.images[f"frames/{name}"]
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FILM_HZ, (camera.width, camera.height))
    if not film.isOpened():
        raise InvalidInput(f"--mp4 {path}: cannot be written; is its folder there, and does it end in .mp4?")
    for index in range(len(frames)):
        believed = (recording[f"perception/{part}"][index] for part in ("path_y_m", "lane_y_m", "lane_prob"))
        film.write(draw_sight(frames[index], camera, *believed)[..., ::-1])
    film.release()
