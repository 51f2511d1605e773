"""YAML for scenario files: YAML 1.2's plain values, and nothing that surprises or endangers.

What YAML 1.1 guesses is not guessed (``on`` and ``no`` are words, ``1e-3`` is a number); keys may not be
repeated; anchors and aliases (with which a small file unfolds to gigabytes) and tags (with which a file could run
code) are refused. The line of every value is kept for messages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from simulator.errors import InvalidInput

MAX_CHARACTERS = 1_000_000
Path = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """Composes nodes; values are made of them below."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (as yaml declares it)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases are not accepted", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)


PLAIN = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}
"""The core schema of YAML 1.2: what a plain word is, if it is not a string."""

for _name, _pattern in PLAIN.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), None)


@dataclass(frozen=True)
class Document:
    """A parsed file.

    Attributes:
        data: nested dicts, lists, strings, numbers, bools and None.
        lines: line number (from 1) of every value, by its path.
    """

    data: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int | None:
        """The line of a value, or of the nearest one around it."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path)


def parse(text: str, source: str) -> Document:
    """Read one YAML document.

    Args:
        text: the document.
        source: what to call it in messages.

    Raises:
        InvalidInput: it is too large, no YAML, empty, or uses what scenario files may not.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput(f"{source}: {len(text)} characters; a scenario file has at most {MAX_CHARACTERS}")
    lines: dict[Path, int] = {}
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            raise InvalidInput(
                f"{source}: the file is empty; `dirtyroad schema` says what a scenario file holds"
            )
        return Document(_value(node, (), lines), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        raise InvalidInput(f"{where}: {', '.join(filter(None, (error.context, error.problem)))}") from error
    except yaml.YAMLError as error:
        raise InvalidInput(f"{source}: this is not YAML ({' '.join(str(error).split())})") from error
    except RecursionError as error:
        raise InvalidInput(f"{source}: values are nested too deeply") from error


def _value(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    lines[path] = node.start_mark.line + 1
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if isinstance(node, yaml.MappingNode) and kind == "map":
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or not isinstance(key, str):
                raise _refuse(key_node, "a key must be a word")
            if key in result:
                raise _refuse(key_node, f"{dotted((*path, key))}: the key is repeated")
            result[key] = _value(value_node, (*path, key), lines)
        return result
    if isinstance(node, yaml.SequenceNode) and kind == "seq":
        return [_value(item, (*path, index), lines) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, kind, path)
    raise _refuse(node, f"{dotted(path)}: the tag {node.tag} is not accepted")


def _scalar(node: yaml.ScalarNode, kind: str, path: Path) -> Any:
    text = node.value
    if kind == "str":
        return text
    if kind not in PLAIN or not re.fullmatch(PLAIN[kind], text):
        raise _refuse(node, f"{dotted(path)}: the tag {node.tag} is not accepted")
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        if len(text) > 40:
            raise _refuse(node, f"{dotted(path)}: a number of {len(text)} digits is too large")
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    return float(
        text.replace(".inf", "inf")
        .replace(".Inf", "inf")
        .replace(".INF", "inf")
        .lower()
        .replace(".nan", "nan")
    )


def _refuse(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def dotted(path: Path) -> str:
    """``("criteria", 0, "max")`` as ``criteria.0.max``."""
    return ".".join(map(str, path)) or "(the whole file)"
