"""Bounds along a road: places where they should be, no attack outside, and a command that says so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import lkas.driver
from attacks.threat import RoadPatchThreat
from defenses.driver_bounds.small import SmallDriver
from lkas.network import DriverNet
from scenarios.cli import main
from scenarios.files import load, locate
from scenarios.results.driver_bounds import CurvatureBound, Place, bound, places
from scenarios.results.driver_bounds_plot import certified_radii
from simulator.errors import InvalidInput

PATCH = RoadPatchThreat(length_m=4.0, width_m=1.0, cell_m=1.0, ahead_m=10.0, keep_marks=False)


def tiny() -> DriverNet:
    torch.manual_seed(4)
    network = DriverNet((4, 4, 4, 4, 4), 8).requires_grad_(False)
    for name, parameter in network.named_parameters():  # so that nothing is dead
        if name.endswith("bias"):
            parameter.add_(0.1 * torch.rand_like(parameter))
    return network.eval()


@pytest.fixture(scope="module")
def seen() -> list[Place]:
    (path,) = locate("benign/highway_straight")
    scenario = load(path).model_copy(update={"duration_s": 0.5})
    return list(places(scenario, tiny(), PATCH, every_m=5.0))


def test_places_are_as_far_apart_as_was_asked(seen):
    assert len(seen) >= 2
    assert 5.0 <= seen[1].s_m - seen[0].s_m < 5.0 + 2 * seen[0].speed_mps * 0.05
    for place in seen:
        assert len(place.frames) == 2
        assert place.cells.size == 4
        assert place.pixels.size > 100
        # the patch is before the car, so in the lower half of the frame and near its middle
        rows, columns = place.pixels.mask.any(0).nonzero().unbind(1)
        assert rows.min() > 40
        assert 140 < columns.min() <= columns.max() < 372
        assert 0.3 < place.room_m < 1.5


@pytest.mark.parametrize("threat", ["pixels", "cells"])
def test_attacks_stay_within_what_was_proved(seen, threat):
    found = bound(seen[0], threat, 4 / 255, attacks=4, steps=3, generator=torch.Generator().manual_seed(0))
    assert found.attacked_per_m is not None
    low, high = found.attacked_per_m
    assert found.lower_per_m <= low <= found.clean_per_m <= high <= found.upper_per_m
    assert low < high
    assert not found.violated


def test_a_bound_says_what_it_means():
    one = CurvatureBound(10.0, "pixels", 1 / 255, 0.0, -0.001, 0.002, 0.0015, (-0.0005, 0.0021), 1.0)
    assert one.violated
    assert not one.harmless
    harmless = CurvatureBound(10.0, "pixels", 1 / 255, 0.001, -0.0004, 0.002, 0.0015, None, 1.0)
    assert harmless.harmless
    assert not harmless.vacuous
    assert replace(harmless, lower_per_m=-0.3, upper_per_m=40.0).vacuous
    assert certified_radii([harmless, replace(one, s_m=10.0, radius=2 / 255)]) == {10.0: 1 / 255}


def test_the_small_driver_is_bounded_and_attacked_like_others():
    torch.manual_seed(5)
    (path,) = locate("benign/highway_straight")
    scenario = load(path).model_copy(update={"duration_s": 0.2})
    place = next(places(scenario, SmallDriver().requires_grad_(False), PATCH, every_m=5.0))
    found = bound(place, "pixels", 4 / 255, attacks=2, steps=2, generator=torch.Generator().manual_seed(0))
    assert not found.violated
    assert found.lower_per_m < found.clean_per_m < found.upper_per_m


def test_cells_of_several_frames_are_refused(seen):
    place = seen[0]
    longer = replace(place, frames=(*place.frames, place.frames[-1]))
    with pytest.raises(InvalidInput, match="one frame"):
        bound(longer, "cells", 1 / 255)


def test_the_command_proves_attacks_and_draws(monkeypatch, capsys, tmp_path: Path):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(lkas.driver, "load_driver", lambda weights: tiny())
    plot = tmp_path / "radius.png"
    patch = ["--length", "4", "--width", "1", "--cell", "1", "--ahead", "10"]
    arguments = ["benign/highway_straight", *patch, "--places", "1", "--threat", "cells", "--radius", "1"]
    command = ["certify", "driver", *arguments, "--attacks", "2"]
    assert main([*command, "--plot", str(plot), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["bounds"]
    assert len(found) == 1
    assert all(one["lower_per_m"] < one["clean_per_m"] < one["upper_per_m"] for one in found)
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (["--radius", "-1"], "--radius"),
        (["--places", "0"], "--places"),
        (["--threat", "cells", "--frames", "2"], "--frames"),
        (["--plot", "x.txt"], "--plot"),
    ],
)
def test_wrong_arguments_are_named(capsys, wrong, named):
    assert main(["certify", "driver", "benign/highway_straight", *wrong]) == 2
    assert named in capsys.readouterr().err
