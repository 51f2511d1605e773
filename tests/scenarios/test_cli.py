"""The command line does what it says: tables for people, one JSON object for programs, and the exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scenarios import cli, runner
from scenarios.cli import main
from scenarios.commands.list import KINDS
from scenarios.files import packaged
from scenarios.registry import GROUPS, plugins
from scenarios.schema import Scenario
from scenarios.store import Store, read_json
from simulator.world import InfrastructureError

SHORT = ["--set", "assistant=ground_truth", "--set", "duration_s=0.5"]
NAME = "benign/highway_straight"


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_run_prints_a_table_and_leaves_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", NAME, *SHORT, "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "lateral_offset_p99" in shown
    assert "<= 0.25" in shown
    (folder,) = tmp_path.iterdir()
    assert str(folder) in shown.replace("\n", "")
    names = {"scenario.yaml", "metrics.json", "recording.zip", "timing.json", "environment.json", "_complete"}
    assert {path.name for path in folder.iterdir()} == names


def test_run_prints_the_same_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", NAME, *SHORT, "--out", str(tmp_path), "--json", "--seed", "5", "--seeds", "2"]) == 0
    result = printed(capsys)
    assert result["met"] is True
    assert [run["seed"] for run in result["runs"]] == [5, 6]
    for run in result["runs"]:
        stored = json.loads((Path(run["folder"]) / "metrics.json").read_text())
        assert stored["metrics"] == run["metrics"]
        assert run["timing"]["worlds_stepped_together"] == 2


def test_a_criterion_that_is_not_met_exits_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unmet = ["--set", "criteria.0.max=-1", "--out", str(tmp_path)]
    assert main(["run", NAME, "benign/highway_fog", *SHORT, *unmet]) == 1
    assert "NOT MET: lateral_offset_p99" in capsys.readouterr().out


def test_a_place_that_cannot_be_written_is_said_before_driving(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(runner, "run_batch", lambda *arguments: pytest.fail("it was driven"))
    assert main(["run", NAME, *SHORT, "--out", str(tmp_path / "file")]) == 2
    assert "file: cannot be written to" in capsys.readouterr().err


def test_what_was_driven_before_an_error_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = runner.run_batch
    monkeypatch.setattr(runner, "LARGEST_BATCH", 1)

    def break_down(scenarios: Sequence[Scenario], *others: Any) -> list[runner.Outcome]:
        if scenarios[0].seed == 8:
            raise InfrastructureError("the server is gone")
        return drive(scenarios, *others)

    monkeypatch.setattr(runner, "run_batch", break_down)
    assert main(["run", NAME, *SHORT, "--seed", "7", "--seeds", "2", "--out", str(tmp_path)]) == 3
    assert "infrastructure error: the server is gone" in capsys.readouterr().err
    assert [read_json(folder / "metrics.json")["seed"] for folder in Store(tmp_path).runs()] == [7]


@pytest.mark.parametrize(
    ("fault", "code"), [(InfrastructureError("down"), 3), (KeyboardInterrupt(), 3), (ZeroDivisionError(), 3)]
)
def test_faults_are_never_scored_as_driving(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: BaseException, code: int
) -> None:
    def fail() -> None:
        raise fault

    monkeypatch.setattr(cli, "make_parser", fail)
    assert main(["run"]) == code
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["fly"], ["list", "unicorns"], ["run", NAME, "--seed", "x"]]
)
def test_a_wrong_command_line_exits_two(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 2
    assert "usage: dirtyroad" in capsys.readouterr().err


@pytest.mark.parametrize("seeds", ["0", "-3", "1001"])
def test_a_senseless_number_of_seeds_exits_two(capsys: pytest.CaptureFixture[str], seeds: str) -> None:
    assert main(["run", NAME, "--seeds", seeds]) == 2
    assert "--seeds" in capsys.readouterr().err


def test_seeds_beyond_the_largest_exit_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    most = ["--seed", str(2**32 - 1), "--seeds", "3", "--out", str(tmp_path / "runs")]
    assert main(["run", NAME, *SHORT, *most]) == 2
    assert f"{NAME}: seed: give 0 to 4294967295, not 4294967296" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command.replace("_", "-"), "--help"]) == 0
    assert len(capsys.readouterr().out) > 100


def test_help_needs_no_torch() -> None:
    """It would take seconds."""
    look = "import sys; from scenarios.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, check=False).returncode == 0


def test_a_wrong_option_of_an_assistant_is_told_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-assistant", "ground_truth", "--set", "x=1"]) == 2
    assert capsys.readouterr().err == "invalid input: assistant ground_truth: x: there is no such field\n"


@pytest.mark.parametrize("kind", KINDS)
def test_lists_are_complete(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    assert main(["list", kind, "--json"]) == 0
    names = printed(capsys)[kind]
    if kind in GROUPS:
        assert names.keys() == plugins(kind).keys()
    if kind == "scenarios":
        assert names.keys() == packaged().keys()
        assert all(names.values()), "every packaged scenario says what it is"
    assert main(["list", kind]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)


def test_validate_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.yaml").write_text("schema_version: 1\n")
    assert main(["validate", NAME, str(tmp_path / "bad.yaml"), "--json", *SHORT]) == 2
    result = printed(capsys)
    assert result["valid"] is False
    assert [entry["valid"] for entry in result["files"]] == [True, False]
    assert "road: this field is missing" in result["files"][1]["fault"]


def test_every_packaged_benign_scenario_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert sum(name.startswith("benign/") for name in packaged()) >= 16
    assert main(["validate", "benign/*", "control/*", "--set", "assistant=ground_truth"]) == 0


def test_the_schema_describes_the_packaged_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = printed(capsys)
    assert schema["additionalProperties"] is False
    assert {"road", "ego", "weather", "assistant"} <= schema["properties"].keys()
    assert all(name in str(schema["properties"]["assistant"]) for name in plugins("assistants"))
