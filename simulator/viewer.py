"""Viewer: a recording in Rerun: what the camera saw and the driver believed, the road from above, and plots.

Every call of Rerun's stands here, for its names change often. Nothing is served by this process: a recording goes into
a file, which a viewer opens, or instant by instant to a viewer that is running.

Convention: ``world`` is the road's frame (ISO 8855, x and y in metres, z up), ``world/car`` that of the rear axle.
Times are seconds of the simulation.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from simulator import overlay, sketch
from simulator.camera import CAMERAS, Camera
from simulator.errors import InvalidInput, MissingExtra
from simulator.recording import Recording, encode_jpeg
from simulator.roads.ahead import CAMERA_FOOT_M

try:
    import rerun as rr
    import rerun.blueprint as rrb
except ModuleNotFoundError as error:
    raise MissingExtra(
        f"the viewer needs {error.name}, which is not installed: pip install 'dirtyroad[viewer]'"
    ) from error

Array = NDArray[Any]
Color = tuple[int, int, int]

TIMELINE = "time"
TRAIL_POINTS = 80
WIDEST_PX, JPEG_QUALITY = 640, 75
"""Of pictures: 20 s of them stay below 15 MB."""

GATHERED = 10
"""So many instants of a live drive are sent together: one by one they would take up twice the space."""

FLUSH_S = 10.0
"""How long a viewer may take for the last of a live stream."""

DRIVEN: Color = (232, 92, 80)
CLEAN: Color = (90, 160, 240)
BELIEVED: Color = overlay.PATH_COLOR
LINES: Color = overlay.LANE_COLOR
PATCH: Color = (255, 80, 220)
LIMIT: Color = (150, 150, 150)
ASPHALT: Color = (72, 72, 72)
PAINT: Color = (226, 226, 226)
MARK_WIDTH_M = 0.12
CAR_HEIGHT_M = 1.4


def save(recording: Recording, path: Path, car_width_m: float) -> None:
    """Write a recording as a file of the viewer's (``.rrd``).

    Args:
        recording: of one drive.
        path: the file.
        car_width_m: of the car whose wheels must stay in the lane.

    Raises:
        InvalidInput: the file cannot be written.
    """
    stream = _stream(recording)
    try:
        stream.save(path, default_blueprint=_blueprint(recording))
    except (OSError, RuntimeError) as error:
        raise InvalidInput(f"{path}: cannot be written ({error})") from error
    _Show(stream, recording, car_width_m).add(recording)
    stream.flush()
    stream.disconnect()


class Live:
    """Shows drives while they are driven, each as a recording of its own, in a viewer that is running.

    Args:
        address: ``rerun+http://host:port/proxy``.
        car_width_m: see `save`.
    """

    def __init__(self, address: str, car_width_m: float) -> None:
        self._address = address
        self._car_width_m = car_width_m
        self._shows: dict[int, _Show] = {}
        self._gathered: dict[int, list[Recording]] = {}

    def __call__(self, drive: int, instant: Recording) -> None:
        """Show what has just happened in a drive; ``instant`` holds nothing else of it."""
        if drive not in self._shows:
            stream = _stream(instant)
            stream.connect_grpc(self._address, default_blueprint=_blueprint(instant))
            self._shows[drive], self._gathered[drive] = _Show(stream, instant, self._car_width_m), []
        self._gathered[drive].append(instant)
        if len(self._gathered[drive]) == GATHERED:
            self._send(drive)

    def _send(self, drive: int) -> None:
        show, instants = self._shows[drive], self._gathered[drive]
        for instant in instants:
            show.add(instant)
        instants.clear()
        with suppress(RuntimeError):  # somebody has closed the viewer
            show.stream.flush(timeout_sec=FLUSH_S)

    def close(self) -> None:
        """Send what is left, if the viewer is still there to take it."""
        for drive, show in self._shows.items():
            self._send(drive)
            show.stream.disconnect()


def _stream(recording: Recording) -> rr.RecordingStream:
    by_size = rr.ChunkBatcherConfig.DEFAULT()
    # how much is sent together is decided here, not by how fast a machine drives
    by_size.flush_tick = 3600.0
    stream = rr.RecordingStream("dirtyroad", batcher_config=by_size)
    stream.send_recording_name(f"{recording.meta['scenario']}, seed {recording.meta['seed']}")
    return stream


def _blueprint(recording: Recording) -> rrb.Blueprint:
    """How the viewer opens: the camera, if there is one, and the road from above side by side, plots below."""
    above = rrb.Spatial3DView(
        name="from above",
        origin="/world/car",
        contents="/world/**",
        line_grid=False,
        eye_controls=rrb.EyeControls3D(
            position=(18.0, 0.0, 55.0), look_target=(18.01, 0.0, 0.0), eye_up=(1.0, 0.0, 0.0)
        ),
    )
    sights = []
    if (name := sketch.shown_camera(recording)) is not None:
        camera = _shown(name)
        frame = rrb.VisualBounds2D(x_range=[0, camera.width], y_range=[0, camera.height])
        sights.append(rrb.Spatial2DView(name="camera", origin="/camera", visual_bounds=frame))
    plots = [
        rrb.TimeSeriesView(name=title, origin=f"/plots/{name}")
        for name, title in (
            ("offset", "offset from the lane's middle [m]"),
            ("steering", "steering wheel [rad]"),
            ("lanes", "probability of the lane lines"),
        )
    ]
    return rrb.Blueprint(
        rrb.Vertical(rrb.Horizontal(*sights, above), rrb.Horizontal(*plots), row_shares=[3, 2]),
        rrb.TimePanel(timeline=TIMELINE, state="collapsed"),
        rrb.SelectionPanel(state="hidden"),
        rrb.BlueprintPanel(state="hidden"),
    )


class _Show:
    """One drive in the viewer, told as a whole or instant by instant.

    Args:
        stream: where it is shown.
        recording: any part of the drive; what does not change is taken from it.
        car_width_m: see `save`.
    """

    def __init__(self, stream: rr.RecordingStream, recording: Recording, car_width_m: float) -> None:
        self.stream = stream
        self._car_width_m = car_width_m
        self._outline = sketch.patch_outline(recording)
        self._driven, self._clean = np.empty((0, 3)), np.empty((0, 3))
        self._plotted: set[str] = set()
        _still(stream, recording)

    def add(self, recording: Recording) -> None:
        """Show a part of the drive, which follows the one that was shown before."""
        clean = sketch.clean_way(recording)
        driven = np.stack([recording[f"state/{name}"] for name in ("x_m", "y_m", "yaw_rad")], 1)
        for index, time_s in enumerate(_times(recording, "state/x_m")):
            self.stream.set_time(TIMELINE, duration=float(time_s))
            self._driven = np.vstack([self._driven, driven[index]])
            _car(self.stream, "car", "driven", self._driven, DRIVEN)
            if clean is not None and np.isfinite(clean[index]).all():
                self._clean = np.vstack([self._clean, clean[index]])
                _car(self.stream, "clean_car", "clean", self._clean, CLEAN)
            if index < len(recording["perception/path_y_m"]):
                self._believe(recording, index)
        self._plot(recording)

    def _believe(self, recording: Recording, index: int) -> None:
        """What the driver believes at an instant, on the road and in the picture."""
        belief, camera = sketch.believed(recording, index), sketch.shown_camera(recording)
        _above(self.stream, belief)
        if camera is None:
            return
        _sight(self.stream, recording, index, camera, belief)
        if self._outline is not None:
            border = sketch.in_foot_frame(self._outline, self._driven[-1])
            seen = sketch.in_picture(_shown(camera), border)
            self.stream.log("camera/patch", rr.LineStrips2D([seen], colors=[PATCH], radii=[1.5]))

    def _plot(self, recording: Recording) -> None:
        """Offset, steering and lane probabilities, with their thresholds, and the instant of departure."""
        time_s, offset_m = _times(recording, "truth/offset_m"), recording["truth/offset_m"]
        left_m = recording["truth/lane_left_m"] - 0.5 * self._car_width_m
        right_m = recording["truth/lane_right_m"] + 0.5 * self._car_width_m
        over = np.flatnonzero((offset_m > left_m) | (offset_m < right_m))[:1]
        if "offset/departure" not in self._plotted:
            point = rr.SeriesPoints(colors=[PATCH], markers=["diamond"], marker_sizes=[8.0])
            self._column("offset/departure", point, time_s[over], offset_m[over])
        clean_m = sketch.clean_offset_m(recording)
        if clean_m is not None:
            known = np.isfinite(clean_m)
            self._line("offset/clean", CLEAN, time_s[known], clean_m[known])
        self._line("offset/driven", DRIVEN, time_s, offset_m)
        self._line("offset/left_limit", LIMIT, time_s, left_m)
        self._line("offset/right_limit", LIMIT, time_s, right_m)
        for name, channel, color in (
            ("wheel", "state/steering_rad", DRIVEN),
            ("wanted", "command/steering_rad", CLEAN),
        ):
            self._line(f"steering/{name}", color, _times(recording, channel), recording[channel])
        time_s, prob = _times(recording, "perception/lane_prob"), recording["perception/lane_prob"]
        self._line("lanes/left", LINES, time_s, prob[:, 1])
        self._line("lanes/right", BELIEVED, time_s, prob[:, 2])
        self._line("lanes/threshold", LIMIT, time_s, np.full(len(prob), 0.5))

    def _line(self, plot: str, color: Color, time_s: Array, values: Array) -> None:
        name = plot.partition("/")[2].replace("_", " ")
        self._column(plot, rr.SeriesLines(colors=[color], names=[name]), time_s, values)

    def _column(
        self, plot: str, style: rr.SeriesLines | rr.SeriesPoints, time_s: Array, values: Array
    ) -> None:
        """More of a curve."""
        if not len(values):
            return
        if plot not in self._plotted:
            self._plotted.add(plot)
            self.stream.log(f"plots/{plot}", style, static=True)
        for instant_s, value in zip(time_s, values, strict=True):
            self.stream.set_time(TIMELINE, duration=float(instant_s))
            self.stream.log(f"plots/{plot}", rr.Scalars(float(value)))


def _still(stream: rr.RecordingStream, recording: Recording) -> None:
    """Road, patch, and the shapes of the cars. The patch's brightness is relative to the road's."""
    stream.log("world/road/asphalt", _mesh(sketch.asphalt(recording), 0.0, np.array([ASPHALT])), static=True)
    painted = [_raised(strip, 0.03) for strip in sketch.marks(recording)]
    marks = rr.LineStrips3D(painted, colors=[PAINT], radii=[0.5 * MARK_WIDTH_M])
    stream.log("world/road/marks", marks, static=True)
    patch = sketch.patch(recording)
    if patch is not None:
        grey = np.clip(ASPHALT[0] + 255.0 * recording["patch/brightness"].ravel(), 0, 255).astype(np.uint8)
        stream.log("world/patch", _mesh(patch, 0.02, np.repeat(grey[:, None], 3, 1)), static=True)
    length_m, width_m, behind_m = (
        float(recording.meta[name]) for name in ("length_m", "width_m", "rear_overhang_m")
    )
    for entity, color in (("world/car", DRIVEN), ("world/clean_car", CLEAN)):
        if entity == "world/car" or "benign/offset_m" in recording:
            body = rr.Boxes3D(
                centers=[(0.5 * length_m - behind_m, 0.0, 0.5 * CAR_HEIGHT_M)],
                sizes=[(length_m, width_m, CAR_HEIGHT_M)],
                colors=[color],
            )
            stream.log(f"{entity}/body", body, static=True)


def _car(stream: rr.RecordingStream, car: str, trail: str, way: Array, color: Color) -> None:
    """A car where its way ``(T, 3)`` so far has led it, and that way, in few points."""
    x_m, y_m, yaw_rad = map(float, way[-1])
    rotation = rr.RotationAxisAngle(axis=(0.0, 0.0, 1.0), radians=yaw_rad)
    stream.log(f"world/{car}", rr.Transform3D(translation=(x_m, y_m, 0.0), rotation=rotation))
    picked = np.unique(np.linspace(0, len(way) - 1, min(len(way), TRAIL_POINTS)).astype(int))
    strip = rr.LineStrips3D([_raised(way[picked, :2], 0.06)], colors=[color], radii=[0.08])
    stream.log(f"world/{trail}", strip)


def _above(stream: rr.RecordingStream, belief: sketch.Belief) -> None:
    """The believed path and lane lines on the road, seen from above."""
    foot = np.array([CAMERA_FOOT_M, 0.0])
    path = rr.LineStrips3D([_raised(belief.path + foot, 0.05)], colors=[BELIEVED], radii=[0.1])
    stream.log("world/car/path", path)
    lanes = [_raised(lane + foot, 0.04) for lane in belief.lanes]
    stream.log("world/car/lanes", rr.LineStrips3D(lanes, colors=_faded(belief), radii=[0.06]))


def _sight(
    stream: rr.RecordingStream, recording: Recording, index: int, name: str, belief: sketch.Belief
) -> None:
    """The camera's picture, with the believed path and lane lines over it."""
    camera, images = _shown(name), recording.images[f"frames/{name}"]
    jpeg = images.jpegs[index]
    if camera != CAMERAS[name]:
        half = cv2.resize(images[index], (camera.width, camera.height), interpolation=cv2.INTER_AREA)
        jpeg = encode_jpeg(torch.from_numpy(half), JPEG_QUALITY)
    stream.log("camera/image", rr.EncodedImage(contents=jpeg, media_type="image/jpeg"))
    path = sketch.in_picture(camera, belief.path)
    stream.log("camera/path", rr.LineStrips2D([path], colors=[BELIEVED], radii=[2.0]))
    lanes = [sketch.in_picture(camera, lane) for lane in belief.lanes]
    stream.log("camera/lanes", rr.LineStrips2D(lanes, colors=_faded(belief), radii=[1.5]))


