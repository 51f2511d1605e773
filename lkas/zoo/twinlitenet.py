"""TwinLiteNet: a small published network that segments drivable area and lane lines in a camera frame.

Architecture after Che et al., "TwinLiteNet: An Efficient and Lightweight Model for Driveable Area and Lane
Segmentation in Self-Driving Cars" (MAPR 2023): the encoder of ESPNet-C (Mehta et al., ECCV 2018) down to an
eighth of the frame, position and channel attention in parallel (Fu et al., "Dual Attention Network for Scene
Segmentation", CVPR 2019), two decoders. Module names follow the published weights, so that their state dict
loads strictly. The weights are not part of this project; give the path of the authors' ``best.pth``.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from simulator.world import InvalidInput

TRAINED_SIZE = (360, 640)
"""Height and width of the frames that the published weights were trained on."""

BATCH_NORM_EPS = 1e-3
DILATIONS = (1, 2, 4, 8, 16)
NEGLIGIBLE = 1e-20


class Conv(nn.Module):
    """A bias-free convolution that keeps the frame size, up to its stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class NormAct(nn.Module):
    """Batch normalisation and a PReLU with one slope a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS)
        self.act = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class ConvNormAct(NormAct):
    """Convolution, batch normalisation, PReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(outputs)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.conv(x))


class Up(NormAct):
    """Doubles the frame size by a transposed convolution, then batch normalisation and PReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(outputs)
        self.deconv = nn.ConvTranspose2d(inputs, outputs, 2, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.deconv(x))


class SpatialPyramid(nn.Module):
    """ESPNet's module: reduce the channels, look at five dilations, add coarse upon fine, concatenate.

    The running sums (hierarchical feature fusion) remove the gridding that dilated kernels leave. The narrow
    branches have a fifth of the output channels, and the undilated one takes what remains.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        narrow = outputs // 5
        self.c1 = Conv(inputs, narrow, kernel, stride)
        for dilation in DILATIONS:
            width = outputs - 4 * narrow if dilation == 1 else narrow
            setattr(self, f"d{dilation}", Conv(narrow, width, 3, dilation=dilation))

    def pyramid(self, x: Tensor) -> Tensor:
        """The concatenated branches, before normalisation."""
        reduced = self.c1(x)
        undilated, *dilated = (getattr(self, f"d{dilation}")(reduced) for dilation in DILATIONS)
        sums = [dilated[0]]
        for branch in dilated[1:]:
            sums.append(sums[-1] + branch)
        return torch.cat([undilated, *sums], dim=1)


