"""DriverNet: two frames and a memory in, path, lane lines, lead car and motion out.

A network of openpilot's class (convolutions to a 4x8 grid, a recurrent core with a feed-forward way around it), cut to
drive on one CPU core. Instead of batch norm its convolutions standardise their weights (Brock et al. 2021,
"Characterizing signal propagation to close the performance gap in unnormalized ResNets"): that costs nothing per
frame, behaves alike in training and driving, and folds into plain convolutions.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lkas.frames import interleaved, packing_kernel
from lkas.heads import CURVES, LAYOUT, POINTS, FusedHeads, Heads
from lkas.perception import Perception

SKY_ROWS = 16
"""Rows of the packed frame, from the top, that the network skips: 32 pixels that show sky at every allowed pitch."""

AUXILIARY_ROWS, AUXILIARY_COLUMNS = 14, 32
"""Grid of the auxiliary task: cells of 16x16 pixels below the sky rows."""

GROUP = 4
"""Worlds that are looked at together: few enough to stay in the processor's cache."""


class Convolution(nn.Module):
    """3x3 convolution with standardised weights and a learned gain, then (unless ``linear``) a ReLU."""

    def __init__(self, channels: int, filters: int, stride: int = 1, kernel: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(filters, channels, kernel, kernel))
        nn.init.normal_(self.weight)
        self.gain = nn.Parameter(torch.ones(filters))
        self.bias = nn.Parameter(torch.zeros(filters))
        self.stride = stride

    def plain(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the ordinary convolution that this is."""
        weight = self.weight
        variance, mean = torch.var_mean(weight, dim=(1, 2, 3), keepdim=True)
        # keeps the variance of unit-variance input through a ReLU
        scale = self.gain[:, None, None, None] * math.sqrt(2 / (1 - 1 / math.pi) / weight[0].numel())
        return (weight - mean) * torch.rsqrt(variance + 1e-6) * scale, self.bias

    def fused(self) -> nn.Conv2d:
        """That convolution as a layer, channels last."""
        filters, channels, kernel, _ = self.weight.shape
        layer = nn.Conv2d(channels, filters, kernel, self.stride, kernel // 2)
        weight, bias = self.plain()
        layer.weight = nn.Parameter(weight.detach().contiguous(memory_format=torch.channels_last))
        layer.bias = nn.Parameter(bias.detach())
        return layer

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.plain()
        return F.conv2d(x, weight, bias, self.stride, self.weight.shape[-1] // 2)


class Stem(Convolution):
    """First convolution: takes bytes as they are, openpilot's ``(x - 128) / 128`` folded into its weights.

    Outside of the frame counts as black.
    """

    def plain(self) -> tuple[Tensor, Tensor]:
        weight, bias = super().plain()
        return weight / 128, bias - weight.sum((1, 2, 3))

    def over_time(self, frames: Tensor) -> Tensor:
        """The same for a whole clip, without building pairs of frames.

        Args:
            frames: ``(T + 1, B, 6, H, W)``, channels last in memory.

        Returns:
            ``(T * B, filters, H / 2, W / 2)``, time first.
        """
        weight, bias = self.plain()
        return _look_twice(weight, bias, frames[:-1].flatten(0, 1), frames[1:].flatten(0, 1))


def _look_twice(weight: Tensor, bias: Tensor, before: Tensor, now: Tensor) -> Tensor:
    """The stem on two frames ``(N, 6, H, W)`` each; laying them side by side first would take as long again."""
    return F.conv2d(now, weight[:, 6:], bias, 2, 1).add_(F.conv2d(before, weight[:, :6], None, 2, 1))


def _halves(stem: Stem | nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Weight ``(2 C, 6, 3, 3)`` and bias for one frame: as the later of a pair, then as the earlier."""
    weight, bias = stem.weight, stem.bias
    assert bias is not None
    both = torch.cat([weight[:, 6:], weight[:, :6]]).contiguous(memory_format=torch.channels_last)
    return both, torch.cat([bias, torch.zeros_like(bias)])


class ByteStem:
    """What ``DriverNet.respond`` says, of bytes as cameras give them: packing and stem as one convolution.

    Twice the multiplications of the two, but packed frames need not be written and read again, which takes longer.

    Args:
        network: a fused one.
    """

    def __init__(self, network: DriverNet) -> None:
        halves, bias = _halves(network.stem)
        kernel, offset = packing_kernel(halves.dtype, halves.device)
        with torch.no_grad():
            # every weight of a packed pixel stands for those of the 2x2 pixels that it is packed from
            weight = F.conv_transpose2d(halves, kernel, stride=2)
            self._weight = weight.contiguous(memory_format=torch.channels_last)
            self._bias = bias + halves.sum((2, 3)) @ offset
            # outside of the frame all planes are zero: that is no colour, but three numbers that pack to it
            planes = [0, 4, 5]
            to_planes = kernel[planes].sum((2, 3)).double()
            self._outside = torch.linalg.solve(to_planes, -offset[planes].double()).to(kernel)

    def __call__(self, frames: Tensor) -> Tensor:
        """``(N, 2 C, 56, 128)`` of frames ``(N, 256, 512, 3) uint8``."""
        frames = interleaved(frames[:, 2 * SKY_ROWS :])
        rows, columns = frames.shape[1] + 2, frames.shape[2] + 2
        framed = self._weight.new_empty(1, rows, columns, 3)
        framed[:, :2], framed[:, :, :2] = self._outside, self._outside
        responses = []
        # one after the other they stay in the processor's cache
        for frame in frames:
            framed[0, 2:, 2:] = frame
            responses.append(F.conv2d(framed.permute(0, 3, 1, 2), self._weight, self._bias, 4))
        return torch.cat(responses) if len(responses) > 1 else responses[0]


class Stage(nn.Module):
    """Halve the resolution, then one residual convolution."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.down = Convolution(channels, filters, stride=2)
        self.residual = Convolution(filters, filters)
        # the residual branch starts small, so that the network starts shallow
        nn.init.constant_(self.residual.gain, 0.2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.down(x))
        return F.relu_(x + self.residual(x))


class DriverNet(nn.Module):
    """The lane-keeping network.

    ``forward(frames, hidden)`` drives; training uses its parts by themselves.

    Args:
        filters: of the stem and of each of the four stages.
        hidden_size: length of its memory.

    Attributes:
        hidden_size: length of its memory.
    """

    def __init__(self, filters: tuple[int, ...] = (16, 32, 48, 64, 96), hidden_size: int = 256) -> None:
        super().__init__()
        if len(filters) != 5:
            raise ValueError(f"{len(filters)} widths of filters; a driver network has a stem and four stages")
        self.filters = filters
        self.hidden_size = hidden_size
        self.stem = Stem(12, filters[0], stride=2)
        self.stages = nn.ModuleList(Stage(a, b) for a, b in pairwise(filters))
        self.squeeze = Convolution(filters[4], 32, kernel=1)
        self.features = nn.Linear(32 * 4 * 8, hidden_size)
        self.memory = nn.GRUCell(hidden_size, hidden_size)
        self.around: nn.Linear | nn.Identity = nn.Linear(hidden_size, hidden_size)
        self.merge = nn.Linear(2 * hidden_size, hidden_size)
        self.heads: Heads | FusedHeads = Heads(hidden_size)
        # one row of logits a lane line over the columns of the grid, and whether the line is in that row
        self.auxiliary = Convolution(filters[2], 2 * CURVES, kernel=1)

    @classmethod
    def shaped_like(cls, weights: Mapping[str, Tensor]) -> DriverNet:
        """A network of random weights, as wide as one whose ``state_dict`` this is.

        Raises:
            KeyError: it is not that of a driver network.
        """
        stages = sum(name.endswith(".down.weight") for name in weights)
        names = ["stem.weight", *(f"stages.{index}.down.weight" for index in range(stages))]
        return cls(tuple(len(weights[name]) for name in names), len(weights["features.weight"]))

    def initial_hidden(self, size: int) -> Tensor:
        """Memory of someone who has just opened their eyes: ``(size, hidden_size)`` zeros."""
        return self.features.weight.new_zeros(size, self.hidden_size)

    def convolve(self, stem: Tensor) -> tuple[Tensor, Tensor]:
        """All convolutions after the first.

        Args:
            stem: output of the first, ``(N, C, 56, 128)``; overwritten.

        Returns:
            The ``(N, C, 14, 32)`` map that the auxiliary task reads, and the last map, ``(N, 32, 4, 8)``.
        """
        grid = self.stages[1](self.stages[0](F.relu_(stem)))
        return grid, F.relu_(self.squeeze(self.stages[3](self.stages[2](grid))))

    def gather(self, deep: Tensor) -> Tensor:
        """Features ``(N, hidden_size)`` of what one pair of frames shows, from its last map."""
        return F.relu(self.features(deep.flatten(1)))

    def remember(self, features: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """One step of the memory: the output vector ``(N, 343)`` and the new memory."""
        hidden = self.memory(features, hidden)
        merged = F.relu(self.merge(torch.cat([hidden, self.around(features)], 1)))
        return self.heads(merged), hidden

    def forward(self, frames: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Look once.

        Args:
            frames: ``(N, 12, 128, 256)`` packed YUV in [0, 255], the earlier frame first.
            hidden: ``(N, hidden_size)``.

        Returns:
            output ``(N, 343)`` as ``LAYOUT`` says, and the new memory.
        """
        _, deep = self.convolve(self.stem(frames[:, :, SKY_ROWS:]))
        return self.remember(self.gather(deep), hidden)

    def respond(self, frames: Tensor) -> Tensor:
        """What the stem makes of frames by themselves: it is linear, and a frame is the later one, then the earlier.

        Plain convolutions only, see ``fuse``.

        Args:
            frames: ``(N, 6, 112, 256)`` packed YUV in [0, 255] without its sky rows, channels last in memory.

        Returns:
            ``(N, 2 C, 56, 128)``: what it adds to the stem's output as the later frame of a pair, then as the earlier.
        """
        return F.conv2d(frames, *_halves(self.stem), 2, 1)

    def follow(self, before: Tensor, now: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Look once with plain convolutions, see ``fuse``: ``forward`` for two frames that ``respond`` has seen.

        However many worlds look at once, each sees the same to the bit, as long as a machine's convolutions round alike
        for all numbers of pictures from two on: those of oneDNN on x86 do, on one thread or two.

        Args:
            before: ``(N, 2 C, 56, 128)`` of the earlier frame.
            now: of the next one.
            hidden: ``(N, hidden_size)``.
        """
        groups = zip(*(x.split(GROUP) for x in (before, now, hidden)), strict=True)
        seen = [self._follow_few(*group) for group in groups]
        output, memory = (torch.cat(parts) for parts in zip(*seen, strict=True))
        return output, memory

    def _follow_few(self, before: Tensor, now: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        count, filters = len(hidden), now.shape[1] // 2
        grid = self.stages[1](self.stages[0](F.relu_(now[:, :filters] + before[:, filters:])))
        # a single small picture would be convolved by other means, which add in another order, and so round otherwise
        pair = grid if count > 1 else grid.expand(2, -1, -1, -1)
        deep = F.relu_(self.squeeze(self.stages[3](self.stages[2](pair))))[:count]
        # so do matrix products of different sizes
        deep, hidden = (
            torch.cat([x, x[-1:].expand(GROUP - count, *x.shape[1:])]) if count < GROUP else x
            for x in (deep, hidden)
        )
        output, memory = self.remember(self.gather(deep), hidden)
        return output[:count], memory[:count]

    def look(self, before: Tensor, now: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """``follow`` for two frames as ``respond`` takes them."""
        return self.follow(self.respond(before), self.respond(now), hidden)


def parse(output: Tensor) -> Perception:
    """Name what is in an output vector ``(N, 343)``; differentiable."""
    size = len(output)
    lead_distance, lead_log_scale, lead_logit = output[:, LAYOUT.lead].unbind(1)
    root2 = math.sqrt(2)  # standard deviation of a Laplace distribution of scale 1
    return Perception(
        path_y_m=output[:, LAYOUT.path],
        path_std_m=root2 * output[:, LAYOUT.path_log_scale].exp(),
        lane_y_m=output[:, LAYOUT.lanes].view(size, 4, POINTS),
        lane_std_m=root2 * output[:, LAYOUT.lanes_log_scale].exp().view(size, 4, POINTS),
        lane_prob=output[:, LAYOUT.lane_logits].sigmoid(),
        lead_distance_m=lead_distance,
        lead_std_m=root2 * lead_log_scale.exp(),
        lead_prob=lead_logit.sigmoid(),
        pose=output[:, LAYOUT.pose],
    )


def fuse(network: DriverNet) -> DriverNet:
    """The same network for driving: plain convolutions in a layout that suits them, linear layers in a row as one."""
    fused = copy.deepcopy(network)
    for parent in list(fused.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Convolution):
                setattr(parent, name, child.fused())
    # what goes around the memory is linear, and so is what follows
    around, merge = fused.around, fused.merge
    assert isinstance(fused.heads, Heads)
    assert isinstance(around, nn.Linear)
    with torch.no_grad():
        past = merge.weight[:, fused.hidden_size :].double()
        merge.bias.add_(past @ around.bias.double())
        merge.weight[:, fused.hidden_size :] = past @ around.weight.double()
    fused.around = nn.Identity()
    fused.heads = FusedHeads(fused.heads)
    del fused.auxiliary
    return fused.requires_grad_(False).eval()
