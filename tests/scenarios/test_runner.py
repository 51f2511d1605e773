"""A scenario in, a recording and a verdict out: the same every time, alone or in company."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from lkas.perception import Decision
from scenarios import registry, runner
from scenarios.files import check, load, to_yaml
from scenarios.metrics import MetricValue
from scenarios.runner import Judgement, batches, run, scenario_hash
from scenarios.schema import Criterion, Scenario
from scenarios.store import Store, read_json
from simulator.recording import Recording
from simulator.world import InvalidInput, Observation


def scenario(**changes: object) -> Scenario:
    data: dict[str, object] = {
        "schema_version": 1,
        "name": "curve",
        "duration_s": 1.5,
        "road": {
            "type": "segments",
            "segments": [
                {"type": "line", "length_m": 10.0},
                {"type": "arc", "length_m": 60.0, "radius_m": 100.0},
            ],
        },
        "ego": {"speed_mps": 15.0},
        "assistant": "ground_truth",
        "criteria": [{"metric": "lateral_offset_max", "max": 0.5}],
    }
    return check({**data, **changes}, "test")


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"assistant\.device: 'cuda:99' cannot be used here"):
        run([scenario(assistant={"type": "lane_keeping", "device": "cuda:99"})])


def test_a_run_has_everything() -> None:
    steps: list[int] = []
    outcome = run([scenario()], steps.append)[0]
    assert outcome.met
    assert sum(steps) == scenario().steps == 30
    recording = outcome.recording
    assert len(recording["state/x_m"]) == 31
    assert len(recording["command/steering_rad"]) == 30
    assert recording["perception/path_y_m"].shape == (30, 33)
    assert recording["truth/lane_y_m"].shape == (31, 4, 33)
    assert recording["road/marks_m"].shape == (len(recording.meta["marks"]), len(recording["road/x_m"]))
    units = {name: channel.unit for name, channel in recording.channels.items()}
    assert units["state/acceleration_mps2"] == "m/s^2"
    assert units["truth/curvature_per_m"] == "1/m"
    assert units["perception/lane_prob"] == "1"
    assert units["truth/collided"] == "bool"
    assert outcome.metrics["distance_driven"].value == pytest.approx(1.5 * 15.0, rel=1e-3)


def test_twice_the_same_bytes() -> None:
    first, second = (run([scenario(), scenario(seed=1)]) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.recording.to_bytes() == other.recording.to_bytes()
        assert one.to_json() == other.to_json()


def test_a_strangers_metric_that_fails_is_invalid_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty = {
        name: registry.Plugin(name, "Fails", f"strangers_metrics:{name}") for name in ("divides", "forgets")
    }
    module = ModuleType("strangers_metrics")
    vars(module).update(divides=lambda recording: 1 / 0, forgets=lambda recording: None)
    monkeypatch.setitem(sys.modules, "strangers_metrics", module)
    known = {**registry.plugins("metrics"), **faulty}
    monkeypatch.setattr(runner, "plugins", lambda group: known)
    outcome = run([scenario(duration_s=0.1)])[0]
    assert not any(outcome.metrics[name].valid for name in faulty)
    assert outcome.met
    said = capsys.readouterr().err
    assert "metric divides failed: ZeroDivisionError" in said
    assert "metric forgets failed: TypeError: it gave a NoneType" in said


def test_twice_the_same_pictures() -> None:
    seen = [run([scenario(assistant="lane_keeping", duration_s=0.25)])[0].recording for _ in range(2)]
    assert len(seen[0].images["frames/model"]) == 5
    assert seen[0].to_bytes() == seen[1].to_bytes()


@pytest.mark.slow
def test_the_trained_driver_drives_the_same_in_a_batch_of_eight() -> None:
    long = {
        "type": "segments",
        "segments": [
            {"type": "line", "length_m": 30.0},
            {"type": "arc", "length_m": 250.0, "radius_m": 200.0},
        ],
    }
    drives = [
        scenario(
            assistant="lane_keeping", duration_s=10.0, road=long, seed=seed, ego={"speed_mps": 15.0 + seed}
        )
        for seed in range(8)
    ]
    alone, together = run([drives[5]])[0].recording, run(drives)[5].recording
    for name in ("state/x_m", "state/y_m"):
        np.testing.assert_allclose(together[name], alone[name], rtol=0, atol=1e-4)


def test_company_changes_nothing() -> None:
    alone = run([scenario()])[0].recording
    others = [scenario(ego={"speed_mps": 10.0 + k, "offset_m": 0.1 * k}, seed=k) for k in range(7)]
    together = run([*others, scenario()])[-1].recording
    for name in ("state/x_m", "state/y_m", "truth/offset_m"):
        np.testing.assert_allclose(together[name], alone[name], atol=1e-4)


def test_order_is_kept_and_only_what_fits_is_stepped_together() -> None:
    scenarios = [scenario(seed=k, duration_s=1.5 if k % 2 else 0.5) for k in range(5)]
    assert batches(scenarios) == [[0, 2, 4], [1, 3]]
    assert [len(group) for group in batches([scenario(seed=k) for k in range(20)])] == [16, 4]
    assert batches([scenario(), scenario(ego={"speed_mps": 15.0, "vehicle": "iso_11270"})]) == [[0], [1]]
    assert [outcome.scenario.seed for outcome in run(scenarios)] == [0, 1, 2, 3, 4]


def test_metrics_can_be_computed_again_from_the_file(tmp_path: Path) -> None:
    outcome = run([scenario()])[0]
    folder = Path(outcome.save(Store(tmp_path)))
    recording = Recording.load(folder / "recording.zip")
    again = {name: found.load()(recording) for name, found in registry.plugins("metrics").items()}
    assert again == outcome.metrics
    stored = read_json(folder / "metrics.json")
    assert {name: MetricValue.from_json(value) for name, value in stored["metrics"].items()} == again
    assert "real_time_factor" in read_json(folder / "timing.json")
    assert "timing" not in stored
    assert (folder / "_complete").is_file()


def test_a_run_folder_can_be_run_again(tmp_path: Path) -> None:
    original = scenario(
        weather={"preset": "WetNoon", "fog_density": 10.0}, cars=[{"gap_m": 40.0, "speed_mps": 15.0}]
    )
    (tmp_path / "scenario.yaml").write_text(to_yaml(original))
    again = load(tmp_path / "scenario.yaml")
    assert again == original
    assert scenario_hash(again) == scenario_hash(original)


def test_the_hash_knows_what_matters() -> None:
    assert scenario_hash(scenario(description="words")) == scenario_hash(scenario())
    assert scenario_hash(scenario(seed=1)) != scenario_hash(scenario())
    assert scenario_hash(scenario(weather="WetNoon")) != scenario_hash(scenario())


def test_a_road_that_ends_stops_the_run_where_that_is_wanted() -> None:
    short = {"type": "segments", "segments": [{"type": "line", "length_m": 12.0}]}
    with pytest.raises(InvalidInput, match="curve: road: it ends after 12"):
        run([scenario(road=short)])
    outcome, other = run([scenario(road=short, on_road_end="stop"), scenario()])
    assert outcome.recording.duration_s == pytest.approx(0.75)
    assert other.recording.duration_s == pytest.approx(1.5)
    assert float(outcome.recording["truth/s_m"][-1]) < 12.0


def test_a_lead_car_that_stands_is_hit_by_who_does_not_see_it() -> None:
    outcome = run([scenario(cars=[{"gap_m": 5.0, "speed_mps": 0.0}])])[0]
    assert outcome.metrics["collision"].value == 1.0


@pytest.mark.parametrize(
    ("low", "high", "value", "met"),
    [
        (None, 0.5, 0.5, True),
        (None, 0.5, 0.51, False),
        (2.0, None, float("inf"), True),
        (2.0, None, 1.0, False),
        (0.0, 1.0, 0.5, True),
        (0.0, 1.0, -0.1, False),
    ],
)
def test_judgements(low: float | None, high: float | None, value: float, met: bool) -> None:
    criterion = Criterion(metric="lateral_offset_max", min=low, max=high)
    assert Judgement.of(criterion, MetricValue(value, "m")).met is met


def test_what_cannot_be_computed_meets_nothing() -> None:
    criterion = Criterion(metric="lateral_offset_max", max=1e9)
    assert not Judgement.of(criterion, MetricValue.invalid("m")).met


def test_an_optional_criterion_does_not_decide() -> None:
    hard = {"metric": "lateral_offset_max", "max": 0.0}
    assert not run([scenario(criteria=[hard])])[0].met
    assert run([scenario(criteria=[{**hard, "optional": True}])])[0].met


def test_a_command_that_is_no_number_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    make = runner.make_assistant

    class Broken:
        """Drives well for half a second."""

        cameras = ()

        def __init__(self, inner: object) -> None:
            self.inner = inner

        def reset(self, size: int) -> None:
            self.inner.reset(size)

        def __call__(self, observation: Observation) -> Decision:
            decision = self.inner(observation)
            if observation.time_s < 0.5:
                return decision
            broken = replace(decision.command, steering_rad=decision.command.steering_rad * torch.nan)
            return replace(decision, command=broken)

    monkeypatch.setattr(runner, "make_assistant", lambda scenario: Broken(make(scenario)))
    with pytest.raises(InvalidInput, match=r"curve: assistant ground_truth gave a steering_rad .* at 0.50 s"):
        run([scenario()])


def test_defenses_stand_before_the_assistant_in_their_order() -> None:
    def curvature(*defenses: dict[str, object]) -> np.ndarray:
        driven = run(
            [scenario(assistant="lane_keeping", duration_s=0.2, defenses=list(defenses), criteria=[])]
        )
        return driven[0].recording["decision/desired_curvature_per_m"]

    coarse, noisy = {"type": "bit_depth", "bits": 2}, {"type": "gaussian_noise"}
    plain, both, turned = curvature(), curvature(coarse, noisy), curvature(noisy, coarse)
    np.testing.assert_array_equal(plain, curvature({"type": "bit_depth", "bits": 8}))
    assert not np.array_equal(both, plain)
    assert not np.array_equal(both, turned)
