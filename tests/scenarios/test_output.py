"""Progress is told to who watches a log as well."""

from __future__ import annotations

import pytest

from scenarios import output


def test_a_log_gets_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with output.progress_bar("digging", 4) as advance:
        advance(1)
    assert capsys.readouterr().err == ""  # soon done, nothing to tell
    monkeypatch.setattr(output, "QUIET_S", 0.0)
    with output.progress_bar("digging", 4) as advance:
        advance(1)
        advance(3)
    shown = capsys.readouterr()
    assert [line.partition(",")[0] for line in shown.err.splitlines()] == [
        "digging: 1 of 4",
        "digging: 4 of 4",
    ]
    assert shown.err.endswith(", 0 s left\n")
    assert shown.out == ""
