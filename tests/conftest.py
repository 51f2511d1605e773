"""What every test shares: one thread a worker, fixed seeds, and the data folder where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent

# two workers with two threads each would fight over two cores
torch.set_num_threads(1)

hypothesis.settings.register_profile("dirtyroad", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("dirtyroad")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Layers draw their first weights from the global generators: the same ones in every order of tests."""
    torch.manual_seed(0)


@pytest.fixture
def generator() -> torch.Generator:
    """A seeded source of random tensors."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded source of random arrays."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def data() -> Path:
    """Recorded data used by some tests: ``$DIRTYROAD_DATA``, or ``shared/data`` beside the repository; else skip."""
    folder = Path(os.environ.get("DIRTYROAD_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}; name one with DIRTYROAD_DATA")
    return folder
