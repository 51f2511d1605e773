"""The map from a layer's cells to a picture's pixels as a sparse matrix.

At a given pose, light and air act linearly on what lies on the road, until the sensor's scale ends; so a pixel gains a
weighted sum of the cells. Bounds and certificates need these weights; gradients come from the renderer itself.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array
from torch import Tensor

from simulator.renderer import Renderer
from simulator.surface.layer import SurfaceLayer
from simulator.world import VehicleState


@torch.no_grad()
def patch_operator(
    renderer: Renderer, layer: SurfaceLayer, state: VehicleState, s_m: Tensor
) -> list[csr_array]:
    """Weights of a one-channel layer's cells in every pixel.

    Before the sensor's noise and clamp, a picture with the layer is the picture without plus ``W @ cells``.

    Args:
        renderer: whose camera looks.
        layer: what lies on the road, without ``keep``; of ``add`` only the shape matters.
        state: the cars, N of them.
        s_m: ``(N,)`` where they are along their roads.

    Returns:
        N sparse matrices ``(3 * H * W, rows * columns)``, pixels ordered by channel, row, column.
    """
    rays, ground, index = renderer.look(state, s_m)
    _, light = renderer.illuminate(rays, index)
    height, width = renderer.camera.height, renderer.camera.width
    rows, columns = layer.add.shape[2:]
    means = layer.ripmap.means(rows, columns)
    operators = []
    for i in range(len(state)):
        found = renderer.locate(layer, ground, i)
        pixel, weight = torch.zeros(2, 0, dtype=torch.long), torch.zeros(0, dtype=renderer.dtype)
        if found is not None:
            near, x, y = found
            texel, share = layer.ripmap.taps(x.flatten(), y.flatten())
            first = (rays.first_ground + near.start) * width
            place = (first + torch.arange(x.numel()))[:, None].expand(-1, 4).flatten()
            factor = light[i, :, near].expand(-1, -1, width).reshape(3, -1, 1)
            pixel = torch.cat(
                [torch.stack([c * height * width + place, texel.flatten()]) for c in range(3)], 1
            )
            weight = torch.cat([(share * factor[c]).flatten() for c in range(3)])
        shape = 3 * height * width, means.shape[0]
        look_up = coo_array((weight.numpy(), tuple(np.asarray(pixel))), shape).tocsr()
        operators.append(csr_array(look_up @ means))
    return operators
