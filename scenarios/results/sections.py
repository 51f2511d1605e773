"""Which tables of the README can be made again, and by what.

Each stands there between ``<!-- results: NAME -->`` and ``<!-- end of results -->``.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.errors import InvalidInput

if TYPE_CHECKING:
    from scenarios.results.tables import Section, Table

SECTIONS: dict[str, str] = {
    "benign": "scenarios.results.driving:benign",
    "maps": "scenarios.results.driving:maps_table",
    "dirt": "scenarios.results.driving:dirt",
    "speed": "scenarios.results.driving:speed",
    "drp80": "scenarios.results.drp_results:drp80",
    "drp80_each": "scenarios.results.drp_results:drp80_each",
    "drp16": "scenarios.results.drp_results:drp16",
    "transfer": "scenarios.results.drp_drivers:transfer",
    "defenses": "scenarios.results.drp_drivers:defenses",
    "reuse": "scenarios.results.drp_robustness:reuse",
    "sweeps": "scenarios.results.drp_robustness:sweeps",
    "victims": "scenarios.results.drp_victims:victims",
}
"""Where each is made, imported only then: ``--help`` needs no torch."""

NEEDED = {"maps": "maps", "victims": "driver"}
"""Options without which a section is left out unless it is named: it is made of data or weights of the user's."""


def maker(name: str) -> Section:
    """What makes a section."""
    module, _, function = SECTIONS[name].partition(":")
    made: Section = getattr(import_module(module), function)
    return made


def find(readme: Path, name: str) -> tuple[str, int, int]:
    """The text of the README, and where in it a section begins and ends.

    Raises:
        InvalidInput: there is no such file, or no such section in it.
    """
    try:
        text = readme.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{readme}: cannot be read ({error})") from error
    begin, end = f"<!-- results: {name} -->", "<!-- end of results -->"
    section = re.search(rf"{re.escape(begin)}\n(.*?){re.escape(end)}", text, re.DOTALL)
    if section is None:
        raise InvalidInput(f"{readme}: there is no section between '{begin}' and '{end}'")
    return text, *section.span(1)


def rewrite(readme: Path, name: str, table: Table) -> None:
    """Put a table into its section of the README."""
    text, begin, end = find(readme, name)
    readme.write_text(f"{text[:begin]}\n{table.markdown()}\n\n{text[end:]}", encoding="utf-8")
