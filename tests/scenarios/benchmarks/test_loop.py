"""What is timed: places that differ, and last as long as they are driven in."""

from __future__ import annotations

from scenarios.benchmarks.loop import places


def test_every_world_is_another_place() -> None:
    scenes = places(16, 80.0)
    assert all(scene.road.length_m >= 80.0 for scene in scenes)
    for features in (
        [scene.road.curvature_per_m.sum() for scene in scenes],
        [scene.weather for scene in scenes],
        [scene.seed for scene in scenes],
    ):
        assert len(set(features)) == 16
