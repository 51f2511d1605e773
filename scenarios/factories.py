"""How the built-in worlds and assistants are made from what a scenario says. Imported when one is first used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from defenses.input_transformations.autoencoder import WEIGHTS, DenoisingAutoencoder, load_denoiser
from defenses.input_transformations.bit_depth import BitDepth
from defenses.input_transformations.gaussian_noise import GaussianNoise
from defenses.input_transformations.jpeg import Jpeg
from defenses.input_transformations.median_blur import MedianBlur
from lkas.driver import DriverAssistant, load_driver
from lkas.ground_truth import GroundTruthAssistant
from lkas.pilot import Pilot
from scenarios.plugins.defenses import (
    AutoencoderOptions,
    BitDepthOptions,
    GaussianNoiseOptions,
    JpegOptions,
    MedianBlurOptions,
)
from scenarios.plugins.lane_keeping import EmbeddedOptions, GroundTruthOptions, LaneKeepingOptions
from scenarios.schema import TinyPhysicsSpec
from simulator.camera import Camera
from simulator.embedded import EmbeddedWorld, Start
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.tiny_physics import LearnedVehicle, TinyPhysics
from simulator.vehicle import Vehicle, VehicleParameters
from simulator.world import InvalidInput


@dataclass(frozen=True)
class Setting:
    """What a world is made of: that of every scenario that is to be stepped together.

    Attributes:
        scenes: one a scenario.
        starts: one a scenario.
        vehicle: the same for all.
        cameras: that somebody looks through, as they are mounted.
        layers: what attacks have put on the roads.
        plant: what moves the cars in place of a bicycle model, if anything does.
    """

    scenes: Sequence[Scene]
    starts: Sequence[Start]
    vehicle: VehicleParameters
    cameras: Sequence[Camera]
    layers: Sequence[SurfaceLayer] = ()
    plant: TinyPhysicsSpec | None = None

    def moving(self, latency_s: float) -> Vehicle:
        """The car that moves."""
        if self.plant is None:
            return Vehicle(self.vehicle, latency_s)
        seeds = [scene.seed for scene in self.scenes] if self.plant.sampled else None
        return LearnedVehicle(TinyPhysics(self.plant.path), self.vehicle, latency_s, seeds)


def embedded(options: EmbeddedOptions, setting: Setting) -> EmbeddedWorld:
    """The embedded world."""
    return EmbeddedWorld(
        setting.scenes,
        setting.starts,
        setting.moving(options.latency_s),
        setting.cameras,
        layers=setting.layers,
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
    try:
        network = load_driver(options.weights, options.device)
    except InvalidInput as error:
        raise InvalidInput(f"assistant.{error}") from error
    return DriverAssistant(network, Pilot(vehicle, latency_s))


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


def autoencoder(options: AutoencoderOptions) -> DenoisingAutoencoder:
    """A denoising network before the assistant."""
    return DenoisingAutoencoder(load_denoiser(Path(options.weights) if options.weights else WEIGHTS))
