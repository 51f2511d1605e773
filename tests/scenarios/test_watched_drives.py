"""What scenarios let step in beside the assistant does so, and is recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scenarios.files import check
from scenarios.runner import Outcome, run
from simulator.world import InvalidInput

SCENARIO: dict[str, Any] = {
    "schema_version": 1,
    "duration_s": 2.5,
    "road": {"type": "segments", "segments": [{"type": "line", "length_m": 120.0}]},
    "ego": {"speed_mps": 15.0},
    "assistant": "ground_truth",
}


def drive(**changes: Any) -> Outcome:
    return run([check({**SCENARIO, **changes}, "test")])[0]


@pytest.mark.parametrize("braking", [False, True])
def test_the_brake_stops_where_following_would_not(braking: bool) -> None:
    """22 m from 15 m/s take 5.1 m/s^2: more than the cruise may ask for, less than the tyres can give."""
    outcome = drive(
        cars=[{"gap_m": 22.0, "speed_mps": 0.0}], safety={"emergency_braking": braking}, duration_s=4.0
    )
    assert outcome.metrics["collision"].value == float(not braking)
    assert ("info/emergency_braking" in outcome.recording) == braking


def test_the_person_takes_over_after_the_attack() -> None:
    dirt = {"type": "random_dirt", "warm_up_s": 0.5, "length_m": 8.0}
    outcome = drive(attack=dirt, safety={"person": {"reaction_s": 0.4}})
    steers = outcome.recording["info/person_steers"].astype(bool)
    np.testing.assert_array_equal(steers, np.arange(len(steers)) >= 18)


def test_without_an_attack_there_is_nothing_to_notice() -> None:
    outcome = drive(safety={"person": {"notices": "attack"}})
    assert not outcome.recording["info/person_steers"].any()


def test_who_waits_for_a_warning_waits_for_it() -> None:
    """In a lane of 2 m the lines are always nearer than 1.08 m."""
    narrow = {**SCENARIO["road"], "layout": {"type": "two_way", "lane_width_m": 2.0}}
    outcome = drive(road=narrow, safety={"person": {"notices": "warning", "reaction_s": 0.2}})
    assert outcome.recording["info/departure_warned"][0]
    steers = outcome.recording["info/person_steers"].astype(bool)
    np.testing.assert_array_equal(steers, np.arange(len(steers)) >= 4)


def test_a_negative_reaction_is_bad_input() -> None:
    with pytest.raises(InvalidInput, match=r"safety\.person\.reaction_s"):
        drive(safety={"person": {"reaction_s": -1.0}})
