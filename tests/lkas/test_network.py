"""What the network promises whatever its weights are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lkas.frames import pack_yuv
from lkas.heads import CURVES, LAYOUT
from lkas.network import AUXILIARY_COLUMNS, AUXILIARY_ROWS, SKY_ROWS, ByteStem, DriverNet, fuse, parse


@pytest.fixture
def network() -> DriverNet:
    """A network without training whose outputs differ from frame to frame."""
    network = DriverNet()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * parameter.std().nan_to_num(1.0) * torch.randn_like(parameter))
    return network


@pytest.fixture
def frames(generator: torch.Generator) -> Tensor:
    """Packed pairs ``(3, 12, 128, 256)``."""
    return 255 * torch.rand(3, 12, 128, 256, generator=generator)


@pytest.fixture
def hidden(generator: torch.Generator) -> Tensor:
    """Some memory ``(3, 256)``."""
    return torch.rand(3, 256, generator=generator) - 0.5


def test_perception_has_the_promised_shapes_and_ranges(generator: torch.Generator) -> None:
    seen = parse(3 * torch.randn(5, LAYOUT.size, generator=generator))
    assert seen.path_y_m.shape == seen.path_std_m.shape == (5, 33)
    assert seen.lane_y_m.shape == seen.lane_std_m.shape == (5, 4, 33)
    assert seen.lane_prob.shape == (5, 4)
    assert seen.lead_distance_m.shape == seen.lead_std_m.shape == seen.lead_prob.shape == (5,)
    assert seen.pose.shape == (5, 6)
    for std in (seen.path_std_m, seen.lane_std_m, seen.lead_std_m):
        assert bool((std > 0).all())
    for probability in (seen.lane_prob, seen.lead_prob):
        assert bool(((probability >= 0) & (probability <= 1)).all())


def test_fused_and_unfused_say_the_same(network: DriverNet, frames: Tensor, hidden: Tensor) -> None:
    with torch.no_grad():
        output, memory = network(frames, hidden)
        fused = fuse(network)
        for again, memory_again in (
            fused(frames, hidden),
            fused.look(frames[:, :6, SKY_ROWS:], frames[:, 6:, SKY_ROWS:], hidden),
        ):
            torch.testing.assert_close(again, output, rtol=1e-5, atol=1e-4)
            torch.testing.assert_close(memory_again, memory, rtol=0, atol=1e-4)


def test_fusing_leaves_the_network_alone_and_plain(network: DriverNet) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fused = fuse(network)
    assert {
        type(m) for m in fused.modules() if getattr(m, "weight", None) is not None and m.weight.ndim == 4
    } == {nn.Conv2d}
    assert not any(p.requires_grad for p in fused.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_batch_and_alone_agree(network: DriverNet, frames: Tensor, hidden: Tensor) -> None:
    fused = fuse(network)
    together, _ = fused(frames, hidden)
    alone = torch.cat([fused(frames[k : k + 1], hidden[k : k + 1])[0] for k in range(len(frames))])
    torch.testing.assert_close(alone, together, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_looking_in_company_rounds_as_looking_alone(
    network: DriverNet, size: int, generator: torch.Generator
) -> None:
    fused = fuse(network)
    before, now = (
        (255 * torch.rand(5, 6, 112, 256, generator=generator)).contiguous(memory_format=torch.channels_last)
        for _ in range(2)
    )
    hidden = torch.rand(5, network.hidden_size, generator=generator)
    all_at_once = fused.look(before, now, hidden)
    some = fused.look(before[:size], now[:size], hidden[:size])
    for one, other in zip(some, all_at_once, strict=True):
        # to the bit on the processors that this was written for; elsewhere closer than plain batches are
        torch.testing.assert_close(one, other[:size], rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("driving", [False, True])
def test_gradients_reach_frames_and_memory(
    network: DriverNet, frames: Tensor, hidden: Tensor, driving: bool
) -> None:
    frames, hidden = frames[:1].requires_grad_(), hidden[:1].requires_grad_()
    output, _ = (fuse(network) if driving else network)(frames, hidden)
    by_frames, by_hidden = torch.autograd.grad(output.sum(), (frames, hidden))
    for gradient in (by_frames, by_hidden):
        assert bool(gradient.isfinite().all())
        assert bool(gradient.any())
    for both in by_frames.split(6, 1):
        assert bool(both[:, :, SKY_ROWS:].any(3).any(2).all())
    # the sky is not looked at
    assert not bool(by_frames[:, :, :SKY_ROWS].any())


def test_auxiliary_grid_has_the_promised_shape(network: DriverNet, frames: Tensor) -> None:
    grid, deep = network.convolve(network.stem(frames[:1, :, SKY_ROWS:]))
    assert network.auxiliary(grid).shape == (1, 2 * CURVES, AUXILIARY_ROWS, AUXILIARY_COLUMNS)
    assert network.gather(deep).shape == (1, network.hidden_size)


def test_stem_over_a_clip_is_the_stem_of_every_pair(network: DriverNet, generator: torch.Generator) -> None:
    clip = 255 * torch.rand(3, 2, 6, 8, 16, generator=generator)
    pairs = torch.cat([clip[:-1], clip[1:]], 2).flatten(0, 1)
    torch.testing.assert_close(network.stem.over_time(clip), network.stem(pairs), rtol=0, atol=1e-4)


def test_every_parameter_but_the_auxiliary_ones_learns(
    network: DriverNet, frames: Tensor, hidden: Tensor
) -> None:
    output, _ = network(frames[:1], hidden[:1])
    (output * torch.randn_like(output)).sum().backward()
    without = {name for name, p in network.named_parameters() if p.grad is None or not bool(p.grad.any())}
    assert {name.split(".")[0] for name in without} == {"auxiliary"}


def test_bytes_make_the_stem_respond_as_packed_frames_do(
    network: DriverNet, generator: torch.Generator
) -> None:
    fused = fuse(network)
    frames = torch.randint(0, 256, (3, 256, 512, 3), dtype=torch.uint8, generator=generator)
    expected = fused.respond(pack_yuv(frames, SKY_ROWS))
    respond = ByteStem(fused)
    torch.testing.assert_close(respond(frames), expected, rtol=1e-5, atol=1e-5)
    # and so do frames that lie plane by plane
    planes = frames.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    assert torch.equal(respond(planes), respond(frames))
