"""What may be changed: budgets, bounds, choice of cells, shades, softness."""

from __future__ import annotations

import pytest
import torch

from attacks.target import RoadTarget
from attacks.threat import BUDGETS, MID_GREY, RoadPatchThreat
from simulator.scene import Scene
from simulator.world import InvalidInput


def small(**changes: object) -> RoadPatchThreat:
    return RoadPatchThreat(**{"length_m": 6.0, "width_m": 3.6, "cell_m": 0.2, **changes})


@pytest.mark.parametrize("name", sorted(BUDGETS))
def test_budgets_only_brighten_up_to_a_level(name: str, target: RoadTarget, scene: Scene) -> None:
    threat = small(**BUDGETS[name])
    low, high = threat.bounds(target)
    assert not low.any()
    level = {"published": MID_GREY, "paint": scene.surface.mark_brightness}[name]
    reached = (threat.brightness_below(target) + high)[high > 0]
    assert float(reached.max()) == pytest.approx(level, abs=1e-6)
    assert float(reached.min()) == pytest.approx(level, abs=1e-6)


def test_brightness_below_is_the_roads(target: RoadTarget, scene: Scene) -> None:
    below = small().brightness_below(target)
    middle = below[:, 8:12]
    assert float((middle - scene.surface.asphalt_brightness).abs().max()) < 0.03
    marks = below[:, small().allowed(target)[0] == 0]
    assert float(marks.max()) > scene.surface.asphalt_brightness + 0.1


def test_brightness_can_be_given_where_there_is_no_scene(target: RoadTarget) -> None:
    threat = small(**BUDGETS["published"], road_brightness=0.3, keep_marks=False)
    _, high = threat.bounds(RoadTarget(target.road, target.start_m))
    torch.testing.assert_close(high, torch.full_like(high, MID_GREY - 0.3))


def test_beside_the_road_nothing_is_changed(target: RoadTarget) -> None:
    wide = small(width_m=4.8, keep_marks=False)
    across = 2.4 - 0.2 * (torch.arange(wide.shape[1]) + 0.5)
    on_road = torch.from_numpy(wide.allowed(target)).bool()
    assert torch.equal(on_road, (across.abs() < 1.8).expand_as(on_road))
    with pytest.raises(InvalidInput, match=r"wider than road 'line', which is 3\.60 m"):
        wide.check_width(target)
    small().check_width(target)


def test_nothing_gets_darker_than_black(target: RoadTarget) -> None:
    threat = small(darker=1.0)
    low, _ = threat.bounds(target)
    assert float((threat.brightness_below(target) + low).min()) >= -1e-6


def test_only_the_strongest_cells_are_laid(target: RoadTarget, generator: torch.Generator) -> None:
    threat = small(darker=0.3, brighter=0.3, area_share=0.25, keep_marks=False)
    wish = 0.6 * torch.rand(threat.shape, generator=generator) - 0.3
    laid = threat.printed(wish, threat.bounds(target))
    changed = laid != 0
    assert float(changed.float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(wish[changed].abs().min()) >= float(wish[~changed].abs().max()) - 1 / 255


def test_shades_are_those_of_the_printer_and_within_bounds(
    target: RoadTarget, generator: torch.Generator
) -> None:
    threat = small(darker=0.2, brighter=0.2, shades=10)
    bounds = threat.bounds(target)
    laid = threat.printed(torch.randn(threat.shape, generator=generator), bounds)
    torch.testing.assert_close(laid * 10, (laid * 10).round())
    assert bool(((laid >= bounds[0] - 1e-6) & (laid <= bounds[1] + 1e-6)).all())


def test_choice_and_rounding_let_gradients_pass(target: RoadTarget) -> None:
    threat = small(darker=0.2, brighter=0.2, area_share=0.1, keep_marks=False)
    wish = torch.full(threat.shape, 0.05).requires_grad_()
    (gradient,) = torch.autograd.grad(threat.printed(wish, threat.bounds(target)).sum(), wish)
    torch.testing.assert_close(gradient, torch.ones_like(gradient))


def test_softness_spreads_a_dot_and_keeps_its_sum(target: RoadTarget) -> None:
    threat = small(darker=1.0, brighter=1.0, blur_m=0.3, keep_marks=False, ceiling=1.0, shades=255)
    wish = torch.zeros(threat.shape)
    wish[15, 10] = 0.5
    soft = threat.printed(wish, threat.bounds(target))
    assert 0 < float(soft.max()) < 0.1
    assert float(soft.sum()) == pytest.approx(0.5, abs=0.2)
    assert int((soft > 0).sum()) > 9


def test_no_cells_at_all_is_refused(target: RoadTarget) -> None:
    with pytest.raises(InvalidInput, match="area_share"):
        small(area_share=0.0).check(target)
