"""From a suite file to episodes: every combination, the same every time, and clear words where that cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenarios.batches.expansion import Labels, draw, generator_of, load_batch
from scenarios.batches.suite import Choice, Normal, Uniform, Where
from scenarios.cli import main
from scenarios.files import packaged_suites
from scenarios.store import Store
from simulator.world import InvalidInput

MakeSuite = Callable[..., Path]


def expand(path: Path) -> list[tuple[str, str, str, int, int]]:
    return [
        (one.labels.assistant, one.labels.attack, one.labels.defense, one.labels.sample, one.labels.seed)
        for one in load_batch(str(path)).episodes
    ]


def test_everything_is_combined_with_everything_in_order(make_suite: MakeSuite) -> None:
    dirt = {"type": "random_dirt", "length_m": 5.0, "warm_up_s": 0.0, "width_m": 3.0}
    matrix = {
        "assistants": ["ground_truth"],
        "attacks": {"none": None, "small": dirt},
        "defenses": {"none": None, "squeezed": [{"type": "jpeg"}, "bit_depth"]},
        "seeds": {"first": 3, "count": 2},
    }
    suite = make_suite(matrix=matrix, overrides={"road.segments.0.length_m": 60.0})
    assert expand(suite) == [
        ("ground_truth", attack, defense, 0, seed)
        for attack in ("none", "small")
        for defense in ("none", "squeezed")
        for seed in (3, 4)
    ]
    last = load_batch(str(suite)).episodes[-1].scenario
    assert [options.type for options in last.defenses] == ["jpeg", "bit_depth"]
    assert last.attack is not None
    assert last.road is not None
    assert last.seed == 4
    assert last.road.model_dump()["segments"][0]["length_m"] == 60.0


def test_what_is_not_varied_stays_as_the_file_has_it(make_suite: MakeSuite) -> None:
    suite = make_suite()
    (episode,) = load_batch(str(suite)).episodes
    assert episode.labels == Labels("tiny", "ground_truth", "none", "none", 0, 0)
    assert str(episode.labels) == "tiny, ground_truth, seed 0"


def test_draws_are_the_same_for_every_combination_and_depend_on_nothing_else(make_suite: MakeSuite) -> None:
    fields = {"ego.speed_mps": {"distribution": "uniform", "low": 5.0, "high": 15.0}}
    seeds = {"seeds": [0, 1]}
    suite = make_suite(
        matrix=seeds, parameters={"count": 2, "fields": fields}, overrides={"on_road_end": "stop"}
    )
    before = [one.scenario.ego.speed_mps for one in load_batch(str(suite)).episodes]
    assert before[0] == before[1] != before[2] == before[3]
    fields["ego.offset_m"] = {"distribution": "normal", "mean": 0.0, "standard_deviation": 0.1}
    suite = make_suite(
        matrix=seeds, parameters={"count": 3, "fields": fields}, overrides={"on_road_end": "stop"}
    )
    after = load_batch(str(suite)).episodes
    assert [one.scenario.ego.speed_mps for one in after][:4] == before
    assert len({one.scenario.ego.offset_m for one in after}) == 3


def test_distributions() -> None:
    def drawn(distribution: Any) -> list[Any]:
        return [draw(distribution, generator_of(0, sample, "x")) for sample in range(2000)]

    uniform = drawn(Uniform(distribution="uniform", low=2.0, high=4.0))
    assert min(uniform) >= 2.0
    assert max(uniform) <= 4.0
    assert np.mean(uniform) == pytest.approx(3.0, abs=0.06)
    normal = drawn(Normal(distribution="normal", mean=1.0, standard_deviation=2.0))
    assert np.mean(normal) == pytest.approx(1.0, abs=0.15)
    assert np.std(normal) == pytest.approx(2.0, abs=0.15)
    cut = drawn(Normal(distribution="normal", mean=0.0, standard_deviation=1.0, min=0.0, max=0.5))
    assert 0.0 <= min(cut) < 0.05
    assert 0.45 < max(cut) <= 0.5
    choice = drawn(Choice(distribution="choice", of=("a", 1, None)))
    assert all(600 < choice.count(value) < 740 for value in ("a", 1, None))


def test_gates_mean_episodes_by_name_or_pattern() -> None:
    labels = Labels("benign/straight", "lane_keeping", "none", "jpeg", 0, 0)
    assert labels.meant_by(Where())
    assert labels.meant_by(Where(scenario="benign/*", defense="jpeg"))
    assert not labels.meant_by(Where(attack="dirty_road"))


GATE = {"metric": "lateral_offset_max", "statistic": "max", "max": 0.5}
UNIFORM = {"distribution": "uniform", "low": 0.0, "high": 1.0}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no scenarios": ({"scenarios": []}, "scenarios: "),
    "unknown scenario": ({"scenarios": ["benign/highway_strait"]}, "did you mean 'benign/highway_straight'"),
    "the same scenario twice": ({"scenarios": ["tiny.yaml", "tiny.yaml"]}, "tiny.yaml is there twice"),
    "an empty matrix": ({"matrix": {}}, "matrix: it is empty; give one of assistants, attacks"),
    "an empty axis": ({"matrix": {"attacks": []}}, "matrix.attacks: "),
    "no seeds": ({"matrix": {"seeds": []}}, "matrix.seeds: "),
    "the same seed twice": ({"matrix": {"seeds": [1, 1]}}, "the same episode twice"),
    "seeds without a count": ({"matrix": {"seeds": {"first": 1}}}, "'first' and a 'count'"),
    "unknown attack": ({"matrix": {"attacks": ["random_dust"]}}, "did you mean 'random_dirt'"),
    "an attack twice": ({"matrix": {"attacks": ["random_dirt", "random_dirt"]}}, "is there twice"),
    "unknown option": ({"matrix": {"attacks": {"a": {"type": "random_dirt", "hue": 1}}}}, "matrix.attacks.a"),
    "an attack that does not fit": ({"matrix": {"attacks": ["random_dirt"]}}, "tiny"),
    "unknown axis": ({"matrix": {"weathers": ["ClearNoon"]}}, "matrix.weathers: there is no such field"),
    "unknown field": ({"overrides": {"ego.wings": 2}}, "ego.wings: there is no such field"),
    "a field of no mapping": ({"overrides": {"duration_s.x": 2}}, "overrides.duration_s.x"),
    "unknown distribution": (
        {"parameters": {"count": 1, "fields": {"seed": {"distribution": "x"}}}},
        "parameters",
    ),
    "an empty range": (
        {"parameters": {"count": 1, "fields": {"ego.offset_m": {**UNIFORM, "low": 2.0}}}},
        "low 2 is not below high 1",
    ),
    "a drawn value that cannot be": (
        {"parameters": {"count": 1, "fields": {"ego.offset_m": {**UNIFORM, "low": 7.0, "high": 8.0}}}},
        "ego.offset_m: must be less than or equal to 2",
    ),
    "unknown metric": (
        {"gates": [{**GATE, "metric": "lateral_ofset_max"}]},
        "did you mean 'lateral_offset_max'",
    ),
    "a gate without bound": (
        {"gates": [{"metric": "collision", "statistic": "rate"}]},
        "needs a 'max' or a 'min'",
    ),
    "a gate that nothing meets": ({"gates": [{**GATE, "min": 2.0}]}, "no figure could meet this"),
    "a gate on nothing": ({"gates": [{**GATE, "where": {"attack": "dirty"}}]}, "gates.0.where: no episode"),
    "confidence in a maximum": ({"gates": [{**GATE, "confidence": 0.9}]}, "no confidence interval of a max"),
    "a mean above something": (
        {"gates": [{**GATE, "statistic": "mean", "above": 1.0}]},
        "say what a rate counts",
    ),
    "more than anybody waits for": ({"matrix": {"seeds": {"count": 100_001}}}, "1 to 100000"),
    "another version": ({"schema_version": 2}, "schema_version"),
    "unknown key": ({"colour": "red"}, "colour: there is no such field"),
    "a name of a path": ({"name": "../../x"}, "name: "),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_suites_exit_two(
    make_suite: MakeSuite, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    fields, expected = BAD[case]
    assert main(["batch", str(make_suite(**fields)), "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert "suite.yaml" in message
    assert expected in message
    assert "Traceback" not in message
    assert not (tmp_path / "out").exists()


def test_two_files_of_one_name_are_refused(make_suite: MakeSuite, tmp_path: Path) -> None:
    suite = make_suite(scenarios=["tiny.yaml", "other/tiny.yaml"])
    (tmp_path / "other").mkdir()
    text = (tmp_path / "tiny.yaml").read_text()
    (tmp_path / "other" / "tiny.yaml").write_text(text.replace("duration_s: 0.5", "duration_s: 0.6"))
    with pytest.raises(InvalidInput, match="two different episodes are called: tiny"):
        load_batch(str(suite))


def test_a_batch_is_the_same_whatever_its_gates(make_suite: MakeSuite) -> None:
    plain = load_batch(str(make_suite()))
    assert load_batch(str(make_suite(gates=[GATE]))).digest == plain.digest
    assert load_batch(str(make_suite(overrides={"ego.offset_m": 0.2}))).digest != plain.digest


@pytest.mark.parametrize("name", packaged_suites())
def test_packaged_suites_can_be_run(name: str) -> None:
    batch = load_batch(name)
    assert len(batch.episodes) >= 24
    assert batch.suite.gates
    assert len({Store(Path()).place("x", episode.digest) for episode in batch.episodes}) == len(
        batch.episodes
    )


def test_the_schema_of_suites(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "suite"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["additionalProperties"] is False
    assert {"scenarios", "matrix", "parameters", "gates"} <= schema["properties"].keys()
    assert "random_dirt" in json.dumps(schema)
