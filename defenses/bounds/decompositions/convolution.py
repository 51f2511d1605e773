"""Convolutions whose padding is given in words."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str = "valid",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Zeros around the image, as many as keep its size where ``padding`` is ``same``, and a convolution."""
    if padding == "same":
        steps = [dilation, dilation] if isinstance(dilation, int) else list(dilation)
        height, width = (d * (k - 1) for d, k in zip(steps, weight.shape[2:], strict=True))
        # where a side must have one more it is the last
        x = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
    return F.conv2d(x, weight, bias, stride, 0, dilation, groups)
