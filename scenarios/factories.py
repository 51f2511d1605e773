"""How the built-in worlds and assistants are made from what a scenario says. Imported when one is first used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from defenses.input_transformations.bit_depth import BitDepth
from defenses.input_transformations.gaussian_noise import GaussianNoise
from defenses.input_transformations.jpeg import Jpeg
from defenses.input_transformations.median_blur import MedianBlur
from lkas.driver import DriverAssistant, load_driver
from lkas.ground_truth import GroundTruthAssistant
from lkas.pilot import Pilot
from scenarios.builtin import EmbeddedOptions, GroundTruthOptions, LaneKeepingOptions
from scenarios.builtin_defenses import (
    BitDepthOptions,
    GaussianNoiseOptions,
    JpegOptions,
    MedianBlurOptions,
)
from simulator.camera import CAMERAS
from simulator.embedded import EmbeddedWorld, Start
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.vehicle import VehicleParameters


@dataclass(frozen=True)
class Setting:
    """What a world is made of: that of every scenario that is to be stepped together.

    Attributes:
        scenes: one a scenario.
        starts: one a scenario.
        vehicle: the same for all.
        cameras: names of the cameras that somebody looks through.
        layers: what attacks have put on the roads.
    """

    scenes: Sequence[Scene]
    starts: Sequence[Start]
    vehicle: VehicleParameters
    cameras: Sequence[str]
    layers: Sequence[SurfaceLayer] = ()


def embedded(options: EmbeddedOptions, setting: Setting) -> EmbeddedWorld:
    """The embedded world."""
    cameras = [CAMERAS[name] for name in setting.cameras]
    return EmbeddedWorld(
        setting.scenes, setting.starts, setting.vehicle, cameras, options.latency_s, layers=setting.layers
    )


def ground_truth(
    options: GroundTruthOptions, vehicle: VehicleParameters, latency_s: float
) -> GroundTruthAssistant:
    """The assistant that drives from the map."""
    return GroundTruthAssistant(Pilot(vehicle, latency_s))


def lane_keeping(
    options: LaneKeepingOptions, vehicle: VehicleParameters, latency_s: float
) -> DriverAssistant:
    """The shipped driver."""
    return DriverAssistant(load_driver(options.weights), Pilot(vehicle, latency_s))


def jpeg(options: JpegOptions) -> Jpeg:
    """Compression of every frame."""
    return Jpeg(options.quality)


def bit_depth(options: BitDepthOptions) -> BitDepth:
    """Fewer shades of every colour."""
    return BitDepth(options.bits)


def gaussian_noise(options: GaussianNoiseOptions) -> GaussianNoise:
    """Noise on every frame."""
    return GaussianNoise(options.standard_deviation)


def median_blur(options: MedianBlurOptions) -> MedianBlur:
    """Median filter of every frame."""
    return MedianBlur(options.kernel)
