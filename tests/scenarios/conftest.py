"""Suites that are small enough to be run many times, and a package that makes trouble."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from scenarios.registry import plugins

TROUBLEMAKERS = Path(__file__).parent.parent / "data" / "troublemakers"

TINY: dict[str, Any] = {
    "schema_version": 1,
    "duration_s": 0.5,
    "road": {"type": "segments", "segments": [{"type": "line", "length_m": 40.0}]},
    "ego": {"speed_mps": 10.0, "offset_m": 0.1},
    "assistant": "ground_truth",
    "record": {"model_frames": False},
    "criteria": [{"metric": "lateral_offset_max", "max": 0.5}],
}

MakeSuite = Callable[..., Path]


def write_suite(folder: Path, **fields: Any) -> Path:
    """Write a tiny scenario and a suite of it, given the suite's other fields; returns the suite file."""
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    suite = {"schema_version": 1, "name": "small", "scenarios": ["tiny.yaml"], **fields}
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))
    return folder / "suite.yaml"


@pytest.fixture
def make_suite(tmp_path: Path) -> MakeSuite:
    """Writes a suite into the test's folder."""
    return partial(write_suite, tmp_path)


@pytest.fixture(scope="session")
def make_shared_suite(tmp_path_factory: pytest.TempPathFactory) -> MakeSuite:
    """Writes a suite that several tests share."""
    return partial(write_suite, tmp_path_factory.mktemp("shared"))


@pytest.fixture
def troublemakers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The troublemaking package is installed, here and in child processes."""
    monkeypatch.syspath_prepend(str(TROUBLEMAKERS))
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", str(TROUBLEMAKERS) + (os.pathsep + before if before else ""))
    plugins.cache_clear()
    yield
    plugins.cache_clear()
