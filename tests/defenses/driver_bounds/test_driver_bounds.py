"""The driver as one function from frames to curvature: equal to the driver, bounded soundly, one frame or several."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import Tensor

from defenses.bounds import Backward, BoundedModel
from defenses.driver_bounds.attack import extremes
from defenses.driver_bounds.curvature import FIRST_ROW, DesiredCurvature, LinearPlan
from defenses.driver_bounds.threats import SHAPE, threats
from lkas.frames import pack_yuv
from lkas.network import DriverNet, fuse, parse
from lkas.perception import Perception
from lkas.planner import Planner
from simulator.errors import InvalidInput

PLANNER = Planner()


def plan(perception: Perception) -> Tensor:
    """Desired curvature of a car at 25 m/s that drives straight on."""
    one = torch.ones(1, dtype=torch.float64)
    planned, _ = PLANNER(perception, 25 * one, 0 * one, PLANNER.initial_memory(1))
    return planned.curvature_per_m


@pytest.fixture(scope="module")
def driver() -> DriverNet:
    torch.manual_seed(4)
    network = DriverNet((4, 4, 4, 4, 4), 8)
    with torch.no_grad():  # so that nothing is dead
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.add_(0.1 * torch.rand_like(parameter))
    return fuse(network.eval())


@pytest.fixture(scope="module")
def frames() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    first, second, third = (0.4 + 0.2 * torch.rand(1, *SHAPE, generator=generator) for _ in range(3))
    return first, second, third


@pytest.fixture(scope="module")
def model(driver: DriverNet, frames: tuple[Tensor, Tensor, Tensor]) -> DesiredCurvature:
    packed = [pack_yuv(frame) for frame in frames]
    with torch.no_grad():
        output, _ = driver.look(packed[0], packed[1], driver.initial_hidden(1))
    return DesiredCurvature(driver, LinearPlan.of(plan, output))


def operator() -> csr_array:
    """Four cells, each seen by some pixels near the bottom of the frame."""
    generator = np.random.default_rng(6)
    dense = np.zeros((3, 256, 512, 4))
    for cell in range(4):
        dense[:, 180:190, 240 + 8 * cell : 250 + 8 * cell, cell] = generator.random((3, 10, 10))
    return csr_array(dense.reshape(-1, 4))


def test_it_is_the_driver_in_the_frame_of_its_tangent(driver, frames, model):
    hidden = driver.initial_hidden(1)
    packed = [pack_yuv(frame) for frame in frames]
    with torch.no_grad():
        output, memory = driver.look(packed[0], packed[1], hidden)
        assert model(hidden, *frames[:2]).item() == pytest.approx(
            plan(parse(output.double())).item(), abs=1e-8
        )
        later, _ = driver.look(packed[1], packed[2], memory)
        tangent = LinearPlan.of(plan, output)
        expected = tangent.weight @ later[0].double() + tangent.constant
        assert model(hidden, *frames).item() == pytest.approx(expected.item(), abs=1e-8)


def test_the_tangent_has_the_slope_of_the_plan_where_stds_and_probabilities_stay(driver):
    output = 0.3 * torch.randn(1, 343, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    tangent = LinearPlan.of(plan, output)
    step = torch.zeros_like(output)
    step[0, :33] = 1e-6  # the path moves left
    difference = plan(parse(output + step)) - plan(parse(output - step))
    assert (2 * tangent.weight @ step[0]).item() == pytest.approx(difference.item(), rel=1e-5)
    assert not tangent.weight[33:66].any()  # a standard deviation of the path counts for nothing


@pytest.mark.parametrize("kind", [0, 1], ids=["pixels", "cells"])
def test_no_attack_leaves_the_bounds_and_their_order_is_right(driver, frames, model, kind):
    hidden, threat = driver.initial_hidden(1), threats(operator())[kind]
    inputs = (hidden, *frames[:2])
    bounded = BoundedModel.of(model, *inputs)
    widths = []
    for radius in (1 / 255, 8 / 255):
        with torch.no_grad():
            found = bounded.bounds(inputs, {2: threat.perturbation(radius)}).outward(1e-3)
        low, high = extremes(
            lambda x: model(hidden.expand(len(x), -1), frames[0].expand(len(x), -1, -1, -1), x)[:, 0],
            frames[1],
            threat,
            radius,
            count=4,
            steps=3,
            generator=torch.Generator().manual_seed(8),
        )
        assert found.lower.item() <= low < high <= found.upper.item()
        widths.append(found.upper.item() - found.lower.item())
        if threat.size == 4:  # neither are bounds of few cells so loose nor attacks so weak
            assert high - low > 0.1 * widths[-1]
    assert widths[0] < widths[1]


def test_several_frames_with_a_patch(driver, frames, model):
    hidden, (pixels, _) = driver.initial_hidden(1), threats(operator())
    inputs, ball = (hidden, *frames), pixels.perturbation(2 / 255)
    bounded = BoundedModel.of(model, *inputs)
    with torch.no_grad():
        both = bounded.bounds(inputs, {2: ball, 3: ball}, Backward())
        last = bounded.bounds(inputs, {3: ball}, Backward())
        for member in zip(
            *(ball.around(frame, "x").sample(6, torch.Generator().manual_seed(9)) for frame in frames[1:]),
            strict=True,
        ):
            reached = model(hidden, frames[0], *member).item()
            assert both.lower.item() <= reached <= both.upper.item()
    assert (both.upper - both.lower).item() > (last.upper - last.lower).item() > 0


def test_members_are_within_the_budget_and_within_the_patch(frames):
    pixels, cells = threats(operator())
    shares = torch.ones(1, pixels.size)
    moved = pixels.apply(frames[0], shares, 0.5)
    assert moved.max() <= 1
    assert ((moved != frames[0])[0] <= pixels.mask).all()
    assert pixels.mask[:, 180 - FIRST_ROW : 190 - FIRST_ROW, 240:274].all()
    assert int(pixels.mask.sum()) == 3 * 10 * 34
    dense = operator().toarray().reshape(3, 256, 512, 4)[:, FIRST_ROW:]
    change = torch.tensor([0.1, -0.2, 0.0, 0.05])
    expected = torch.from_numpy(dense).float() @ change
    torch.testing.assert_close(cells.apply(frames[0], change[None], 1.0) - frames[0], expected[None])


def test_what_cannot_be_bounded_is_refused():
    with pytest.raises(InvalidInput, match="not to be seen"):
        threats(csr_array((3 * 256 * 512, 4)))
    with pytest.raises(InvalidInput, match="fuse"):
        DesiredCurvature(DriverNet((4, 4, 4, 4, 4), 8), LinearPlan(torch.zeros(343), torch.zeros(())))
