"""Window: pictures on the screen, one after another, for environments that a person looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.errors import MissingExtra

try:
    import pygame
except ModuleNotFoundError as error:
    raise MissingExtra(
        "render_mode 'human' needs pygame-ce, which is not installed: pip install 'dirtyroad[window]'"
    ) from error


class Window:
    """Opens with the first picture and takes its size.

    Args:
        frames_per_s: faster than this no pictures are shown: whoever shows one waits.
    """

    def __init__(self, frames_per_s: float) -> None:
        self._frames_per_s = frames_per_s
        self._clock = pygame.time.Clock()
        self._screen: pygame.Surface | None = None

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Show ``(H, W, 3) uint8 RGB``."""
        height, width = picture.shape[:2]
        if self._screen is None:
            pygame.display.init()
            pygame.display.set_caption("dirtyroad")
            self._screen = pygame.display.set_mode((width, height))
        self._screen.blit(pygame.image.frombuffer(picture.tobytes(), (width, height), "RGB"), (0, 0))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(self._frames_per_s)

    def close(self) -> None:
        """Close it; may be called twice."""
        if self._screen is not None:
            pygame.display.quit()
            self._screen = None
