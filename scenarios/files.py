"""From names and files on a command line to checked scenarios, with messages that name file, line and field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from scenarios import yaml_text
from scenarios.registry import find
from scenarios.road_schema import OpenDriveRoad
from scenarios.schema import Scenario
from simulator.world import InvalidInput

LIBRARY = Path(__file__).parent / "library"
SUFFIXES = (".yaml", ".yml")
SHOWN_CHARACTERS = 60


def packaged() -> dict[str, Path]:
    """The scenarios that come with dirtyroad, by name (``benign/highway_straight``)."""
    return {str(path.relative_to(LIBRARY).with_suffix("")): path for path in sorted(LIBRARY.rglob("*.yaml"))}


def locate(name: str) -> list[Path]:
    """The files that an argument means: a file, a packaged scenario, or a group of them (``benign/*``).

    Raises:
        InvalidInput: it means nothing.
    """
    path = Path(name)
    if path.suffix.lower() in SUFFIXES or path.is_file():
        if not path.is_file():
            raise InvalidInput(f"{name}: there is no such file")
        return [path]
    known = packaged()
    if any(letter in name for letter in "*?["):
        matching = [path for other, path in known.items() if fnmatch(other, name)]
        if not matching:
            groups = sorted({f"{other.rpartition('/')[0]}/*" for other in known})
            raise InvalidInput(f"no packaged scenario matches '{name}'; groups are {', '.join(groups)}")
        return matching
    return [find(name, known, "scenario file or packaged scenario")]


def load(path: Path, overrides: Sequence[str] = (), maps: Sequence[Path] = ()) -> Scenario:
    """Read and check one scenario file.

    Args:
        path: the file. overrides: ``a.b=value`` each, applied before anything is checked; values are YAML. maps:
        folders in which relative paths of maps are looked for, after the file's own and the working directory.

    Raises:
        InvalidInput: with every fault that was found, one a line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{path}: this is no UTF-8 text (byte {error.start} is {error.object[error.start]:#04x})"
        ) from None
    document = yaml_text.parse(text, str(path))
    if not isinstance(document.data, dict):
        raise InvalidInput(
            f"{path}: a scenario is a mapping ('key: value' lines), not {_shown(document.data)}"
        )
    data = {"name": _name_of(path), **document.data}
    for override in overrides:
        apply_override(data, override)
    scenario = check(data, str(path), document)
    if isinstance(scenario.road, OpenDriveRoad):
        found = find_map(scenario.road.path, [path.parent, Path.cwd(), *maps])
        if found is None:
            folders = "; ".join(map(str, [path.parent, Path.cwd(), *maps]))
            raise InvalidInput(
                f"{_at(path, document, ('road', 'path'))}: road.path: there is no map '{scenario.road.path}' "
                f"in {folders} (name a folder with --maps, or the file with --set road.path=...)"
            )
        road = scenario.road.model_copy(update={"path": str(found)})
        scenario = scenario.model_copy(update={"road": road})
    return scenario


def check(data: Mapping[str, Any], source: str, document: yaml_text.Document | None = None) -> Scenario:
    """A scenario from plain data.

    Raises:
        InvalidInput: with every fault that was found, one a line.
    """
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        faults = [_fault(source, fault, data, document) for fault in error.errors(include_url=False)]
        raise InvalidInput("\n".join(faults)) from error


def find_map(path: str, folders: Sequence[Path]) -> Path | None:
    """The map that a scenario means: an absolute path as it is, a relative one in the first folder that has it."""
    try:
        return next(
            (found.resolve() for folder in folders if (found := folder / Path(path).expanduser()).is_file()),
            None,
        )
    except (OSError, ValueError, RuntimeError):  # a name no file system takes, a home nobody has
        return None


def apply_override(data: dict[str, Any], override: str) -> None:
    """Set one value in nested data: ``ego.speed_mps=20``, ``criteria.0.max=0.3``, ``weather={preset: WetNoon}``.

    Raises:
        InvalidInput: it has no ``=``, or leads through something that is no mapping.
    """
    name, equals, text = override.partition("=")
    keys = name.strip().split(".")
    if not equals or not all(keys):
        raise InvalidInput(f"--set {override}: write it as field=value, such as ego.speed_mps=20")
    value = yaml_text.parse(text, f"--set {name}").data if text.strip() else None
    target: Any = data
    for depth, key in enumerate(keys):
        where = ".".join(keys[:depth]) or "the scenario"
        if isinstance(target, list):
            if not key.isdigit() or int(key) >= len(target):
                raise InvalidInput(
                    f"--set {override}: {where} is a list of {len(target)}; '{key}' is none of its places"
                )
            slot: Any = int(key)
        elif isinstance(target, dict):
            slot = key
        else:
            raise InvalidInput(
                f"--set {override}: {where} is {_shown(target)}, which has no fields; set {where} as a whole"
            )
        if depth == len(keys) - 1:
            target[slot] = value
        elif isinstance(target, dict):
            target = target.setdefault(slot, {})
        else:
            target = target[slot]


def to_yaml(scenario: Scenario) -> str:
    """The resolved scenario as a file that can be run again."""
    data = scenario.model_dump(mode="json", exclude_none=True)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


def _name_of(path: Path) -> str:
    inside = path.resolve()
    name = inside.relative_to(LIBRARY).with_suffix("") if inside.is_relative_to(LIBRARY) else Path(path.stem)
    return "".join(letter if letter.isalnum() or letter in "./-_" else "_" for letter in str(name))[:100]


def _at(path: Path | str, document: yaml_text.Document | None, place: yaml_text.Path) -> str:
    line = document.line(place) if document else None
    return f"{path}:{line}" if line else str(path)


def _fault(source: str, fault: Any, data: Any, document: yaml_text.Document | None) -> str:
    """One of pydantic's findings in the words of the file: where, which field, what is wrong, what was given."""
    place = _place_in(fault["loc"], data)
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    kind = fault["type"]
    if kind == "extra_forbidden":
        message = "there is no such field"
    elif kind == "missing":
        message = "this field is missing"
    elif kind != "value_error" and kind != "invalid_input":
        message = f"must be {message}, not {_shown(fault['input'])}"
    return f"{_at(source, document, place)}: {yaml_text.dotted(place)}: {message}"


def _place_in(location: tuple[str | int, ...], data: Any) -> yaml_text.Path:
    """Pydantic's location without the names of union members, which stand in it once before the member's fields."""
    place: list[str | int] = []
    tag = None
    for key in location:
        if key == tag:
            tag = None
            continue
        place.append(key)
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            data = None
        tag = data.get("type") if isinstance(data, dict) else None
    return tuple(place)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