class DownSampler(SpatialPyramid):
    """A spatial pyramid that halves the frame size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, kernel=3, stride=2)
        self.bn = nn.BatchNorm2d(outputs, eps=BATCH_NORM_EPS)
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.pyramid(x)))


class ResidualPyramid(SpatialPyramid):
    """A spatial pyramid added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, kernel=1, stride=1)
        self.bn = NormAct(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(x + self.pyramid(x))


class PositionAttention(nn.Module):
    """Every place looks at every other place (DANet's PAM)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query_conv = nn.Conv2d(channels, channels // 8, 1)
        self.key_conv = nn.Conv2d(channels, channels // 8, 1)
        self.value_conv = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv)
        )  # (N, C, places)
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=-1)  # (N, looking place, seen place)
        return x + self.gamma * (value @ weights.transpose(1, 2)).view_as(x)


class ChannelAttention(nn.Module):
    """Every channel looks at the channels least like it (DANet's CAM)."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        likeness = flat @ flat.transpose(1, 2)
        weights = torch.softmax(-likeness, dim=-1)  # DANet writes max - likeness: the same softmax
        return x + self.gamma * (weights @ flat).view_as(x)


class Encoder(nn.Module):
    """ESPNet-C with attention: a frame to 32 features at an eighth of its size."""

    def __init__(self) -> None:
        super().__init__()
        self.level1 = ConvNormAct(3, 16, 3, stride=2)
        self.b1 = ConvNormAct(19, 19, 3)
        self.level2_0 = DownSampler(19, 64)
        self.level2 = nn.ModuleList(ResidualPyramid(64) for _ in range(2))
        self.b2 = ConvNormAct(131, 131, 3)
        self.level3_0 = DownSampler(131, 128)
        self.level3 = nn.ModuleList(ResidualPyramid(128) for _ in range(3))
        self.b3 = ConvNormAct(256, 32, 3)
        self.sa, self.sc = PositionAttention(32), ChannelAttention()
        self.conv_sa, self.conv_sc = ConvNormAct(32, 32, 3), ConvNormAct(32, 32, 3)
        self.classifier = ConvNormAct(32, 32, 1)

    def forward(self, x: Tensor) -> Tensor:
        half = functional.avg_pool2d(x, 3, stride=2, padding=1)
        quarter = functional.avg_pool2d(half, 3, stride=2, padding=1)
        features = self.b1(torch.cat([self.level1(x), half], dim=1))
        entry = features = self.level2_0(features)
        for block in self.level2:
            features = block(features)
        features = self.b2(torch.cat([features, entry, quarter], dim=1))
        entry = features = self.level3_0(features)
        for block in self.level3:
            features = block(features)
        features = self.b3(torch.cat([entry, features], dim=1))
        return self.classifier(self.conv_sa(self.sa(features)) + self.conv_sc(self.sc(features)))


class TwinLiteNet(nn.Module):
    """Frame to two pairs of logits, (background, drivable area) and (background, lane line).

    Args:
        input_size: height and width, divisible by 8, to which `probabilities` brings frames. Half of what it was
            trained on takes a quarter of the time, and shows lines about half as far.
    """

    def __init__(self, input_size: tuple[int, int] = TRAINED_SIZE) -> None:
        super().__init__()
        self.input_size = input_size
        self.encoder = Encoder()
        self.up_1_1, self.up_2_1, self.classifier_1 = Up(32, 16), Up(16, 8), Up(8, 2)
        self.up_1_2, self.up_2_2, self.classifier_2 = Up(32, 16), Up(16, 8), Up(8, 2)

    @classmethod
    def load(cls, path: str | Path, input_size: tuple[int, int] = TRAINED_SIZE) -> TwinLiteNet:
        """The network with the authors' weights, in evaluation mode.

        Training let many channels decay to denormal numbers, which a CPU computes some forty times slower.
        Weights below ``NEGLIGIBLE`` are set to zero; the output stays the same.

        Args:
            path: a state dict, as the authors publish it (names may be prefixed ``module.``).
            input_size: see `TwinLiteNet`.

        Raises:
            InvalidInput: there is no such file, or it holds something else.
        """
        path = Path(path)
        if not path.is_file():
            raise InvalidInput(f"{path}: no such file; give the path of TwinLiteNet's published best.pth")
        network = cls(input_size)
        try:
            weights = torch.load(path, map_location="cpu", weights_only=True)
            network.load_state_dict({name.removeprefix("module."): value for name, value in weights.items()})
        except Exception as error:  # the unpickler raises many types, all of which mean: not this file
            why = str(error).strip().split("\n")[0]
            raise InvalidInput(
                f"{path}: not a state dict of TwinLiteNet ({why}); give the authors' best.pth"
            ) from error
        for value in network.state_dict().values():
            if value.is_floating_point():
                value[value.abs() < NEGLIGIBLE] = 0.0
        return network.eval()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Segment frames.

        Args:
            x: ``(N, 3, H, W) float in [0, 1]``, RGB, H and W divisible by 8; trained at 360 x 640.

        Returns:
            Drivable-area and lane-line logits, each ``(N, 2, H, W)``, background first.
        """
        features = self.encoder(x)
        drivable = self.classifier_1(self.up_2_1(self.up_1_1(features)))
        lane = self.classifier_2(self.up_2_2(self.up_1_2(features)))
        return drivable, lane

    def probabilities(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Segment frames of any size: brought to ``input_size``, whatever their aspect ratio, and back.

        Args:
            frames: ``(N, H, W, 3) uint8 RGB``, or ``(N, 3, H, W) float in [0, 1] RGB`` (differentiable).

        Returns:
            Probability of drivable area and of lane line, each ``(N, H, W)`` in [0, 1].
        """
        if frames.dtype == torch.uint8:
            frames = frames.permute(0, 3, 1, 2).float() / 255
        size = tuple(frames.shape[-2:])
        seen = functional.interpolate(
            frames, self.input_size, mode="bilinear", align_corners=False, antialias=True
        )
        drivable, lane = (torch.softmax(logits, dim=1)[:, 1:] for logits in self(seen))
        drivable, lane = (
            functional.interpolate(seen, size, mode="bilinear", align_corners=False)[:, 0]
            for seen in (drivable, lane)
        )
        return drivable, lane
