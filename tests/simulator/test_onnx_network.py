"""What is no network, or cannot be computed here, is said in words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from simulator.errors import InvalidInput, MissingExtra
from simulator.onnx_network import open_network


def test_what_is_no_network_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra 'openpilot' is not installed")
    with pytest.raises(InvalidInput, match=r"none\.onnx: no such file"):
        open_network(tmp_path / "none.onnx")
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(InvalidInput, match=r"junk\.onnx: this is no readable ONNX network"):
        open_network(tmp_path / "junk.onnx")


def test_a_missing_runtime_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"net\.onnx: .* pip install 'dirtyroad\[openpilot\]'"):
        open_network("net.onnx")
