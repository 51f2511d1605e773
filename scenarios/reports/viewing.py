"""A Rerun viewer as a process of its own, which nobody on another machine can reach."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from simulator.errors import InfrastructureError, MissingExtra

START_S = 120.0
"""A viewer that listens to nobody after this has failed."""

LOOPBACK = "127.0.0.1"
RERUN = (sys.executable, "-c", "import sys; from rerun_cli.__main__ import main; sys.exit(main())")
"""Rerun's program; its ``python -m rerun_cli`` always ends with 0."""

WITHOUT_DISPLAY = "on a machine without a display, save a file instead: dirtyroad view RUN --save FILE.rrd"

BROWSER = ("--web-viewer", "--web-viewer-port", "0")
"""What tells Rerun to open no window."""


def show_file(path: Path, web: bool) -> None:
    """Show a file (``.rrd``) in a window or a web browser, until that is closed.

    Raises:
        InfrastructureError: the viewer does not run here.
    """
    with _started([*(BROWSER if web else ()), str(path)]) as process:
        _stay(process)


@contextmanager
def live_viewer(web: bool) -> Iterator[str]:
    """A viewer that shows what is sent to the address that is given; after that it stays until it is closed.

    Raises:
        InfrastructureError: the viewer does not run here.
        MissingExtra: it is not installed.
    """
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    with _started(["--port", str(port), *(BROWSER if web else ())]) as process:
        _await(process, port)
        yield f"rerun+http://{LOOPBACK}:{port}/proxy"
        print("the viewer stays until it is closed (here: by Ctrl-C)", file=sys.stderr)
        _stay(process)


@contextmanager
def _started(arguments: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    if find_spec("rerun_cli") is None:
        raise MissingExtra("the viewer needs rerun, which is not installed: pip install 'dirtyroad[viewer]'")
    command = [*RERUN, "--bind", LOOPBACK, *arguments]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):  # it was closed
                os.killpg(process.pid, signal.SIGINT)


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1.0):
            return
        time.sleep(0.05)
    raise InfrastructureError("the viewer did not start; " + WITHOUT_DISPLAY)


def _stay(process: subprocess.Popen[bytes]) -> None:
    with suppress(KeyboardInterrupt):
        if process.wait():
            raise InfrastructureError("the viewer did not run; " + WITHOUT_DISPLAY)
