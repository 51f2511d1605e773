"""The built-in defenses, registered in ``pyproject.toml`` like anybody's: names, options, and where the code is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scenarios.registry import Options, Plugin


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
