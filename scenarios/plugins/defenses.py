"""The built-in defenses, registered in ``pyproject.toml`` like anybody's: names, options, and where the code is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from scenarios.registry import Options, Plugin
from scenarios.store import file_hash
from simulator.world import InvalidInput


class JpegOptions(Options):
    """Compression of every frame.

    Attributes:
        quality: of the compression.
    """

    type: Literal["jpeg"]
    quality: Annotated[int, Field(ge=1, le=100)] = 20


class BitDepthOptions(Options):
    """Fewer shades of every colour.

    Attributes:
        bits: that are kept of each channel.
    """

    type: Literal["bit_depth"]
    bits: Annotated[int, Field(ge=1, le=8)] = 4


class GaussianNoiseOptions(Options):
    """Noise on every frame.

    Attributes:
        standard_deviation: in units of brightness.
    """

    type: Literal["gaussian_noise"]
    standard_deviation: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05


class MedianBlurOptions(Options):
    """Median filter of every frame.

    Attributes:
        kernel: side of the square of neighbours [px].
    """

    type: Literal["median_blur"]
    kernel: Literal[3, 5, 7, 9, 11, 13, 15] = 5


class AutoencoderOptions(Options):
    """A denoising network before the assistant.

    Attributes:
        weights: path of a safetensors file; the shipped network where not given.
    """

    type: Literal["autoencoder"]
    weights: Annotated[str, Field(min_length=1, max_length=4096)] | None = None

    def fingerprint(self) -> str:
        """Hash of the weights."""
        from defenses.input_transformations.autoencoder import WEIGHTS

        path = Path(self.weights) if self.weights else WEIGHTS
        if not path.is_file():
            raise InvalidInput(f"weights: there is no file {path}")
        return file_hash(path)


JPEG = Plugin(
    "jpeg", "Compresses every frame as JPEG and decompresses it", "scenarios.factories:jpeg", JpegOptions
)
BIT_DEPTH = Plugin(
    "bit_depth", "Keeps a few bits of every colour", "scenarios.factories:bit_depth", BitDepthOptions
)
GAUSSIAN_NOISE = Plugin(
    "gaussian_noise", "Adds noise to every frame", "scenarios.factories:gaussian_noise", GaussianNoiseOptions
)
MEDIAN_BLUR = Plugin(
    "median_blur",
    "Takes the median of every pixel's neighbours",
    "scenarios.factories:median_blur",
    MedianBlurOptions,
)
AUTOENCODER = Plugin(
    "autoencoder",
    "Has every frame repainted by a network that takes noise away",
    "scenarios.factories:autoencoder",
    AutoencoderOptions,
)
