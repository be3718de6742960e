"""AnyRes preprocessing: one picture becomes a base tile plus a grid of detail tiles.

This follows the LLaVA-OneVision image processor step by step (PIL bicubic on 8-bit pixels,
centred black padding, row-major tiles), because the server preprocesses the same way and the
model must be trained on exactly what it will be shown.
"""

import math

import numpy as np
from PIL import Image

PATCH = 14
TILE = 56
SIDE = TILE // PATCH
"""Patches along one side of a tile."""

PINPOINTS = [[56, 56], [56, 112], [112, 56]]
"""Allowed tilings as (height, width): a square, a wide and a tall one."""


def select_resolution(height, width):
    """Pick the pinpoint that keeps most pixels of the picture, then wastes fewest of its own."""
    best, best_effective, best_waste = None, -1, math.inf
    for target_height, target_width in PINPOINTS:
        scale = min(target_width / width, target_height / height)
        effective = min(int(width * scale) * int(height * scale), width * height)
        waste = target_width * target_height - effective
        if effective > best_effective or (effective == best_effective and waste < best_waste):
            best, best_effective, best_waste = (target_height, target_width), effective, waste
    return best


def preprocess(picture):
    """Return the uint8 tiles [n, 56, 56, 3] (base tile first) and the chosen (height, width)."""
    width, height = picture.size
    target_height, target_width = select_resolution(height, width)
    if target_width / width < target_height / height:
        new_width = target_width
        new_height = min(math.ceil(height * target_width / width), target_height)
    else:
        new_height = target_height
        new_width = min(math.ceil(width * target_height / height), target_width)
    resized = np.asarray(picture.resize((new_width, new_height), Image.BICUBIC))
    canvas = np.zeros((target_height, target_width, 3), np.uint8)
    top, left = (target_height - new_height) // 2, (target_width - new_width) // 2
    canvas[top : top + new_height, left : left + new_width] = resized
    tiles = [np.asarray(picture.resize((TILE, TILE), Image.BICUBIC))]
    for y in range(0, target_height, TILE):
        for x in range(0, target_width, TILE):
            tiles.append(canvas[y : y + TILE, x : x + TILE])
    return np.stack(tiles), (target_height, target_width)


def unpadded_window(picture_size, grid):
    """Rows and columns (as slices) of the stitched patch grid that hold picture, not padding."""
    width, height = picture_size
    rows, columns = grid[0] // PATCH, grid[1] // PATCH
    if width / height > columns / rows:
        kept = int(round(height * (columns / width), 7))
        pad = (rows - kept) // 2
        return slice(pad, rows - pad), slice(0, columns)
    kept = int(round(width * (rows / height), 7))
    pad = (columns - kept) // 2
    return slice(0, rows), slice(pad, columns - pad)


def token_order(picture_size, grid):
    """How features become the picture's token sequence.

    Each entry indexes the flattened features [tiles * 16] in the order [base, tile 0, ...];
    -1 stands for the learned newline vector that ends every row of the detail view.
    """
    tile_columns = grid[1] // TILE
    rows, columns = unpadded_window(picture_size, grid)
    order = list(range(SIDE * SIDE))
    for row in range(rows.start, rows.stop):
        for column in range(columns.start, columns.stop):
            tile = 1 + (row // SIDE) * tile_columns + column // SIDE
            order.append(tile * SIDE * SIDE + (row % SIDE) * SIDE + column % SIDE)
        order.append(-1)
    return order
