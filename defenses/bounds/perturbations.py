"""What may change about an input or a parameter: Lp balls, boxes, low-dimensional affine families."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from defenses.bounds.regions import AffineRegion, BoxRegion, LpRegion, Region
from simulator.world import InvalidInput


class Perturbation(ABC):
    """A family of sets, one around every value."""

    @abstractmethod
    def around(self, x: Tensor, name: str) -> Region:
        """The set around some samples' values.

        Args:
            x: ``(B, *shape)``; B is 1 for a parameter.
            name: of the input, for messages.

        Raises:
            InvalidInput: the perturbation does not fit the value.
        """


Perturbations = Perturbation | Mapping[int | str, Perturbation]
"""By position of the input or name of the parameter; one alone is that of input 0."""


@dataclass(frozen=True)
class Ball(Perturbation):
    """``{x + d : || d / radius ||_p <= 1}``, entries of radius zero fixed.

    Attributes:
        radius: a number, or a tensor that broadcasts against ``(B, *shape)`` of the input.
        p: 1, 2 or infinity.
        mask: bool, broadcasting likewise: which entries may change; all where None.
        low: no entry goes below (p = infinity only), such as 0 for pixels.
        high: no entry goes above.
    """

    radius: float | Tensor
    p: float = math.inf
    mask: Tensor | None = None
    low: float | None = None
    high: float | None = None

    def around(self, x: Tensor, name: str) -> Region:
        if self.p not in (1.0, 2.0, math.inf):
            raise InvalidInput(f"Ball around {name}: p is {self.p}, known are 1, 2 and infinity")
        radius = torch.as_tensor(self.radius, dtype=x.dtype, device=x.device)
        if not bool(torch.isfinite(radius).all()) or bool((radius < 0).any()):
            raise InvalidInput(
                f"Ball around {name}: the radius must be finite and not negative, it is {self.radius}"
            )
        if self.mask is not None:
            radius = radius * _fit(self.mask.to(x.dtype), x, name, "mask")
        if radius.ndim:
            radius = _fit(radius, x, name, "radius")
        if self.low is None and self.high is None:
            return LpRegion(x, radius, self.p)
        if not math.isinf(self.p):
            raise InvalidInput(f"Ball around {name}: low and high need p = infinity, p is {self.p}")
        return BoxRegion.of((x - radius).clamp(self.low, self.high), (x + radius).clamp(self.low, self.high))


@dataclass(frozen=True)
class Box(Perturbation):
    """All values between two bounds, wherever the given value lies.

    Attributes:
        lower: broadcasts against ``(B, *shape)``.
        upper: likewise, not below ``lower``.
    """

    lower: Tensor
    upper: Tensor

    def around(self, x: Tensor, name: str) -> Region:
        lower = _fit(self.lower.to(x.dtype), x, name, "lower bound").expand_as(x)
        upper = _fit(self.upper.to(x.dtype), x, name, "upper bound").expand_as(x)
        if not bool(torch.isfinite(lower).all() and torch.isfinite(upper).all()):
            raise InvalidInput(f"Box around {name}: the bounds must be finite")
        if bool((lower > upper).any()):
            raise InvalidInput(f"Box around {name}: a lower bound lies above its upper bound")
        return BoxRegion.of(lower, upper)


@dataclass(frozen=True)
class Affine(Perturbation):
    """``x + sum_k theta_k directions[k]`` with coefficients in a ball or box of their own.

    Brightness is one direction of ones, contrast the image minus its mean; the cells of a road patch are as
    many directions as cells, given by the linear camera map.

    Attributes:
        directions: ``(K, *shape)``, or sparse ``(K, prod(shape))``.
        coefficients: the perturbation of theta, around zero.
    """

    directions: Tensor
    coefficients: Perturbation

    def around(self, x: Tensor, name: str) -> Region:
        size = x[0].numel()
        matrix = self.directions
        if matrix.layout == torch.strided:
            matrix = matrix.reshape(len(matrix), -1)
        if matrix.ndim != 2 or matrix.shape[1] != size:
            raise InvalidInput(
                f"Affine family around {name}: directions of shape {tuple(self.directions.shape)} do not fit an input "
                f"of shape {tuple(x.shape[1:])}; expected (K, {', '.join(map(str, x.shape[1:]))})"
            )
        theta = self.coefficients.around(x.new_zeros(len(x), len(matrix)), f"the coefficients of {name}")
        return AffineRegion(x, matrix.to(x.dtype), theta)


def brightness_contrast(images: Tensor, brightness: float, contrast: float) -> Affine:
    """Images whose brightness and contrast change: ``x + a + b (x - mean(x))``, ``|a| <= brightness``, ``|b|
    <= contrast``.

    Args:
        images: one image ``(1, *shape)``; the contrast direction is its own.
        brightness: in the unit of the image.
        contrast: relative.
    """
    if len(images) != 1:
        raise InvalidInput(f"brightness_contrast takes one image, not {len(images)}")
    directions = torch.stack([torch.ones_like(images[0]), images[0] - images[0].mean()])
    return Affine(directions, Ball(torch.tensor([brightness, contrast], dtype=images.dtype)))


def _fit(tensor: Tensor, x: Tensor, name: str, what: str) -> Tensor:
    """A tensor that broadcasts against ``(B, *shape)``, with as many axes."""
    try:
        fits = torch.broadcast_shapes(tensor.shape, x.shape) == x.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise InvalidInput(
            f"perturbation of {name}: a {what} of shape {tuple(tensor.shape)} does not fit values of shape "
            f"{tuple(x.shape)} (batch first)"
        )
    wide = tensor.reshape(*(1,) * (x.ndim - tensor.ndim), *tensor.shape)
    return wide.expand(wide.shape[0], *x.shape[1:])
