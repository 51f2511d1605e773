"""From names and files to checked scenarios, with messages that name file, line and field."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from scenarios import yaml_text
from scenarios.registry import Strict, find
from scenarios.schema import Scenario
from simulator.errors import InvalidInput

LIBRARY = Path(__file__).parent / "library"
SUITES = LIBRARY / "suites"
SUBSETS = {"drp16": ("drp80", r"\w+_(01|06|11|16)_(left|right)")}
"""Groups that are a part of another one: of which, and which names of it."""

SUFFIXES = (".yaml", ".yml")
SHOWN_CHARACTERS = 60

Checked = TypeVar("Checked", bound=Strict)


def packaged() -> dict[str, Path]:
    """The scenarios that come with dirtyroad, by name (``benign/highway_straight``)."""
    found = {
        str(path.relative_to(LIBRARY).with_suffix("")): path
        for path in sorted(LIBRARY.rglob("*.yaml"))
        if not path.is_relative_to(SUITES)
    }
    for group, (whole, members) in SUBSETS.items():
        parts = {name.partition("/")[2]: path for name, path in found.items() if name.startswith(f"{whole}/")}
        found |= {f"{group}/{part}": path for part, path in parts.items() if re.fullmatch(members, part)}
    return found


def packaged_suites() -> dict[str, Path]:
    """The suites that come with dirtyroad, by name (``ci``)."""
    return {str(path.relative_to(SUITES).with_suffix("")): path for path in sorted(SUITES.rglob("*.yaml"))}


def locate(name: str, known: Mapping[str, Path] | None = None, what: str = "scenario") -> list[Path]:
    """The files that an argument means: a file, a packaged scenario, or a group of them (``benign/*``).

    Args:
        name: what was given. known: packaged files by name, the scenarios unless others are given. what: they are.

    Raises:
        InvalidInput: it means nothing.
    """
    path = Path(name)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError as error:  # such as a name that no file system takes
        raise InvalidInput(f"{_shown(name)}: cannot be looked for ({error.strerror})") from error
    if path.suffix.lower() in SUFFIXES or is_file:
        if is_folder:
            raise InvalidInput(f"{name}: this is a folder, not a {what} file")
        if not is_file:
            raise InvalidInput(f"{name}: there is no such file")
        return [path]
    known = dict(packaged() if known is None else known)
    if any(letter in name for letter in "*?["):
        matching = [path for other, path in known.items() if fnmatch(other, name)]
        if not matching:
            groups = sorted({f"{other.rpartition('/')[0]}/*" for other in known})
            raise InvalidInput(f"no packaged {what} matches '{name}'; groups are {', '.join(groups)}")
        return matching
    return [find(name, known, f"{what} file or packaged {what}")]


@dataclass(frozen=True)
class Change:
    """A value that takes the place of what a scenario file says.

    Attributes:
        field: ``ego.speed_mps``, ``criteria.0.max``.
        value: as YAML gives it.
        source: who wants it, for messages.
    """

    field: str
    value: Any
    source: str

    @classmethod
    def of(cls, override: str) -> Change:
        """From ``field=value`` on a command line; the value is YAML.

        Raises:
            InvalidInput: it is written otherwise.
        """
        field, equals, text = override.partition("=")
        if not equals or not all(field.strip().split(".")):
            raise InvalidInput(f"--set {override}: write it as field=value, such as ego.speed_mps=20")
        value = yaml_text.parse(text, f"--set {field}").data if text.strip() else None
        return cls(field.strip(), value, f"--set {override}")

    def apply(self, data: dict[str, Any]) -> None:
        """Put it into nested data.

        Raises:
            InvalidInput: the field leads through something that is no mapping.
        """
        keys = self.field.split(".")
        target: Any = data
        for depth, key in enumerate(keys):
            where = ".".join(keys[:depth]) or "the scenario"
            if isinstance(target, list):
                if not re.fullmatch("[0-9]{1,9}", key) or int(key) >= len(target):
                    raise InvalidInput(
                        f"{self.source}: {where} is a list of {len(target)}; '{key}' is none of its places"
                    )
                slot: Any = int(key)
            elif isinstance(target, dict):
                slot = key
            else:
                raise InvalidInput(
                    f"{self.source}: {where} is {_shown(target)}, which has no fields; set {where} as a whole"
                )
            if depth == len(keys) - 1:
                target[slot] = deepcopy(self.value)
            elif isinstance(target, dict):
                target = target.setdefault(slot, {})
            else:
                target = target[slot]


def load(path: Path, overrides: Sequence[str] = (), maps: Sequence[Path] = ()) -> Scenario:
    """Read and check one scenario file.

    Args:
        path: the file. overrides: ``a.b=value`` each, applied before anything is checked; values are YAML. maps:
        folders in which relative paths of maps are looked for, after the file's own and the working directory.

    Raises:
        InvalidInput: with every fault that was found, one a line.
    """
    return resolve(path, read(path), [Change.of(override) for override in overrides], maps)


def read(path: Path, what: str = "scenario") -> yaml_text.Document:
    """The mapping that a file holds.

    Raises:
        InvalidInput: the file cannot be read, is no YAML, or holds no mapping.
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
        raise InvalidInput(f"{path}: a {what} is a mapping ('key: value' lines), not {_shown(document.data)}")
    return document


def resolve(
    path: Path, document: yaml_text.Document, changes: Sequence[Change], maps: Sequence[Path] = ()
) -> Scenario:
    """The scenario of a file that was read, with some values changed.

    Raises:
        InvalidInput: with every fault that was found, one a line.
    """
    data = {"name": _name_of(path), **deepcopy(document.data)}
    for change in changes:
        change.apply(data)
    scenario = check(data, str(path), document)
    for place in scenario.named_files:
        holder = functools.reduce(operator.getitem, place[:-1], data)
        name = holder.get(place[-1])
        if name is not None:
            found = find_file(name, [path.parent, Path.cwd(), *maps])
            if found is None:
                folders, field = "; ".join(map(str, [path.parent, Path.cwd(), *maps])), ".".join(place)
                raise InvalidInput(
                    f"{_at(path, document, place)}: {field}: there is no '{name}' in {folders} (name a folder with "
                    f"--maps or --data, or the place itself with --set {field}=...)"
                )
            if place == ("road", "path") and found.is_dir():
                raise InvalidInput(f"{_at(path, document, place)}: road.path: {found} is a folder, not a map")
            holder[place[-1]] = str(found)
    return check(data, str(path), document)


def check(data: Mapping[str, Any], source: str, document: yaml_text.Document | None = None) -> Scenario:
    """A scenario from plain data.

    Raises:
        InvalidInput: with every fault that was found, one a line.
    """
    return validate(Scenario, data, source, document)


def validate(
    model: type[Checked], data: Mapping[str, Any], source: str, document: yaml_text.Document | None = None
) -> Checked:
    """Plain data as one of the things that files hold.

    Raises:
        InvalidInput: with every fault that was found, one a line.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = [_fault(source, fault, data, document) for fault in error.errors(include_url=False)]
        raise InvalidInput("\n".join(faults)) from error


def find_file(name: str, folders: Sequence[Path]) -> Path | None:
    """What a scenario names: an absolute path as it is, a relative one in the first folder that has it."""
    try:
        return next(
            (found.resolve() for folder in folders if (found := folder / Path(name).expanduser()).exists()),
            None,
        )
    except (OSError, ValueError, RuntimeError):  # a name no file system takes, a home nobody has
        return None


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
    message = fault["msg"].removeprefix("Value error, ")
    kind = fault["type"]
    if kind == "extra_forbidden":
        message = "there is no such field"
    elif kind == "missing":
        message = "this field is missing"
    elif kind != "value_error" and kind != "invalid_input":
        wanted = re.sub(
            "^[A-Za-z]+ should ", "", message
        )  # whose subject is a type, of which the file knows nothing
        message = f"must {wanted}, not {_shown(fault['input'])}"
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
