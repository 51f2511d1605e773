"""Variations keep what they do not change, and no trial is driven twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from scenarios.batches.batch import Crew
from scenarios.batches.episode_process import serve
from scenarios.batches.worker import Report, Task
from scenarios.files import locate
from scenarios.plugins.attacks import DirtyRoadOptions, RandomDirtOptions
from scenarios.results.tables import Means
from scenarios.results.trials import drive, variation
from simulator.world import InfrastructureError, InvalidInput

TINY = {
    "schema_version": 1,
    "duration_s": 0.5,
    "road": {"type": "segments", "segments": [{"type": "line", "length_m": 60.0}]},
    "ego": {"speed_mps": 10.0},
    "assistant": "ground_truth",
    "attack": {"type": "random_dirt", "warm_up_s": 0.1, "length_m": 8.0, "width_m": 2.0},
}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Half a second of dirt."""
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return tmp_path / "tiny.yaml"


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what was driven, in this process."""
    names: list[str] = []

    def work(crew: Crew, tasks: Sequence[Task], tags: Sequence[str]) -> Iterator[Report]:
        for task in tasks:
            names.append(str(task.scenario["name"]))
            answer = serve({"scenario": task.scenario, "store": task.store})
            yield Report(task.index, str(answer["kind"]), str(answer["message"]))

    monkeypatch.setattr(Crew, "work", work)
    return names


def test_an_attack_of_another_type_keeps_its_place() -> None:
    (path,) = locate("drp16/local_06_right")
    ours, dirt = variation(path, {"iterations": 7}).attack, variation(path, {"type": "random_dirt"}).attack
    assert isinstance(ours, DirtyRoadOptions)
    assert isinstance(dirt, RandomDirtOptions)
    assert (ours.direction, ours.iterations, ours.budget) == ("right", 7, "paint")
    for field in ("length_m", "width_m", "ahead_m", "lateral_m", "budget"):
        assert getattr(dirt, field) == getattr(ours, field)
    assert variation(path, changes={"ego.vehicle": "iso_11270"}).ego.vehicle == "iso_11270"
    with pytest.raises(InvalidInput, match="no such field"):
        variation(path, {"colour": "red"})


def test_nothing_is_driven_twice(tiny: Path, driven: list[str], tmp_path: Path) -> None:
    means = Means((), tmp_path / "out")
    one, other = variation(tiny), variation(tiny, changes={"name": "other"})
    first, again, last = drive(means, "tiny", [one, one, other])
    assert driven == ["tiny", "other"]
    assert first is again
    assert first.figure("patch_linf") == last.figure("patch_linf") > 0.1
    assert first.work_s > 0
    assert not first.succeeded
    (kept,) = drive(means, "other table", [other])
    assert driven == ["tiny", "other"]
    assert kept.metrics == last.metrics
    with pytest.raises(InvalidInput, match="patch_ssim_7m"):
        kept.figure("patch_ssim_7m")  # nobody looks


def test_a_trial_that_fails_stops_the_table_after_the_others(
    tiny: Path, driven: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    means = Means((), tmp_path / "out")
    honest = Crew.work

    def work(crew: Crew, tasks: Sequence[Task], tags: Sequence[str]) -> Iterator[Report]:
        yield Report(tasks[0].index, "error", "lightning")
        yield from honest(crew, tasks[1:], tags[1:])

    monkeypatch.setattr(Crew, "work", work)
    both = [variation(tiny), variation(tiny, changes={"name": "other"})]
    with pytest.raises(InfrastructureError, match="lightning"):
        drive(means, "tiny", both)
    monkeypatch.setattr(Crew, "work", honest)
    assert len(drive(means, "tiny", both)) == 2
    assert driven == ["other", "tiny"]
