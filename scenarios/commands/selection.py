"""Arguments that several commands share: which scenarios or plugin are meant, and what is changed about them."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import InvalidInput

if TYPE_CHECKING:
    from scenarios.registry import Options
    from scenarios.schema import Scenario


LARGEST_SEED = 2**32 - 1
"""What numpy and torch both take."""


def check_numbers(arguments: argparse.Namespace, **bounds: tuple[float, float]) -> None:
    """Refuse numbers outside of their bounds, named as the arguments are; what was not given is not looked at.

    Raises:
        InvalidInput: naming the option, the value and what would be accepted.
    """
    for name, (low, high) in bounds.items():
        value = getattr(arguments, name)
        if value is not None and not low <= value <= high:
            accepted = f"{low} or more" if math.isinf(high) else f"a number from {low} to {high}"
            raise InvalidInput(f"--{name.replace('_', '-')} {value:g}: give {accepted}")


def check_file(option: str, path: Path | None, *kinds: str) -> None:
    """See before the work whether a file can be written after it.

    Args:
        option: as the command line calls it.
        path: the file; None where there is none to be written.
        kinds: how its name may end, such as ``.png``; in any way where none is given.

    Raises:
        InvalidInput: its name ends otherwise, its folder is not there, or nobody may write in it.
    """
    if path is None:
        return
    if kinds and path.suffix not in kinds:
        raise InvalidInput(f"{option} {path}: give a name that ends in {' or '.join(kinds)}")
    folder = path.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or path.is_dir():
        raise InvalidInput(
            f"{option} {path}: cannot be written; is its folder there, and may you write in it?"
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments to a command."""
    parser.add_argument(
        "scenarios",
        nargs="+",
        metavar="FILE|NAME",
        help="scenario files, packaged scenarios (benign/highway_straight) or groups of them ('benign/*')",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        dest="overrides",
        help="change a field before the file is checked, such as --set ego.speed_mps=20; may be repeated",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the same as --set seed=N")
    parser.add_argument("--backend", metavar="WORLD", help="the same as --set world=WORLD")
    parser.add_argument(
        "--maps",
        "--data",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        dest="maps",
        help="folder in which maps and recorded drives are looked for, after the scenario's own and the working "
        "directory; may be repeated",
    )


def files(arguments: argparse.Namespace) -> list[Path]:
    """The files that are meant, each once."""
    from scenarios.files import locate

    return list(dict.fromkeys(path for name in arguments.scenarios for path in locate(name)))


def overrides(arguments: argparse.Namespace) -> list[str]:
    """All that is to be changed."""
    shortcuts = {"seed": arguments.seed, "world": arguments.backend}
    return arguments.overrides + [
        f"{field}={value}" for field, value in shortcuts.items() if value is not None
    ]


def chosen(arguments: argparse.Namespace) -> list[Scenario]:
    """The scenarios that are meant, checked; the faults of all files are reported together.

    Raises:
        InvalidInput: there is a fault in any of them.
    """
    from scenarios.build import check_buildable
    from scenarios.files import load

    scenarios, faults = [], []
    changes = overrides(arguments)
    for path in files(arguments):
        try:
            scenario = load(path, changes, arguments.maps)
            check_buildable(scenario, str(path))
            scenarios.append(scenario)
        except InvalidInput as error:
            faults.append(str(error))
    if faults:
        raise InvalidInput("\n".join(faults))
    return scenarios


def add_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add what changes the options of a plugin."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        dest="overrides",
        help=f"an option of the {what}; may be repeated",
    )


def parse_options(group: str, name: str, overrides: list[str]) -> Options:
    """The options of a plugin.

    Raises:
        InvalidInput: there is no such plugin, or one of its options cannot be.
    """
    from scenarios.files import Change, validate
    from scenarios.registry import plugin

    data: dict[str, Any] = {"type": name}
    for override in overrides:
        Change.of(override).apply(data)
    return validate(plugin(group, name).options, data, f"{group[:-1]} {name}")
