"""A picture of an attack: what the driver sees without and with it, and both ways from above.

From above the lane is straightened: along the road to the right, lateral positions upwards, and these enlarged.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from scenarios.reports.mosaic import label
from simulator.camera import Camera
from simulator.overlay import draw_sight
from simulator.recording import Recording
from simulator.world import InvalidInput

Image = NDArray[np.uint8]
Color = tuple[int, int, int]

CLEAN_COLOR: Color = (40, 214, 170)
ATTACKED_COLOR: Color = (255, 84, 72)
_PAINT: Color = (226, 226, 224)
_ASPHALT, _VERGE = 84, (66, 84, 62)

BEHIND_M = 5.0
"""Of the road is shown before where the car is at time zero."""

HALF_WIDTH_M = 6.0
"""Of the road is shown to either side of the lane's middle."""

ABOVE_PX = 240
"""Height of the view from above."""

_SUBPIXEL = 4


def draw_attack(clean: Recording, attacked: Recording, camera: Camera, at_s: float) -> Image:
    """Draw an attacked drive beside one without the attack.

    Args:
        clean: of the same scenario without its attack.
        attacked: with it.
        camera: whose frames are recorded in both.
        at_s: after time zero, when the two look at the road.

    Returns:
        ``(H, W, 3) uint8 RGB``: clean on the left, attacked on the right, both ways below.

    Raises:
        InvalidInput: one of the drives has no such moment.
    """
    moment_s = float(attacked.meta["time_zero_s"]) + at_s
    words = f"{at_s:.2f} s after time zero"
    sights = [
        label(_sight(recording, camera, moment_s), f"{name}, {words}", good)
        for recording, name, good in ((clean, "clean", True), (attacked, "attacked", False))
    ]
    side = np.hstack(sights)
    above = label(_from_above(clean, attacked, side.shape[1]), "from above: clean green, attacked red", True)
    return np.vstack([side, above])


def _sight(recording: Recording, camera: Camera, moment_s: float) -> Image:
    images = recording.images[f"frames/{camera.name}"]
    index = int(np.argmin(np.abs(images.time_s - moment_s)))
    if abs(float(images.time_s[index]) - moment_s) > 0.03:
        raise InvalidInput(
            f"--at: {recording.meta['scenario']} has no frame at {moment_s:.2f} s; give an earlier one"
        )
    path, lanes, prob = (
        recording[f"perception/{name}"][index] for name in ("path_y_m", "lane_y_m", "lane_prob")
    )
    return draw_sight(images[index], camera, path, lanes, prob)


def _from_above(clean: Recording, attacked: Recording, width_px: int) -> Image:
    """Marks, patch and both ways over the straightened lane."""
    time_s = attacked.channels["truth/s_m"].time_s
    assert time_s is not None
    zero = int(np.argmin(np.abs(time_s - float(attacked.meta["time_zero_s"]))))
    first_m = float(attacked["truth/s_m"][zero]) - BEHIND_M
    last_m = max(float(attacked["truth/s_m"][-1]), float(attacked["patch/place_m"][[0, 2]].sum()))
    scale = np.array([width_px / (last_m - first_m), 0.5 * ABOVE_PX / HALF_WIDTH_M])

    def pixels(s_m: NDArray[np.float64], d_m: NDArray[np.float64]) -> NDArray[np.int32]:
        points = np.stack([s_m - first_m, HALF_WIDTH_M - np.clip(d_m, -1e3, 1e3)], 1) * scale
        return np.asarray((points * 2**_SUBPIXEL).round(), np.int32)

    picture = np.full((ABOVE_PX, width_px, 3), _VERGE, np.uint8)
    s_m, lanes = attacked["road/s_m"], attacked["road/lanes_m"].astype(np.float64)
    shown = (s_m >= first_m - 1.0) & (s_m <= last_m + 1.0)
    edges = np.nanmax(lanes, (0, 1))[shown], np.nanmin(lanes, (0, 1))[shown]
    outline = np.concatenate([pixels(s_m[shown], edges[0]), pixels(s_m[shown], edges[1])[::-1]])
    cv2.fillPoly(picture, [outline], (_ASPHALT,) * 3, cv2.LINE_8, _SUBPIXEL)
    _lay_patch(picture, attacked, first_m, scale)
    for facts, offset_m in zip(
        attacked.meta["marks"], attacked["road/marks_m"].astype(np.float64), strict=True
    ):
        painted = shown & np.isfinite(offset_m) & (facts["kind"] != "none")
        if facts["kind"] == "broken":
            painted &= np.mod(s_m, facts["dash_m"] + facts["gap_m"]) < facts["dash_m"]
        for run in np.split(
            np.flatnonzero(painted), np.flatnonzero(np.diff(np.flatnonzero(painted)) > 1) + 1
        ):
            if len(run) > 1:
                cv2.polylines(
                    picture, [pixels(s_m[run], offset_m[run])], False, _PAINT, 2, cv2.LINE_AA, _SUBPIXEL
                )
    for recording, color, thick in ((attacked, ATTACKED_COLOR, 5), (clean, CLEAN_COLOR, 2)):
        way = pixels(recording["truth/s_m"], recording["truth/offset_m"])
        cv2.polylines(picture, [way], False, color, thick, cv2.LINE_AA, _SUBPIXEL)
    return picture


def _lay_patch(picture: Image, attacked: Recording, first_m: float, scale: NDArray[np.float64]) -> None:
    """Brighten the asphalt where the patch lies, in place."""
    begin_m, middle_m, length_m, width_m = (float(number) for number in attacked["patch/place_m"])
    corner = (
        (np.array([begin_m - first_m, HALF_WIDTH_M - middle_m - 0.5 * width_m]) * scale).round().astype(int)
    )
    size = (np.array([length_m, width_m]) * scale).round().astype(int)
    # a row of the picture is a column of the patch: left is up, and along the road is to the right
    cells = cv2.resize(
        attacked["patch/brightness"].T.astype(np.float32), tuple(size.tolist()), interpolation=cv2.INTER_AREA
    )
    left, top = np.maximum(corner, 0)
    right, bottom = np.minimum(corner + size, picture.shape[1::-1])
    part = cells[top - corner[1] : bottom - corner[1], left - corner[0] : right - corner[0], None]
    below = picture[top:bottom, left:right].astype(np.float32)
    picture[top:bottom, left:right] = np.clip(below + 255 * part, 0, 255).astype(np.uint8)
