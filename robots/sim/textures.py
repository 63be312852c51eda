"""Procedural textures from numpy alone: the same seed gives the same bytes on every machine.

All functions return uint8 RGB images (h, w, 3). Light is summed without shadows in the fast renderer and clips at
one, so surfaces are kept bright and darkness (shelf interiors) is baked into the texture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from robots.types import Float, Image

# The first four of each bank are for training, the others are held out.
WOODS = (
    (176, 128, 84), (206, 172, 128), (122, 84, 56), (214, 206, 194),
    (150, 92, 74), (186, 168, 150), (98, 96, 94), (196, 190, 168),
)  # fmt: skip
WALLS = (
    (216, 212, 204), (198, 208, 214), (222, 210, 190), (188, 198, 184),
    (186, 176, 200), (212, 186, 176), (164, 182, 198), (236, 236, 238),
)  # fmt: skip
FLOORS = (
    (150, 126, 100), (128, 128, 130), (172, 150, 122), (108, 92, 80),
    (96, 104, 112), (186, 178, 166), (136, 92, 72), (84, 88, 76),
)  # fmt: skip


def noise(rng: np.random.Generator, height: int, width: int, cells: tuple[int, int]) -> Float:
    """Return smooth value noise in [0, 1], (h, w), with `cells` random knots down and across."""
    knots = rng.random((cells[0] + 1, cells[1] + 1))
    rows, columns = np.linspace(0, cells[0], height), np.linspace(0, cells[1], width)
    top, left = np.minimum(rows.astype(int), cells[0] - 1), np.minimum(columns.astype(int), cells[1] - 1)
    u = _smooth(rows - top)[:, None]
    v = _smooth(columns - left)[None, :]
    upper = knots[np.ix_(top, left)] * (1 - v) + knots[np.ix_(top, left + 1)] * v
    lower = knots[np.ix_(top + 1, left)] * (1 - v) + knots[np.ix_(top + 1, left + 1)] * v
    return upper * (1 - u) + lower * u


def wood(rng: np.random.Generator, color: tuple[int, ...], height: int = 128, width: int = 256) -> Image:
    """Return wood with its grain along the width."""
    warp = noise(rng, height, width, (6, 3)) * 5.0
    rings = 0.5 + 0.5 * np.sin(np.linspace(0, 9, height)[:, None] * 2.0 + warp * 2.4)
    fibre = noise(rng, height, width, (height // 2, 6))
    shade = 0.86 + 0.12 * rings * noise(rng, height, width, (4, 2)) + 0.10 * (fibre - 0.5)
    return _shaded(color, shade)


def plaster(rng: np.random.Generator, color: tuple[int, ...], size: int = 128) -> Image:
    """Return a slightly mottled wall."""
    shade = 0.94 + 0.06 * noise(rng, size, size, (5, 5)) + 0.03 * (noise(rng, size, size, (60, 60)) - 0.5)
    return _shaded(color, shade)


def planks(rng: np.random.Generator, color: tuple[int, ...], size: int = 256, boards: int = 6) -> Image:
    """Return a floor of wooden boards."""
    image = np.concatenate([wood(rng, color, size // boards, size) for _ in range(boards)])
    tone = np.repeat(rng.uniform(0.85, 1.0, boards), size // boards)[:, None, None]
    image = (image * tone).astype(np.uint8)
    image[:: size // boards] = (image[:: size // boards] * 0.6).astype(np.uint8)
    return image


def pineapple_skin(rng: np.random.Generator, size: int = 64) -> Image:
    """Return the diamond-patterned yellow-brown skin of a pineapple."""
    u, v = np.meshgrid(np.linspace(0, 1, size, endpoint=False), np.linspace(0, 1, size, endpoint=False))
    a, b = (4 * (u + v)) % 1.0 - 0.5, (4 * (u - v)) % 1.0 - 0.5
    edge = np.clip(np.maximum(np.abs(a), np.abs(b)) * 2.0, 0, 1) ** 3
    eye = np.exp(-(a**2 + b**2) / 0.02)
    body, groove = np.array([226.0, 168.0, 52.0]), np.array([126.0, 86.0, 34.0])
    image = body + (groove - body) * edge[..., None] * 0.85 - eye[..., None] * np.array([90.0, 84.0, 20.0])
    return _clip(image * (0.92 + 0.12 * noise(rng, size, size, (8, 8)))[..., None])


def label(rng: np.random.Generator, size: int = 48) -> Image:
    """Return a white label with a coloured band and lines of mock print, tinted by the object's own colour."""
    image = np.full((size, size, 3), 235.0)
    top = int(rng.integers(4, size // 3))
    image[top : top + size // 4] = rng.uniform(60, 240, 3)
    for row in range(size // 2 + 2, size - 6, 5):
        end = int(rng.integers(size // 2, size - 4))
        image[row : row + 2, 5:end] *= 0.45
    return _clip(image * (0.96 + 0.06 * noise(rng, size, size, (6, 6)))[..., None])


def speckle(rng: np.random.Generator, size: int = 32) -> Image:
    """Return near-white glaze with soft variation: takes its colour from the object's tint."""
    return _clip(np.full((size, size, 3), 240.0) * (0.92 + 0.1 * noise(rng, size, size, (7, 7)))[..., None])


def cube(face: Image) -> NDArray[np.uint8]:
    """Stack a square face six times: MuJoCo's layout of a cube map, (6 h, h, 3)."""
    return np.concatenate([face] * 6)


def shade_depth(image: Image, *, back: float) -> Image:
    """Darken towards the image's last column, as the back of a shelf lies in shadow."""
    ramp = np.linspace(1.0, back, image.shape[1]) ** 1.2
    return _clip(image * ramp[None, :, None])


def shade_shelves(image: Image, edges: tuple[float, ...], *, floor: float = 0.55, reach: float = 0.16) -> Image:
    """Darken a back panel just below each shelf board.

    Args:
        image: The panel, first row at the top.
        edges: Heights of the boards' lower sides as fractions of the panel height from the top.
        floor: Brightness right below a board.
        reach: Fraction of the height over which the shadow fades.
    """
    rows = np.linspace(0, 1, image.shape[0])
    shade = np.full_like(rows, 0.95)
    for edge in edges:
        below = rows >= edge
        shade[below] = np.minimum(0.95, floor + (rows[below] - edge) / reach * (0.95 - floor))
    return _clip(image * shade[:, None, None])


def shade_sides(image: Image, *, corner: float = 0.72, reach: float = 0.22, across: bool = True) -> Image:
    """Darken towards two opposite edges, as the corners of a narrow bay lie in shadow.

    Args:
        image: The surface.
        corner: Brightness at the edges.
        reach: Fraction of the length over which the shadow fades.
        across: Darken the first and last columns; otherwise the first and last rows.
    """
    count = image.shape[1] if across else image.shape[0]
    inward = np.minimum(np.linspace(0, 1, count), np.linspace(1, 0, count)) / reach
    ramp = corner + (1.0 - corner) * np.minimum(inward, 1.0) ** 0.7
    return _clip(image * (ramp[None, :, None] if across else ramp[:, None, None]))


def framed(image: Image, *, border: float = 0.13) -> Image:
    """Return a panel door: rails around a panel that lies a little deeper, with a bevel between them.

    Args:
        image: The wood.
        border: Width of the rails, as a share of the shorter side.
    """
    rows, columns = np.indices(image.shape[:2])
    height, width = image.shape[:2]
    edge = np.minimum(np.minimum(rows, height - 1 - rows), np.minimum(columns, width - 1 - columns)) / min(
        height, width
    )
    shade = np.where(edge < border, 1.0, 0.90)
    shade[edge < 0.015] = 0.62
    bevel = np.abs(edge - border) < 0.02
    lit = (rows > height / 2) | (columns > width / 2)
    shade[bevel] = np.where(lit, 1.02, 0.66)[bevel]
    return _clip(image * shade[..., None])


def woven(rng: np.random.Generator, color: tuple[int, ...], size: int = 128) -> Image:
    """Return a coarse woven fabric, as a folding screen is covered with."""
    u = np.sin(np.linspace(0, 40 * np.pi, size))
    weave = np.where(np.add.outer(u, u) > 0, u[:, None], u[None, :])
    shade = 0.86 + 0.08 * weave + 0.10 * (noise(rng, size, size, (9, 9)) - 0.5)
    return _shaded(color, shade)


def _shaded(color: tuple[int, ...], shade: Float) -> Image:
    return _clip(np.array(color, dtype=float) * shade[..., None])


def _clip(image: NDArray[np.generic]) -> Image:
    return np.clip(image, 0, 255).astype(np.uint8)


def _smooth(t: Float) -> Float:
    return t * t * (3 - 2 * t)
