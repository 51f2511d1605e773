"""The driver steers from bytes as from floats, and lets gradients through from floats."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lkas.driver import WEIGHTS, DriverAssistant, load_driver
from lkas.frames import pack_yuv
from lkas.network import DriverNet
from lkas.perception import Assistant, Decision
from lkas.training import Recipe
from simulator.world import GroundTruth, InvalidInput, Observation, VehicleState


@pytest.fixture
def network() -> DriverNet:
    """A network without training that already says something about what it sees."""
    network = DriverNet()
    with torch.no_grad():
        network.heads.curves.weight.mul_(5)
    return network.requires_grad_(False)


def observe(frames: Tensor, size: int) -> Observation:
    """A car at 20 m/s that sees some frames; the truth must not matter."""
    zero = torch.zeros(size, dtype=torch.float64)
    state = VehicleState.at(zero, zero, zero, zero + 20)
    nan = zero * float("nan")
    truth = GroundTruth(*([nan] * 6), nan[:, None], nan[:, None, None], *([nan] * 4))
    return Observation(0.0, {"model": frames}, state, truth)


def drive(assistant: DriverAssistant, clip: list[Tensor], size: int) -> list[Decision]:
    """Drive through a clip."""
    assistant.reset(size)
    return [assistant(observe(frames, size)) for frames in clip]


def clips(size: int, generator: torch.Generator) -> tuple[list[Tensor], list[Tensor]]:
    """Three frames as bytes and the same as floats."""
    soft = torch.nn.functional.interpolate(
        torch.rand(3 * size, 3, 16, 32, generator=generator), scale_factor=16
    )
    planes = (soft * 255).round().to(torch.uint8)
    as_bytes = list(planes.permute(0, 2, 3, 1).split(size))
    return as_bytes, list((planes.float() / 255).split(size))


def test_is_an_assistant(network: DriverNet) -> None:
    assistant = DriverAssistant(network)
    assert isinstance(assistant, Assistant)
    assert assistant.cameras == ("model",)


def test_bytes_and_floats_drive_alike(network: DriverNet, generator: torch.Generator) -> None:
    as_bytes, as_floats = clips(2, generator)
    assistant = DriverAssistant(network)
    for one, other in zip(drive(assistant, as_bytes, 2), drive(assistant, as_floats, 2), strict=True):
        torch.testing.assert_close(one.perception.path_y_m, other.perception.path_y_m, rtol=0, atol=1e-4)
        torch.testing.assert_close(one.command.steering_rad, other.command.steering_rad, rtol=0, atol=1e-4)


def test_sees_what_the_network_sees(network: DriverNet, generator: torch.Generator) -> None:
    as_bytes, _ = clips(1, generator)
    assistant = DriverAssistant(network)
    assistant.reset(1)
    hidden = network.initial_hidden(1)
    packed = [pack_yuv(frame) for frame in as_bytes]
    for frame, before, now in zip(as_bytes, [packed[0], *packed], packed, strict=False):
        expected, hidden = network(torch.cat([before, now], 1), hidden)
        torch.testing.assert_close(assistant.see(frame), expected, rtol=1e-5, atol=1e-4)


def test_gradients_reach_every_frame_from_the_last_command(
    network: DriverNet, generator: torch.Generator
) -> None:
    frames = [frame.requires_grad_() for frame in clips(1, generator)[1]]
    last = drive(DriverAssistant(network), frames, 1)[-1]
    gradients = torch.autograd.grad(last.command.steering_rad.sum() + last.perception.path_y_m.sum(), frames)
    for gradient in gradients:
        assert bool(gradient.isfinite().all())
        assert bool(gradient.any())


def test_steering_itself_has_a_gradient(network: DriverNet, generator: torch.Generator) -> None:
    frames = [frame.requires_grad_() for frame in clips(1, generator)[1]]
    decisions = drive(DriverAssistant(network), frames, 1)
    wanted = sum(d.desired_curvature_per_m.sum() for d in decisions)
    assert bool(torch.autograd.grad(wanted, frames[0])[0].any())


def test_double_networks_take_double_frames(network: DriverNet, generator: torch.Generator) -> None:
    single = DriverAssistant(network)
    double = DriverAssistant(network.double())
    as_floats = clips(1, generator)[1]
    seen = [a.see(frame) for a, frame in ((single, as_floats[0]), (double, as_floats[0].double()))]
    assert seen[1].dtype == torch.float64
    torch.testing.assert_close(seen[1].float(), seen[0], rtol=1e-4, atol=1e-3)


def test_reset_forgets(network: DriverNet, generator: torch.Generator) -> None:
    as_bytes, _ = clips(1, generator)
    assistant = DriverAssistant(network)
    first = [d.perception.path_y_m for d in drive(assistant, as_bytes, 1)]
    again = [d.perception.path_y_m for d in drive(assistant, as_bytes, 1)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    # and what came before matters
    assistant.reset(1)
    assert not torch.equal(assistant(observe(as_bytes[2], 1)).perception.path_y_m, first[2])


def test_weights_are_loaded_as_they_were_saved(network: DriverNet, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    loaded = load_driver(path)
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in loaded.state_dict().items())
    assert not any(p.requires_grad for p in loaded.parameters())


@pytest.mark.parametrize("name", ["no_such_driver", "no/such/file.safetensors"])
def test_missing_weights_are_named(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"{Path(name).stem}.safetensors"):
        load_driver(name)


@pytest.mark.parametrize("device", ["cuda:99", "no_such_device"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(InvalidInput, match=rf"device: '{device}' cannot be used here \(.*\); give cpu"):
        load_driver(device=device)


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    damaged, foreign = tmp_path / "damaged.safetensors", tmp_path / "foreign.safetensors"
    damaged.write_bytes(b"not a safetensors file")
    save_file({"weight": torch.zeros(2)}, foreign)
    for path in (damaged, foreign):
        with pytest.raises(InvalidInput, match=f"{path.name} does not hold a driver network"):
            load_driver(path)


def test_the_shipped_driver_is_what_training_gives_by_default() -> None:
    card = json.loads((WEIGHTS / "standard.json").read_text())
    assert card["recipe"] == json.loads(json.dumps(asdict(Recipe())))
    assert card["steps_done"] == Recipe().steps
    assert card["sha256"] == hashlib.sha256((WEIGHTS / "standard.safetensors").read_bytes()).hexdigest()


def test_threads_change_no_bit(network: DriverNet, generator: torch.Generator) -> None:
    frames = torch.randint(0, 256, (6, 256, 512, 3), dtype=torch.uint8, generator=generator)
    before = torch.get_num_threads()
    seen = []
    for count in (1, 2):
        torch.set_num_threads(count)
        assistant = DriverAssistant(network)
        assistant.reset(6)
        assistant.see(frames)
        seen.append(assistant.see(frames.flip(0)))
        # the threads that it starts leave the number of others alone
        assert torch.get_num_threads() == count
    torch.set_num_threads(before)
    assert torch.equal(*seen)
