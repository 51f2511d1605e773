"""The five rooms have common names: they must be ours, wherever they are imported from."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("room", ["simulator", "lkas", "attacks", "defenses", "scenarios"])
def test_room_is_imported_from_this_project(room: str) -> None:
    file = importlib.import_module(room).__file__
    assert file is not None
    assert Path(file).is_relative_to(ROOT)


def test_distribution_is_installed_under_its_own_name() -> None:
    assert version("dirtyroad") == "0.1.0"


@pytest.mark.parametrize("group", ["worlds", "assistants", "attacks", "defenses", "tasks", "metrics"])
def test_every_entry_point_loads(group: str) -> None:
    for entry_point in entry_points(group=f"dirtyroad.{group}"):
        assert entry_point.load() is not None
