"""Reports: everything in one page, nothing from elsewhere, and the same figures in every format."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scenarios.batches.batch import RESULTS, Crew, run_batch
from scenarios.batches.episode_process import serve
from scenarios.batches.expansion import load_batch
from scenarios.batches.worker import Report, Task
from scenarios.cli import main
from scenarios.reports.data import Results, costs, read_results, summarise
from scenarios.store import Store, read_json

MakeSuite = Callable[..., Path]


@dataclass(frozen=True)
class Here(Crew):
    """Does the work in this process."""

    def work(self, tasks: Sequence[Task], tags: Sequence[str]) -> Iterator[Report]:
        for task in tasks:
            answer = serve({"scenario": task.scenario, "store": task.store})
            yield Report(task.index, answer["kind"], answer["message"])


@pytest.fixture(scope="module")
def original(make_shared_suite: MakeSuite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch of four drives, two of them off their lane, with pictures, and a description that is no HTML."""
    suite = make_shared_suite(
        description="What <b>matters</b>",
        overrides={"duration_s": 0.1, "record.wide_frames": True},
        parameters={
            "count": 2,
            "fields": {"ego.offset_m": {"distribution": "choice", "of": [0.0, 1.9]}},
        },
        matrix={"defenses": {"none": None, "squeezed": "jpeg"}},
        gates=[{"metric": "lane_departure", "statistic": "rate", "confidence": 0.9, "max": 0.5}],
    )
    folder = tmp_path_factory.mktemp("report") / "out"
    run_batch(load_batch(str(suite)), folder, crew=Here())
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(original, tmp_path / "out"))


def test_a_page_has_everything_in_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    page = (folder / "report.html").read_text()
    for part in (
        "Gates",
        "Attack against defense",
        "Time to departure",
        "Worst cases",
        "Trajectories",
        "Environment",
    ):
        assert part in page
    assert "What &lt;b&gt;matters&lt;/b&gt;" in page
    assert page.count('src="data:image/png') == 2
    assert page.count('src="data:image/jpeg') == 4
    assert re.findall(r'(?:src|href)="(?!data:)', page) == [], "a page of its own"
    assert f"dirtyroad run {folder}/tiny-0-" in page
    shown = re.findall(r"left the lane: (.*?);", page)
    assert shown == sorted(shown), "worst first"


def test_markdown_and_json_tell_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder), "--format", "md"]) == 0
    text = capsys.readouterr().out
    assert "| attack | none | squeezed |" in text
    assert not re.search(r"^\|.*\|\n\n\|", text, re.MULTILINE), "tables are not torn"
    assert main(["report", str(folder), "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    gate = data["gates"][0]
    assert gate["verdict"] in text
    assert gate["interval"]["count"] == 4
    assert sum(data["verdicts"].values()) == 4
    cells = {cell["defense"]: cell for cell in data["matrices"]["lane_departure"]}
    assert cells.keys() == {"none", "squeezed"}
    assert cells["none"]["count"] == 2


def test_what_a_defense_costs(folder: Path) -> None:
    (squeezed,) = costs(read_results([folder]))
    assert squeezed.defense == "squeezed"
    assert squeezed.offset_m == 0.0, "this driver does not look"
    assert squeezed.time_ratio is not None
    assert squeezed.time_ratio > 0.0


def test_runs_without_a_batch(folder: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    for run in Store(folder).runs():
        shutil.copytree(run, runs / run.name)
    batch, loose = read_results([folder]), read_results([runs])
    assert len(loose.rows) == 4
    assert loose.groups == [("none", "none"), ("none", "jpeg")]
    assert summarise(loose.rows, "lane_departure") == summarise(batch.rows, "lane_departure")
    assert len(read_results([folder, runs]).rows) == 8
    assert len(read_results([Store(folder).runs()[0]]).rows) == 1


def test_an_episode_without_result_has_a_row(folder: Path) -> None:
    results = read_json(folder / RESULTS)
    results["episodes"][0] |= {"verdict": "error", "reason": "killed", "metrics": {}, "criteria": []}
    (folder / RESULTS).write_text(json.dumps(results))
    read: Results = read_results([folder])
    assert [row.verdict for row in read.rows].count("error") == 1
    assert len(read.worst()) == 3
    assert main(["report", str(folder)]) == 0
    assert "killed" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda folder: (folder / RESULTS).unlink(), "--resume"),
        (lambda folder: (folder / RESULTS).write_text("{}"), "no result of a batch"),
        (lambda folder: shutil.rmtree(folder), "there is no batch"),
    ],
)
def test_what_is_no_result_exits_two(
    folder: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], Any], expected: str
) -> None:
    spoil(folder)
    assert main(["report", str(folder)]) == 2
    assert expected in capsys.readouterr().err


def test_comparing_a_batch_with_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(folder), str(folder)]) == 0
    assert "nothing differs" in capsys.readouterr().out
