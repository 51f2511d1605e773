"""A camera of a CarlaWorld, and the one beside it that says where dirt can lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.camera import Camera
from simulator.carla.compositing import Composer
from simulator.carla.ego import Ego, transform_at
from simulator.carla.framing import Framing
from simulator.carla.poses import from_iso
from simulator.carla.session import Inbox, Session
from simulator.scene import Scene
from simulator.surface.layer import SurfaceLayer
from simulator.world import VehicleState

PICTURE, LABELS = "sensor.camera.rgb", "sensor.camera.semantic_segmentation"

PRINCIPAL = ("principal_x", "principal_y")
"""Attributes of cameras that this project's server has and CARLA's does not."""


class Eye:
    """A camera on the car. It takes pictures from when it is made.

    Args:
        session: where the car is.
        ego: the car.
        camera: wanted.
        scene: road and weather, for dirt that is laid into pictures.
        centred: whether the principal point is to be in the middle of what the server sends, come what may.
    """

    def __init__(self, session: Session, ego: Ego, camera: Camera, scene: Scene, centred: bool) -> None:
        self._session, self._ego, self._camera, self._scene = session, ego, camera, scene
        self._library = session.world.get_blueprint_library()
        capable = self._library.find(PICTURE).has_attribute(PRINCIPAL[0])
        self._framing = framing = Framing.of(camera, centred or not capable)
        mount, (pitch, yaw) = camera.mount, framing.turn_rad
        pose = (
            mount.x_m - ego.rear_axle_m, mount.y_m, mount.z_m,
            mount.pitch_rad + pitch, mount.yaw_rad + yaw, mount.roll_rad,
        )  # fmt: skip
        self._place = transform_at(from_iso(pose))
        self._pictures = self._open(PICTURE)
        self._labels: Inbox | None = None
        self._composer: Composer | None = None

    def _open(self, kind: str) -> Inbox:
        """Spawn a camera of a kind and let it send."""
        blueprint, camera = self._library.find(kind), self._camera
        blueprint.set_attribute("image_size_x", str(self._framing.width))
        blueprint.set_attribute("image_size_y", str(self._framing.height))
        blueprint.set_attribute("fov", repr(self._framing.fov_deg))
        if not self._framing.centred:
            for attribute, value in zip(PRINCIPAL, (camera.cx, camera.cy), strict=True):
                blueprint.set_attribute(attribute, repr(value))
        return self._session.listen(self._session.spawn(blueprint, self._place, self._ego.actor))

    def expect_dirt(self) -> None:
        """From the next frame on dirt may be laid into pictures."""
        if self._labels is None:
            self._labels, self._composer = self._open(LABELS), Composer(self._scene, self._camera)

    def look(self, frame: int, state: VehicleState, s_m: Tensor, dirt: Sequence[SurfaceLayer]) -> Tensor:
        """The picture of a frame: ``(1, H, W, 3) uint8 RGB``.

        Args:
            frame: of the server.
            state: of the car.
            s_m: ``(1,)`` where it is along the road.
            dirt: what is to be laid into the picture; ``expect_dirt`` first.
        """
        picture = np.ascontiguousarray(self._crop(self._pictures.of_frame(frame))[..., 2::-1])
        if dirt:
            assert self._labels is not None
            assert self._composer is not None
            tags = np.ascontiguousarray(self._crop(self._labels.of_frame(frame))[..., 2])
            picture = self._composer(picture, state, s_m, dirt, tags)
        return torch.from_numpy(picture)[None]

    def _crop(self, image: Any) -> NDArray[np.uint8]:
        """``(H, W, 4)`` B, G, R, A of what was wanted."""
        whole = np.frombuffer(image.raw_data, np.uint8).reshape(image.height, image.width, 4)
        return self._framing.crop(whole)
