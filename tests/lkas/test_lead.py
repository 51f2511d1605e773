"""Following the car ahead through noisy gaps."""

import pytest
import torch

from lkas.lead import LeadTrack


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_closing_speed_is_found() -> None:
    track = LeadTrack.none(column(0.0, 0.0))
    for frame in range(80):
        gap = column(60.0 - 5.0 * 0.05 * frame, 30.0)
        track = track.update(gap, torch.tensor([True, True]))
    assert track.closing_mps.tolist() == pytest.approx([-5.0, 0.0], abs=0.02)
    assert float(track.gap_m[0]) == pytest.approx(60 - 5 * 0.05 * 79, abs=0.05)


def test_noise_is_smoothed(generator: torch.Generator) -> None:
    track = LeadTrack.none(torch.zeros(200, dtype=torch.float64))
    for _ in range(100):
        gap = 40 + torch.randn(200, generator=generator, dtype=torch.float64)
        track = track.update(gap, torch.ones(200, dtype=torch.bool))
    assert 0.2 < float(track.gap_m.std()) < 0.5
    assert float(track.closing_mps.std()) < 0.8


def test_another_car_starts_a_new_track() -> None:
    yes, no = torch.tensor([True]), torch.tensor([False])
    track = LeadTrack.none(column(0.0)).update(column(50.0), yes).update(column(49.0), yes)
    assert float(track.closing_mps) < 0
    track = track.update(column(0.0), no).update(column(20.0), yes)
    assert float(track.gap_m) == 20.0
    assert float(track.closing_mps) == 0.0
