"""The README's tables are rewritten where they stand, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.benchmarks.loop import Speed, closed_loop
from scenarios.cli import main
from scenarios.commands.results import SECTIONS
from scenarios.files import load, locate
from scenarios.results import driving as results
from scenarios.results.driving import deviations, lane_width, rewrite
from scenarios.results.tables import Means, Table
from scenarios.runner import run
from simulator.world import InvalidInput

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
    monkeypatch.setitem(results.SECTIONS, "speed", lambda means: TABLE)
    monkeypatch.setitem(results.SECTIONS, "dirt", lambda means: Table(("x",), (("9",),), False))
    assert main(["results", "speed", "--readme", str(readme)]) == 0
    assert main(["results", "speed", "dirt", "--readme", str(readme)]) == 1
    assert "NOT ALL BARS MET" in capsys.readouterr().out
    assert "| 9 |" in readme.read_text()
    assert main(["results", "maps", "--readme", str(readme)]) == 2
    assert main(["results", "spede"]) == 2


def test_every_section_has_a_function() -> None:
    assert tuple(results.SECTIONS) == SECTIONS
    for name in SECTIONS:
        results.find_section(Path(__file__).parents[3] / "README.md", name)


def test_deviation_is_the_largest_distance_to_the_other_run() -> None:
    scenario = load(
        locate("control/random_dirt_local")[0], ["assistant=ground_truth", "duration_s=0.5", "attack=null"]
    )
    aside = scenario.model_copy(update={"ego": scenario.ego.model_copy(update={"offset_m": 0.3})})
    assert lane_width(scenario) == pytest.approx(2.7)
    assert deviations(run([aside]), run([scenario])) == [pytest.approx(0.3, abs=0.02)]


def test_the_benchmark_splits_the_time() -> None:
    speed = closed_loop(worlds=2, thread_count=1, steps=2, repetitions=1)
    assert isinstance(speed, Speed)
    parts_ms = speed.render_ms + speed.network_ms + speed.rest_ms
    assert min(speed.render_ms, speed.network_ms, speed.rest_ms) > 0
    assert speed.real_time_factor == pytest.approx(50.0 / parts_ms)


@pytest.mark.parametrize(
    ("words", "message"), [(["--workers", "0"], "--workers 0"), (["--driver", "map"], "--driver map")]
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

    monkeypatch.setitem(results.SECTIONS, "transfer", table)
    words = ["--dry", "--workers", "3", "--out", str(tmp_path), "--driver", "map={type: ground_truth}"]
    assert main(["results", "transfer", *words]) == 0
    assert seen == [Means([], tmp_path, 3, {"map": {"type": "ground_truth"}})]
