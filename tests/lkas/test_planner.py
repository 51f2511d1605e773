"""The planner: fits, the blend of lines and path, and the optimality of what it wants."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lkas.perception import Perception
from lkas.planner import HORIZON_S, Planner, PlannerParameters, tracking_gains
from simulator.world import DISTANCES_M

F64 = torch.float64


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=F64)


def perceive(
    path: Tensor,
    left: Tensor | float = 1.8,
    right: Tensor | float = -1.8,
    prob: tuple[float, float] = (0.0, 0.0),
) -> Perception:
    """One world that sees a path and near lines ``(33,)``, or lines at constant distances from the path."""
    lines = [line if isinstance(line, Tensor) else path + line for line in (left, right)]
    lane = torch.stack([path, *lines, path])[None]
    zero = column(0.0)
    return Perception(
        path[None], torch.full((1, 33), 0.1, dtype=F64), lane, torch.full_like(lane, 0.2),
        column(0.0, *prob, 0.0)[None], zero, zero + 1, zero, torch.zeros(1, 6, dtype=F64),
    )  # fmt: skip


def plan(planner: Planner, seen: Perception, speed: float, curvature: float = 0.0) -> Tensor:
    memory = planner.initial_memory(1).after(column(curvature))
    return planner(seen, column(speed), column(curvature), memory)[0].curvature_per_m


def test_fit_finds_a_cubic_again() -> None:
    coefficients = column(0.3, -0.02, 1e-3, -8e-6)
    path = (coefficients * DISTANCES_M[:, None] ** torch.arange(4)).sum(1)
    polys = Planner().fit(perceive(path), column(25.0))
    assert torch.allclose(polys[0, 0], coefficients, rtol=1e-6)
    assert torch.allclose(polys[0, 1], coefficients + column(1.8, 0, 0, 0), rtol=1e-6)


def test_fit_is_the_weighted_least_squares_one_pinned_at_the_camera(generator: torch.Generator) -> None:
    planner = Planner()
    path = torch.randn(33, generator=generator, dtype=F64)
    std = 0.1 + torch.rand(1, 33, generator=generator, dtype=F64)
    seen = replace(perceive(path), path_std_m=std)
    reach = 25.0 * planner.parameters.fit_stretch * (planner.parameters.delay_s + HORIZON_S[-1])
    weight = ((1 - (DISTANCES_M / reach) ** 2).clamp_min(0) * torch.gradient(DISTANCES_M)[0]).sqrt() / std[0]
    powers = DISTANCES_M[:, None] ** torch.arange(1, 4)
    expected = torch.linalg.lstsq(powers * weight[:, None], ((path - path[0]) * weight)[:, None]).solution[
        :, 0
    ]
    poly = planner.fit(seen, column(25.0))[0, 0]
    assert float(poly[0]) == float(path[0])
    assert torch.allclose(poly[1:], expected, rtol=1e-6)


def test_uncertain_points_hardly_count() -> None:
    path = 0.001 * DISTANCES_M**2
    wrong = path.clone()
    wrong[12] += 5.0
    seen = perceive(wrong)
    std = seen.path_std_m.clone()
    std[0, 12] = 100.0
    poly = Planner().fit(replace(seen, path_std_m=std), column(25.0))[0, 0]
    assert torch.allclose(poly, column(0, 0, 0.001, 0), atol=1e-5)


def blended(
    prob: tuple[float, float], left: float, right: float, speed: float = 31.0
) -> tuple[Tensor, Tensor]:
    seen = perceive(torch.zeros(33, dtype=F64), left, right, prob)
    planner = Planner()
    memory = replace(planner.initial_memory(1), lane_width_m=column(3.6))
    result, _ = planner(seen, column(speed), column(0.0), memory)
    return result.d_poly[0], result.lane_weight[0]


def test_without_lines_the_path_is_followed() -> None:
    d_poly, weight = blended((0.0, 0.0), 2.0, -1.0)
    assert torch.allclose(d_poly, torch.zeros(4, dtype=F64), atol=1e-12)
    assert float(weight) == 0


def test_with_two_sure_lines_their_middle_is_followed() -> None:
    d_poly, weight = blended((1.0, 1.0), 1.9, -1.5)
    assert float(d_poly[0]) == pytest.approx(0.2, abs=1e-4)
    assert float(weight) == 1


def test_one_line_is_followed_at_half_the_lane_width() -> None:
    # openpilot 0.6.6 averages widths by 0.005, and half-believes the average after certainty fell by 0.05
    d_poly, weight = blended((1.0, 0.0), 1.9, -1.5)
    width = 0.95 * (3.6 + 0.005 * (3.4 - 3.6)) + 0.05 * 3.5
    assert float(d_poly[0]) == pytest.approx(1.9 - width / 2, abs=3e-4)
    assert float(weight) == 1


def test_probabilities_blend_as_in_openpilot() -> None:
    left, right = 0.6, 0.3
    d_poly, weight = blended((left, right), 1.9, -1.5)
    certainty = 1 + 0.05 * (left * right - 1)
    width = certainty * (3.6 + 0.005 * (3.4 - 3.6)) + (1 - certainty) * 3.5
    either = left + right - left * right
    middle = (left * (1.9 - width / 2) + right * (-1.5 + width / 2)) / (left + right + 1e-4)
    assert float(weight) == pytest.approx(either)
    assert float(d_poly[0]) == pytest.approx(either * middle)


@pytest.mark.parametrize(("beside", "trust"), [(2.0, 1.0), (2.25, 0.5), (2.5, 0.0)])
def test_lines_that_start_far_beside_fade(beside: float, trust: float) -> None:
    _, weight = blended((1.0, 0.0), beside, -1.5)
    assert float(weight) == pytest.approx(trust)


def test_lane_width_is_learnt_from_the_first_sight_and_then_slowly() -> None:
    planner = Planner()
    seen = perceive(torch.zeros(33, dtype=F64), 1.4, -1.4, (1.0, 1.0))
    result, memory = planner(seen, column(10.0), column(0.0), planner.initial_memory(1))
    assert float(result.lane_width_m) == pytest.approx(2.8)
    wider = perceive(torch.zeros(33, dtype=F64), 1.8, -1.8, (1.0, 1.0))
    result, _ = planner(wider, column(10.0), column(0.0), memory)
    assert float(result.lane_width_m) == pytest.approx(2.8 + 0.005 * 0.8)


def test_gains_solve_the_problem_better_than_any_neighbour() -> None:
    """The cost of the plan cannot be lowered by another curvature at the first node."""
    parameters = PlannerParameters()
    speed = 20.0
    gains = tracking_gains(parameters, column(speed))[0]
    given = torch.cat([column(0.5, -0.03, 0.001, 0.002), torch.linspace(0, 0.004, 21, dtype=F64)])
    steps = [0.05] * 5 + [0.15] * 15

    def cost(rates: Tensor) -> Tensor:
        e, h, k = given[0], given[1], given[2]
        total = torch.zeros((), dtype=F64)
        for index, dt in enumerate([parameters.delay_s, *steps]):
            after = given[3] if index == 0 else k + dt * rates[index - 1]
            path = given[4 + index]
            # fine Euler steps stand for the differential equation
            for sub in range(200):
                share = (sub + 0.5) / 200
                e = e + dt / 200 * speed * h
                h = h + dt / 200 * speed * (k + share * (after - k) - path)
            k = after
            if index:
                rate = parameters.wheelbase_m * rates[index - 1]
                off = parameters.path_cost * e**2
                total = total + dt * (off + ((speed + 1) * h) ** 2 + ((speed + 1) * rate) ** 2)
        return total

    rates = torch.zeros(20, dtype=F64, requires_grad=True)
    (slope,) = torch.autograd.grad(cost(rates), rates, create_graph=True)
    # the cost is quadratic: one Newton step is the optimum
    hessian = torch.stack([torch.autograd.grad(g, rates, retain_graph=True)[0] for g in slope])
    best = -torch.linalg.solve(hessian, slope.detach())
    assert float(gains @ given) == pytest.approx(float(given[3] + 0.05 * best[0]), rel=2e-3)


@pytest.mark.parametrize("speed", [1.0, 5.0, 12.3, 29.0, 60.0])
def test_a_car_on_an_arc_stays_on_it(speed: float) -> None:
    gains = tracking_gains(PlannerParameters(), column(speed))[0]
    given = torch.full((25,), 0.01, dtype=F64)
    given[:2] = 0
    assert float(gains @ given) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("radius", "speed"), [(300.0, 29.0), (-300.0, 29.0), (60.0, 12.0), (60.0, 6.0), (25.0, 6.0)]
)
def test_curvature_of_an_arc_is_recovered_from_its_points(radius: float, speed: float) -> None:
    # the rear axle is on the arc, the camera 1.5 m ahead of it
    x = DISTANCES_M.clamp_max(abs(radius) * 0.8) + 1.5
    turned = math.copysign(1, radius) * (abs(radius) - torch.sqrt(radius**2 - x**2))
    desired = plan(Planner(), perceive(turned), speed, 1 / radius)
    assert float(desired) == pytest.approx(1 / radius, rel=0.02)


def test_plan_steers_back_from_either_side() -> None:
    planner = Planner()
    path = torch.full((33,), 0.5, dtype=F64)
    assert float(plan(planner, perceive(path), 20.0)) > 1e-4
    assert float(plan(planner, perceive(-path), 20.0)) == pytest.approx(
        -float(plan(planner, perceive(path), 20.0))
    )


def test_gradients_reach_everything_perceived() -> None:
    planner = Planner()
    seen = perceive(0.001 * DISTANCES_M**2, 1.7, -1.6, (0.7, 0.4))
    memory = replace(planner.initial_memory(1), lane_width_m=column(3.4))

    def desired(path: Tensor, lane: Tensor, std: Tensor, prob: Tensor, speed: Tensor, now: Tensor) -> Tensor:
        looked = replace(seen, path_y_m=path, lane_y_m=lane, path_std_m=std, lane_prob=prob)
        return planner(looked, speed, now, memory)[0].curvature_per_m * 1e3

    inputs = (seen.path_y_m, seen.lane_y_m, seen.path_std_m, seen.lane_prob, column(14.1), column(0.001))
    assert torch.autograd.gradcheck(desired, tuple(t.clone().requires_grad_() for t in inputs))


def test_single_precision_perceptions_are_welcome() -> None:
    seen = perceive(0.001 * DISTANCES_M**2, 1.7, -1.6, (0.7, 0.4))
    single = Perception(**{name: value.float() for name, value in vars(seen).items()})
    assert float(plan(Planner(), single, 20.0)) == pytest.approx(float(plan(Planner(), seen, 20.0)), rel=1e-4)