def _times(recording: Recording, channel: str) -> NDArray[np.float64]:
    time_s = recording.channels[channel].time_s
    assert time_s is not None
    return time_s


def _shown(name: str) -> Camera:
    """The camera of the pictures that are shown: they are halved where they would fill the file."""
    camera = CAMERAS[name]
    if camera.width <= WIDEST_PX:
        return camera
    halves = {field: 0.5 * getattr(camera, field) for field in ("fx", "fy", "cx", "cy")}
    return replace(camera, width=camera.width // 2, height=camera.height // 2, **halves)


def _faded(belief: sketch.Belief) -> list[tuple[int, int, int, int]]:
    """Colours of lane lines, the fainter the less probable."""
    return [(*LINES, round(255 * min(max(prob, 0.0), 1.0))) for prob in belief.probabilities]


def _mesh(surface: sketch.Surface, z_m: float, colors: Array) -> rr.Mesh3D:
    return rr.Mesh3D(
        vertex_positions=_raised(surface.points, z_m),
        triangle_indices=surface.triangles,
        vertex_colors=np.broadcast_to(colors, (len(surface.points), 3)).astype(np.uint8),
    )


def _raised(points: Array, z_m: float) -> Array:
    """``(K, 3)`` float32, so far above the road that nothing flickers."""
    return np.column_stack([points, np.full(len(points), z_m)]).astype(np.float32)
