"""A CT volume that looks like a chest: made from ellipsoids, not from anybody's body."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

AIR: Final = -1000
"""Hounsfield units."""


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """Centre and half-axes in the unit cube (x to the left, y to the back, z to the head), and its density."""

    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    hounsfield: float


CHEST: Final = (
    Ellipsoid((0.0, 0.0, 0.0), (0.86, 0.60, 1.60), -90),  # fat
    Ellipsoid((0.0, 0.0, 0.0), (0.82, 0.56, 1.55), 45),  # muscle
    Ellipsoid((-0.38, -0.02, 0.05), (0.33, 0.44, 0.85), -830),  # right lung
    Ellipsoid((0.40, -0.02, 0.05), (0.30, 0.43, 0.83), -830),  # left lung
    Ellipsoid((0.10, -0.12, -0.25), (0.25, 0.24, 0.38), 40),  # heart
    Ellipsoid((-0.05, -0.05, 0.35), (0.07, 0.07, 0.80), 55),  # great vessels
    Ellipsoid((0.00, 0.02, 0.55), (0.045, 0.045, 0.60), -980),  # trachea
    Ellipsoid((0.08, 0.26, 0.00), (0.06, 0.06, 1.60), 50),  # descending aorta
    Ellipsoid((0.00, 0.38, 0.00), (0.11, 0.10, 1.60), 320),  # vertebral bodies
    Ellipsoid((0.00, 0.50, 0.00), (0.04, 0.05, 1.60), 450),  # spinous processes
    Ellipsoid((0.00, -0.53, 0.10), (0.10, 0.03, 0.90), 400),  # sternum
    Ellipsoid((-0.40, 0.05, -0.85), (0.42, 0.42, 0.40), 60),  # liver
    Ellipsoid((0.42, 0.10, -0.90), (0.25, 0.25, 0.30), 50),  # spleen
)


def chest(slices: int, size: int = 512, seed: int = 1) -> NDArray[np.int16]:
    """`slices` planes of `size` by `size` Hounsfield units from feet to head, with ribs, vessels and a little noise."""
    dice = np.random.default_rng(seed)
    line = np.linspace(-1, 1, size, dtype=np.float32)
    vessels = [_vessel(dice) for _ in range(60)]
    ribs = _Ribs.in_wall(line)
    volume = np.empty((slices, size, size), np.int16)
    for index, z in enumerate(np.linspace(-0.9, 0.9, slices)):
        plane = np.full((size, size), AIR, np.float32)
        for body in (*CHEST, *vessels):
            _paint(plane, line, z, body)
        ribs.paint(plane, z)
        volume[index] = plane + 12 * dice.standard_normal(plane.shape, np.float32) * (plane > AIR)
    return volume


def _paint(plane: NDArray[np.float32], line: NDArray[np.float32], z: float, body: Ellipsoid) -> None:
    """Only the square around it is looked at: most bodies are small."""
    (cx, cy, cz), (ax, ay, az) = body.centre, body.axes
    height = 1 - ((z - cz) / az) ** 2
    if height <= 0:
        return
    columns = slice(*np.searchsorted(line, (cx - ax, cx + ax)))
    rows = slice(*np.searchsorted(line, (cy - ay, cy + ay)))
    x, y = ((line[columns] - cx) / ax) ** 2, ((line[rows] - cy) / ay) ** 2
    plane[rows, columns][x[np.newaxis, :] + y[:, np.newaxis] < height] = body.hounsfield


@dataclass(frozen=True, slots=True)
class _Ribs:
    """Bright arcs in the wall that wander with height, as ribs that slope do."""

    ring: tuple[NDArray[np.intp], ...]
    """The pixels of the wall, the same on each plane."""
    y: NDArray[np.float32]

    @classmethod
    def in_wall(cls, line: NDArray[np.float32]) -> "_Ribs":
        x, y = (line / 0.76) ** 2, (line / 0.50) ** 2
        ring = np.nonzero(np.abs(np.sqrt(x[np.newaxis, :] + y[:, np.newaxis]) - 1) < 0.05)
        return cls(ring, line[ring[0]])

    def paint(self, plane: NDArray[np.float32], z: float) -> None:
        slope = np.sin(9 * np.pi * (z + 0.25 * self.y)) > 0.35
        plane[self.ring[0][slope], self.ring[1][slope]] = 380


def _vessel(dice: np.random.Generator) -> Ellipsoid:
    side = -0.38 if dice.random() < 0.5 else 0.40
    centre = (side + dice.uniform(-0.2, 0.2), dice.uniform(-0.3, 0.3), dice.uniform(-0.7, 0.8))
    radius = dice.uniform(0.006, 0.02)
    return Ellipsoid(centre, (radius, radius, dice.uniform(0.05, 0.3)), 30)
