"""A CARLA server of this project in a process of its own: a client in the same one would keep Python's lock."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from simulator.errors import InfrastructureError


class Serving(NamedTuple):
    """A server that listens.

    Attributes:
        process: that it is.
        port: of the calls.
        data_port: of the sensors' data.
    """

    process: subprocess.Popen[str]
    port: int
    data_port: int


@contextmanager
def serving(*arguments: str) -> Iterator[Serving]:
    """Run ``dirtyroad serve`` on free ports for a while.

    Args:
        arguments: more of its arguments, such as ``--maps``.

    Raises:
        InfrastructureError: it does not start.
    """
    command = [sys.executable, "-m", "scenarios.cli", "serve", "--port", "0", "--quiet", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            ports = re.fullmatch(r"serving CARLA .*:(\d+) \(data: (\d+)\)\n", line)
            if ports is None:
                raise InfrastructureError(f"the CARLA server does not start: {line.strip()!r}")
            yield Serving(process, *map(int, ports.groups()))
        finally:
            process.kill()
