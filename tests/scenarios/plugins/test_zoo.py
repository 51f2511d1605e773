"""Published networks are assistants like others: named in files, identified by content, refused with a reason."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scenarios.cli import main
from scenarios.registry import plugin
from scenarios.store import file_hash
from simulator.world import InvalidInput

OPTIONS = {"twinlitenet": "weights", "supercombo": "model"}


@pytest.mark.parametrize(("name", "option"), list(OPTIONS.items()))
def test_options_are_identified_by_the_file(name: str, option: str, tmp_path: Path) -> None:
    path = tmp_path / "network"
    path.write_bytes(b"one")
    options = plugin("assistants", name).options.model_validate({"type": name, option: str(path)})
    first = options.fingerprint()
    assert first == file_hash(path)
    path.write_bytes(b"another")
    assert options.fingerprint() != first
    path.unlink()
    with pytest.raises(InvalidInput, match=f"assistant.{option}: there is no file"):
        options.fingerprint()


@pytest.mark.parametrize(("name", "option"), list(OPTIONS.items()))
def test_a_missing_file_exits_two(
    name: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    missing = f"{option}={tmp_path / 'nothing'}"
    assert main(["check-assistant", name, "--set", missing]) == 2
    assert f"assistant.{option}: there is no file" in capsys.readouterr().err
    changes = ["--set", f"assistant.type={name}", "--set", f"assistant.{missing}"]
    assert main(["run", "benign/highway_straight", *changes, "--out", str(tmp_path / "runs")]) == 2
    assert f"assistant.{option}: there is no file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["check-assistant", "supercombo", "--set", "model=NETWORK"],
        ["run", "plant/tiny_physics_bend", "--set", "ego.plant.path=NETWORK"],
        ["run", "benign/highway_straight", "--set", "assistant={type: supercombo, model: NETWORK}"],
        ["export", "lane_keeping", "--layout", "0.8.2", "--out", "NETWORK"],
    ],
)
def test_a_missing_extra_exits_two_and_is_named(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("lkas.zoo.supercombo", "lkas.export", "scenarios.plugins.openpilot_factories"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    for package in ("onnxruntime", "onnxscript"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.chdir(tmp_path)
    Path("network.onnx").touch()
    assert main([word.replace("NETWORK", "network.onnx") for word in command]) == 2
    assert "pip install 'dirtyroad[openpilot]'" in capsys.readouterr().err


@pytest.mark.parametrize("name", OPTIONS)
def test_a_missing_option_exits_two(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-assistant", name]) == 2
    assert OPTIONS[name] in capsys.readouterr().err


def test_export_refuses_what_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxscript")
    command = ["export", "lane_keeping", "--layout"]
    assert main([*command, "0.7", "--out", str(tmp_path / "driver.onnx")]) == 2
    assert "layout 0.7: it shows only one frame" in capsys.readouterr().err
    assert main([*command, "0.8.2", "--out", str(tmp_path / "driver.bin")]) == 2
    assert "ends in .onnx" in capsys.readouterr().err
    assert main([*command, "0.8.2", "--out", str(tmp_path / "driver.onnx"), "--weights", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err


@pytest.mark.slow
def test_twinlitenet_drives_a_rendered_road(data: Path, tmp_path: Path) -> None:
    changes = [
        "assistant.type=twinlitenet",
        f"assistant.weights={data / 'twinlitenet/best.pth'}",
        "duration_s=0.5",
    ]
    arguments = [word for change in changes for word in ("--set", change)]
    assert main(["run", "benign/highway_straight", *arguments, "--out", str(tmp_path)]) == 0
