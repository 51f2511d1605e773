"""Rolling a victim out: gradients against finite differences, poses held or not, memories left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from attacks.coupling import Coupling, roll
from attacks.rehearsal import Rehearsal, Spread, Warm, branch
from simulator.surface.layer import SurfaceLayer

START_M = 18.5


@pytest.fixture
def warm(rehearsal: Rehearsal) -> Warm:
    return rehearsal.warm(0)


def layer_of(cells: Tensor) -> SurfaceLayer:
    return SurfaceLayer(cells[None, None], START_M, 0.0, 12.0, 4.0)


def cells(value: float = 0.1) -> Tensor:
    """Brighter on the left, so that the victim is moved at all."""
    left = torch.tensor([value, 0.5 * value, 0.0, 0.0], dtype=torch.float64)
    return left.expand(6, 4).clone().requires_grad_()


def test_a_patch_on_the_left_draws_the_victim_to_the_left(rehearsal: Rehearsal, warm: Warm) -> None:
    with torch.no_grad():
        clean = roll(rehearsal, warm, (), 12)
        dirty = roll(rehearsal, warm, [layer_of(cells())], 12)
    assert dirty.offset_m.shape == (12, 1)
    assert float(dirty.offset_m[-1] - clean.offset_m[-1]) > 0.01
    assert bool((dirty.left_per_m > dirty.right_per_m).all())


def test_on_the_approach_the_patch_is_seen_and_has_no_gradient(rehearsal: Rehearsal, warm: Warm) -> None:
    """Five of the ten frames before time zero with the patch in sight: the victim comes there moved."""
    near = replace(rehearsal, approach_steps=5)
    before = near.warm(0)
    assert before.assistant.seen == 5
    patch = cells()
    with torch.no_grad():
        clean = roll(near, before, (), 2)
        torch.testing.assert_close(clean.offset_m, roll(rehearsal, warm, (), 2).offset_m)
    dirty = roll(near, before, [layer_of(patch)], 2)
    moved = dirty.offset_m - clean.offset_m
    assert float(moved[0]) > 1e-4
    assert not dirty.offset_m[0].requires_grad
    (gradient,) = torch.autograd.grad(dirty.desired_per_m.sum(), patch)
    assert float(gradient.abs().max()) > 0


def test_it_can_be_repeated(rehearsal: Rehearsal, warm: Warm) -> None:
    """The warm assistant is branched, never driven."""
    with torch.no_grad():
        first, second = (roll(rehearsal, warm, [layer_of(cells())], 5).desired_per_m for _ in range(2))
    assert torch.equal(first, second)
    assert warm.assistant.seen == rehearsal.warm_up_steps


def test_branches_share_networks_and_nothing_else(warm: Warm) -> None:
    twin = branch(warm.assistant)
    assert twin.network is warm.assistant.network
    assert twin.memory is not warm.assistant.memory
    assert torch.equal(twin.memory, warm.assistant.memory)


@pytest.mark.parametrize("coupling", ["fixed_point", "unrolled"])
def test_gradients_are_those_of_finite_differences(
    coupling: Coupling, rehearsal: Rehearsal, warm: Warm
) -> None:
    """Unrolled over three frames; with poses held, over the first one, where they are held anyhow."""
    frames = 3 if coupling == "unrolled" else 1

    def measure(patch: Tensor) -> Tensor:
        return roll(rehearsal, warm, [layer_of(patch)], frames, coupling).desired_per_m[-1].sum()

    patch = cells()
    (gradient,) = torch.autograd.grad(measure(patch), patch)
    step = 1e-4
    with torch.no_grad():
        for place in ((0, 0), (2, 1), (4, 3)):
            bump = torch.zeros_like(patch)
            bump[place] = step
            slope = float(measure(patch + bump) - measure(patch - bump)) / (2 * step)
            assert float(gradient[place]) == pytest.approx(slope, rel=0.02, abs=1e-8)
    assert float(gradient.abs().max()) > 1e-6


def test_what_is_held_has_no_gradient(rehearsal: Rehearsal, warm: Warm) -> None:
    held = roll(rehearsal, warm, [layer_of(cells())], 4)
    unrolled = roll(rehearsal, warm, [layer_of(cells())], 4, "unrolled")
    assert not held.offset_m.requires_grad
    assert unrolled.offset_m.requires_grad
    torch.testing.assert_close(held.desired_per_m, unrolled.desired_per_m)


def test_truncation_cuts_poses_only(rehearsal: Rehearsal, warm: Warm) -> None:
    patch = cells()
    cut = roll(rehearsal, warm, [layer_of(patch)], 4, "unrolled", truncation_frames=3)
    # the pose of the fourth frame is cut off; the memory of the assistant is not
    (none,) = torch.autograd.grad(cut.offset_m[3].sum(), patch, retain_graph=True)
    assert not none.any()
    (gradient,) = torch.autograd.grad(cut.desired_per_m[3].sum(), patch)
    assert float(gradient.abs().max()) > 0


def test_drives_differ_by_what_was_drawn(rehearsal: Rehearsal, generator: torch.Generator) -> None:
    drawn = Spread(0.2, 0.0, 0.1, 0.3, 0.1).draw(1, generator)
    assert float(drawn["heading_rad"]) == 0.0
    assert abs(float(drawn["speed_share"])) <= 0.2
    nominal, varied = rehearsal.warm(0), rehearsal.warm(0, drawn)
    speed = float(nominal.set_speed_mps) * (1 + float(drawn["speed_share"]))
    assert float(varied.set_speed_mps) == pytest.approx(speed)
    assert float(varied.state.vehicle.y_m) == pytest.approx(float(drawn["offset_m"]), abs=0.05)
    assert float(varied.along_m) == float(drawn["along_m"])


def test_drives_differ_in_their_light(rehearsal: Rehearsal) -> None:
    drawn = Spread().draw(1, torch.Generator()) | {"light_share": torch.tensor([-0.2], dtype=torch.float64)}
    dusk = rehearsal.warm(0, drawn)
    seen = rehearsal.world.observe(dusk.state, ())
    darker = dusk.sees(seen)
    torch.testing.assert_close(darker.frames["small"], 0.8 * seen.frames["small"])
    assert torch.equal(darker.info["set_speed_mps"], dusk.set_speed_mps)
    brighter = replace(dusk, light=torch.tensor([9.0])).sees(seen)
    assert float(brighter.frames["small"].max()) == 1.0


def test_a_step_of_curvature_is_the_published_rate_limit(rehearsal: Rehearsal) -> None:
    """0.25 degrees of the steering wheel in 10 ms, five times a frame."""
    step = rehearsal.curvature_step_per_m(torch.tensor([29.0], dtype=torch.float64))
    wheel = torch.deg2rad(torch.tensor(1.25, dtype=torch.float64)) / 16.88
    assert float(step) == pytest.approx(float(torch.tan(wheel)) / 2.65)
