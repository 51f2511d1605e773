"""Ripmaps: constants stay constant, levels are means, look-ups are linear."""

from __future__ import annotations

import pytest
import torch

from simulator.surface.ripmap import Ripmap, levels_for


def look_up(ripmap: Ripmap, rows: torch.Tensor, columns: torch.Tensor, i: int, j: int) -> torch.Tensor:
    level = torch.full((len(rows),), i), torch.full((len(rows),), j)
    place = ripmap.placement(level, rows.dtype)
    (fy, oy), (fx, ox) = ((f[:, None], o[:, None]) for f, o in (place.along, place.across))
    y, x = rows * fy + oy, columns * fx + ox
    y = y.clamp(place.limits_y[0][:, None], place.limits_y[1][:, None])
    x = x.clamp(place.limits_x[0][:, None], place.limits_x[1][:, None])
    return ripmap.look_up(x, y)


def grid(rows: list[float], columns: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    r, c = torch.meshgrid(
        torch.tensor(rows, dtype=torch.float64), torch.tensor(columns, dtype=torch.float64), indexing="ij"
    )
    return r, c


@pytest.fixture(name="texture")
def _texture() -> torch.Tensor:
    return torch.rand(1, 2, 64, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def test_texel_centres_of_the_finest_level_are_the_texture(texture: torch.Tensor) -> None:
    ripmap = Ripmap.of(texture, (5, 4), "replicate")
    rows, columns = grid([0.5, 10.5, 63.5], [0.5, 7.5, 31.5])
    assert torch.allclose(look_up(ripmap, rows, columns, 0, 0), texture[0][:, [0, 10, 63]][:, :, [0, 7, 31]])


@pytest.mark.parametrize(("i", "j"), [(1, 0), (3, 0), (2, 1), (4, 3)])
def test_levels_are_block_means(texture: torch.Tensor, i: int, j: int) -> None:
    ripmap = Ripmap.of(texture, (5, 4), "replicate")
    height, width = 2**i, 2**j
    rows, columns = grid([height * 1.5], [width * 2.5])
    mean = texture[0, :, height : 2 * height, 2 * width : 3 * width].mean((1, 2))
    assert torch.allclose(look_up(ripmap, rows, columns, i, j)[:, 0, 0], mean)


def test_replicated_border_goes_on_and_constant_border_ends(texture: torch.Tensor) -> None:
    rows, columns = grid([-30.0, 100.0], [5.5])
    going_on = look_up(Ripmap.of(texture, (5, 4), "replicate"), rows, columns, 0, 0)
    assert torch.allclose(going_on[:, :, 0], texture[0][:, [0, -1], 5])
    assert float(look_up(Ripmap.of(texture, (5, 4), "constant"), rows, columns, 2, 1).abs().max()) < 1e-12


def test_odd_sizes_lose_nothing() -> None:
    texture = torch.ones(1, 1, 37, 13, dtype=torch.float64)
    ripmap = Ripmap.of(texture, (6, 4), "constant")
    for i in range(6):
        rows, columns = grid([float(2**i) / 2], [0.5])
        assert float(look_up(ripmap, rows, columns, i, 0)) == pytest.approx(min(1.0, 37 / 2**i))


def test_chosen_level_follows_the_footprint() -> None:
    ripmap = Ripmap.of(torch.zeros(1, 1, 1024, 64), (8, 4), "replicate")
    i, j = ripmap.choose(torch.tensor([0.1, 1.5, 6.0, 47.0, 1e9]), torch.tensor([0.1, 1.0, 1.0, 6.0, 1e9]))
    assert i.tolist() == [0, 0, 2, 5, 7]
    assert j.tolist() == [0, 0, 0, 2, 3]


def test_gradient_is_exact(texture: torch.Tensor) -> None:
    rows, columns = grid([3.3, 20.7], [4.1, 9.9, 30.2])
    leaf = texture[:, :, :32].clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda t: look_up(Ripmap.of(t, (5, 4), "constant"), rows, columns, 2, 1), (leaf,), fast_mode=True
    )


def test_levels_for_stops_at_one_texel() -> None:
    assert levels_for(0.1, 20.0, 4) == 3
    assert levels_for(0.1, 0.1, 1000) == 1
    assert levels_for(0.125, 20.0, 10**6) == 9
