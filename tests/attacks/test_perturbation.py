"""A patch comes back from its image as it was, and what is no patch is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import torch

from attacks.perturbation import IMAGE, PLACEMENT, RoadPatch
from simulator.world import InvalidInput


@pytest.fixture
def patch(generator: torch.Generator) -> RoadPatch:
    cells = (0.4 * torch.rand(12, 5, generator=generator) * 255).round() / 255
    return RoadPatch(cells, 37.5, -0.2, 12.0, 2.5, 0.4).as_printed()


def test_round_trip(patch: RoadPatch, tmp_path: Path) -> None:
    patch.save(tmp_path)
    again = RoadPatch.load(tmp_path)
    assert torch.equal(again.cells, patch.cells)
    assert (again.s_m, again.d_m, again.length_m, again.width_m) == (37.5, -0.2, 12.0, 2.5)


def test_printing_changes_nothing_that_can_be_seen(patch: RoadPatch) -> None:
    cells = torch.linspace(-0.4, 0.6, 60).view(12, 5)
    printed = RoadPatch(cells, 0.0, 0.0, 1.0, 1.0, 0.4).as_printed().cells
    assert float((printed - cells).abs().max()) < 1e-5


def test_the_picture_is_what_one_sees_looking_ahead(tmp_path: Path) -> None:
    cells = torch.zeros(4, 3)
    cells[3, 0] = 0.5
    RoadPatch(cells, 0.0, 0.0, 4.0, 3.0, 0.25).save(tmp_path)
    picture = cv2.imread(str(tmp_path / IMAGE), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (4, 3)
    assert picture.argmax() == 0  # far and left: the top left corner
    assert int(picture[2, 2]) == round(0.25 * 65535)


def test_pictures_of_eight_bits_will_do(patch: RoadPatch, tmp_path: Path) -> None:
    patch.save(tmp_path)
    cv2.imwrite(
        str(tmp_path / IMAGE), (cv2.imread(str(tmp_path / IMAGE), cv2.IMREAD_UNCHANGED) / 257).astype("uint8")
    )
    assert float((RoadPatch.load(tmp_path).cells - patch.cells).abs().max()) < 1 / 255


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        (IMAGE, b"no picture", "no grey picture"),
        (PLACEMENT, b"{}", "does not say where"),
        (PLACEMENT, b"[1", "does not say where"),
        (PLACEMENT, b'{"near_edge_s_m": 1, "middle_d_m": 0, "length_m": -1, "width_m": 1, "road_brightness": 0}',
         "must be positive"),
    ],
)  # fmt: skip
def test_what_is_no_patch_is_refused(
    patch: RoadPatch, tmp_path: Path, name: str, content: bytes, word: str
) -> None:
    patch.save(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=word):
        RoadPatch.load(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no grey picture"):
        RoadPatch.load(tmp_path)
