"""One table of transformations: what each keeps, changes, and lets gradients do, alone and before an assistant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from defenses.defense import Defense
from defenses.input_transformations.bit_depth import BitDepth
from defenses.input_transformations.gaussian_noise import GaussianNoise
from defenses.input_transformations.jpeg import Jpeg
from defenses.input_transformations.median_blur import MedianBlur
from defenses.input_transformations.transformation import InputTransformation
from lkas.perception import Decision
from simulator.world import Observation, VehicleState

ALL = [Jpeg(), BitDepth(), GaussianNoise(), MedianBlur()]
NAMES = [type(transformation).__name__ for transformation in ALL]


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def picture(size: int = 2) -> Tensor:
    """Smooth colours in the middle of the range."""
    ramp = torch.linspace(0.3, 0.7, 48)
    one = torch.stack([ramp.expand(32, -1), ramp.flip(0).expand(32, -1), torch.full((32, 48), 0.5)])
    return one.repeat(size, 1, 1, 1)


@pytest.mark.parametrize("transformation", ALL, ids=NAMES)
class TestEvery:
    def test_keeps_shape_range_and_the_picture(self, transformation: InputTransformation) -> None:
        after = transformation(picture(), generators(0, 1))
        assert after.shape == (2, 3, 32, 48)
        assert float(after.min()) >= 0
        assert float(after.max()) <= 1
        assert float((after - picture()).abs().mean()) < 0.06

    def test_changes_something(self, transformation: InputTransformation) -> None:
        speckled = picture() + 0.1 * torch.randn(2, 3, 32, 48, generator=generators(7)[0]).clamp(-2, 2)
        assert float((transformation(speckled, generators(0, 1)) - speckled).abs().max()) > 0.01

    def test_gradient_passes(self, transformation: InputTransformation) -> None:
        frames = picture().requires_grad_()
        transformation(frames, generators(0, 1)).sum().backward()
        torch.testing.assert_close(frames.grad, torch.ones_like(frames))

    def test_same_generators_same_bytes(self, transformation: InputTransformation) -> None:
        assert torch.equal(
            transformation(picture(), generators(3, 4)), transformation(picture(), generators(3, 4))
        )

    def test_company_changes_nothing(self, transformation: InputTransformation) -> None:
        together = transformation(picture(), generators(3, 4))
        assert torch.equal(together[1:], transformation(picture(1), generators(4)))

    def test_is_a_defense(self, transformation: InputTransformation) -> None:
        assert isinstance(transformation, Defense)


def test_bit_depth_keeps_so_many_shades() -> None:
    shades = BitDepth(2)(torch.rand(1, 3, 40, 40, generator=generators(0)[0]), [])
    torch.testing.assert_close(shades.unique(), torch.tensor([0, 1 / 3, 2 / 3, 1]))


def test_median_removes_a_speck() -> None:
    frames = torch.full((1, 3, 9, 9), 0.4)
    frames[:, :, 4, 4] = 1.0
    torch.testing.assert_close(MedianBlur(3)(frames, []), torch.full((1, 3, 9, 9), 102 / 255))


def test_noise_has_its_size() -> None:
    noise = GaussianNoise(0.05)(torch.full((1, 3, 200, 200), 0.5), generators(0)) - 0.5
    assert float(noise.std()) == pytest.approx(0.05, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=1e-3)


def test_worse_jpeg_is_worse() -> None:
    frames = torch.rand(1, 3, 64, 64, generator=generators(0)[0])
    errors = [float((Jpeg(quality)(frames, []) - frames).abs().mean()) for quality in (95, 50, 10)]
    assert errors == sorted(errors)


@dataclass
class Witness:
    """An assistant that keeps what it saw."""

    decide: Callable[[Observation], Decision]
    cameras: tuple[str, ...] = ("model",)

    def reset(self, size: int) -> None:
        self.seen: list[Observation] = []

    def __call__(self, observation: Observation) -> Decision:
        self.seen.append(observation)
        return self.decide(observation)


@pytest.fixture
def witness() -> Witness:
    return Witness(lambda observation: None)


def observation(frames: Tensor) -> Observation:
    zero = torch.zeros(len(frames))
    state = VehicleState(zero, zero, zero, zero, zero, zero, zero, zero)
    return Observation(0.0, {"model": frames, "wide": frames}, state, None)


def test_assistant_sees_transformed_bytes_of_its_camera_alone(witness: Witness) -> None:
    frames = (picture() * 255).to(torch.uint8).permute(0, 2, 3, 1)
    protected = BitDepth(1).protect(witness, [0])
    protected.reset(2)
    protected(observation(frames))
    seen = witness.seen[0].frames
    assert seen["model"].dtype == torch.uint8
    assert set(seen["model"].unique().tolist()) == {0, 255}
    assert torch.equal(seen["wide"], frames)


def test_bytes_and_floats_agree(witness: Witness) -> None:
    frames = (picture() * 255).round().to(torch.uint8)
    for transformation in ALL:
        protected = transformation.protect(witness, [5, 6])
        protected.reset(2)
        protected(observation(frames.permute(0, 2, 3, 1)))
        in_bytes = witness.seen[0].frames["model"].permute(0, 3, 1, 2) / 255
        protected.reset(2)
        protected(observation(frames / 255))
        in_floats = witness.seen[0].frames["model"]
        assert float((in_bytes - in_floats).abs().max()) <= 0.5 / 255 + 1e-6


def test_reset_repeats_the_noise_and_every_frame_has_its_own(witness: Witness) -> None:
    protected = GaussianNoise().protect(witness, [5])
    seen = []
    for _ in range(2):
        protected.reset(1)
        protected(observation(picture(1)))
        protected(observation(picture(1)))
        seen.append([look.frames["model"] for look in witness.seen])
    assert torch.equal(seen[0][0], seen[1][0])
    assert torch.equal(seen[0][1], seen[1][1])
    assert not torch.equal(seen[0][0], seen[0][1])
