"""A package of a third party, installed and used: its driver, attack, defense and task are equal citizens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "data" / "muddy_ways"


@pytest.mark.slow
def test_the_tutorials_package_is_installed_and_run(tmp_path: Path) -> None:
    source, site = tmp_path / "muddy_ways", tmp_path / "site"
    shutil.copytree(PACKAGE, source)  # building leaves things behind
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    install = [sys.executable, "-m", "pip", "install", *flags, "--target", str(site), str(source)]
    done = subprocess.run(install, check=False, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stderr

    def dirtyroad(*arguments: str) -> str:
        path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "scenarios.cli", *arguments]
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=3600,
            cwd=source,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    for group, name in (
        ("assistants", "edge_hugger"),
        ("attacks", "stripe"),
        ("defenses", "sunglasses"),
        ("tasks", "puddles"),
    ):
        assert name in json.loads(dirtyroad("list", group, "--json"))[group]
    run = json.loads(dirtyroad("run", "scenario.yaml", "--json", "--out", str(tmp_path / "runs")))["runs"][0]
    assert run["metrics"]["lateral_offset_max"]["value"] > 0.1, "it hugs the edge"
    batch = json.loads(dirtyroad("batch", "suite.yaml", "--json", "--out", str(tmp_path / "out")))
    assert batch["verdicts"]["met"] == 4
    assert [gate["verdict"] for gate in batch["gates"]] == ["met"]
    training = (
        "train",
        "task",
        "puddles",
        "--steps",
        "100",
        "--set",
        "size=8",
        "--out",
        str(tmp_path),
        "--json",
    )
    card = json.loads(dirtyroad(*training))
    assert card["quality"] > 0.9
    assert (tmp_path / "puddles.safetensors").is_file()
