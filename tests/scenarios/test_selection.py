"""Arguments that several commands share are refused by name, before any work."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import pytest

from scenarios.commands.selection import check_file, check_numbers
from simulator.errors import InvalidInput


def test_numbers_keep_to_their_bounds() -> None:
    given = argparse.Namespace(streaming_port=7, seeds=None, steps=0)
    check_numbers(given, streaming_port=(0, 10), seeds=(1, 2), steps=(0, math.inf))
    with pytest.raises(InvalidInput, match=r"--streaming-port 7: give a number from 0 to 5"):
        check_numbers(given, streaming_port=(0, 5))
    with pytest.raises(InvalidInput, match=r"--steps 0: give 1 or more"):
        check_numbers(given, steps=(1, math.inf))


def test_files_can_be_written_where_their_folder_is(tmp_path: Path) -> None:
    check_file("--out", None)
    check_file("--out", tmp_path / "page.html")
    for path in (tmp_path / "nowhere" / "page.html", tmp_path):
        with pytest.raises(InvalidInput, match="--out"):
            check_file("--out", path)


@pytest.mark.parametrize(
    "command",
    [["batch", "ci", "--junit"], ["report", "anything", "--out"], ["certify", "driver", "x", "--plot"]],
)
def test_a_place_that_is_not_there_exits_two(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from scenarios.cli import main

    assert main([*command, str(tmp_path / "nowhere" / "file.png")]) == 2
    assert f"{command[-1]} {tmp_path}" in capsys.readouterr().err
