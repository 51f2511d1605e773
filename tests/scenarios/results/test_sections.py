"""The README's tables are rewritten where they stand, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.cli import main
from scenarios.results import sections
from scenarios.results.sections import SECTIONS, find, maker, rewrite
from scenarios.results.tables import Means, Table
from simulator.errors import InvalidInput

SPEED = "<!-- results: speed -->\nold\n<!-- end of results -->\n"
README = f"# a\n{SPEED}b\n<!-- results: dirt -->\n<!-- end of results -->\nc\n"
TABLE = Table(("x", "y"), (("1", "2"), ("3", "4")), True)


def test_a_section_is_replaced(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(README)
    for _ in range(2):
        rewrite(readme, "speed", TABLE)
        table = "\n| x | y |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n\n"
        assert readme.read_text() == README.replace("old\n", table)


@pytest.mark.parametrize("content", [None, "nothing here", "<!-- results: speed -->\nno end"])
def test_a_readme_without_the_section_is_bad_input(tmp_path: Path, content: str | None) -> None:
    readme = tmp_path / "README.md"
    if content is not None:
        readme.write_text(content)
    with pytest.raises(InvalidInput, match=r"README\.md"):
        rewrite(readme, "speed", TABLE)


def test_the_command_rewrites_and_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(README)
    made = {"speed": TABLE, "dirt": Table(("x",), (("9",),), False)}
    monkeypatch.setattr(sections, "maker", lambda name: lambda means: made[name])
    assert main(["results", "speed", "--readme", str(readme)]) == 0
    assert main(["results", "speed", "dirt", "--readme", str(readme)]) == 1
    assert "NOT ALL BARS MET" in capsys.readouterr().out
    assert "| 9 |" in readme.read_text()
    assert main(["results", "maps", "--readme", str(readme)]) == 2
    assert main(["results", "spede"]) == 2


def test_every_section_has_a_function() -> None:
    for name in SECTIONS:
        assert callable(maker(name))
        find(Path(__file__).parents[3] / "README.md", name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workers", "0"], "--workers 0"),
        (["--driver", "map"], "--driver map"),
        (["--driver", "standard={type: lane_keeping}"], "of that name already"),
        (["--driver", "mine={type: a}", "--driver", "mine={type: b}"], "of that name already"),
    ],
)
def test_bad_means_exit_with_2(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "transfer", "--dry", *words]) == 2
    assert message in capsys.readouterr().err


def test_sections_are_given_what_the_command_line_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Means] = []

    def table(means: Means) -> Table:
        seen.append(means)
        return TABLE

    monkeypatch.setattr(sections, "maker", {"transfer": table}.__getitem__)
    words = ["--dry", "--workers", "3", "--out", str(tmp_path), "--driver", "map={type: ground_truth}"]
    assert main(["results", "transfer", *words]) == 0
    assert seen == [Means([], tmp_path, 3, {"map": {"type": "ground_truth"}})]
