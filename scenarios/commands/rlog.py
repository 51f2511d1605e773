"""``dirtyroad rlog``: a run as an openpilot log, and back."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "rlog",
        help="write a run as an openpilot log",
        description="Write what a run recorded as an openpilot log (rlog.zst), which opens in openpilot's own tools; "
        "or, given such a log, the recording that it was written from.",
    )
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="a run folder, its recording.zip, or a log to be turned back"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the log (.zst), or the recording (.zip)"
    )
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from simulator.logs.rlog import read_recording
    from simulator.logs.rlog_export import write_rlog
    from simulator.recording import Recording
    from simulator.world import InvalidInput

    source, out = arguments.run, arguments.out
    if not out.parent.is_dir():
        raise InvalidInput(f"--out {out}: there is no folder {out.parent}")
    if out.suffix == ".zip":
        recording = read_recording(source)
        try:
            recording.save(out)
        except OSError as error:
            raise InvalidInput(f"--out {out}: cannot be written ({error.strerror})") from error
    else:
        write_rlog(Recording.load(source / "recording.zip" if source.is_dir() else source), out)
    print(out)
    return 0
