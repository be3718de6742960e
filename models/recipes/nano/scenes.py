"""Random pictures: cards of numbers, cards of shapes, mixed cards and small bar charts.

Everything is placed on a grid of square cells. After preprocessing a cell is 28 x 28 pixels,
that is 2 x 2 patches, so no object straddles a tile: this is what lets a tiny vision tower
learn to read within minutes.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from math import cos, pi, sin
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from anyres import SIDE

# matplotlib ships DejaVu Sans inside its wheel, so the recipe needs no system font.
FONT_FILE = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans-Bold.ttf"

CELL = 112
"""Side of a cell in the drawn picture; preprocessing shrinks it to 28 pixels."""
CELL_PATCHES = 2

COLOURS = {
    "red": (222, 45, 45),
    "blue": (38, 92, 214),
    "green": (38, 160, 72),
    "yellow": (246, 208, 30),
    "purple": (142, 58, 178),
    "orange": (246, 138, 22),
    "black": (30, 30, 34),
}
SHAPE_COLOURS = ["red", "blue", "green", "yellow", "purple", "orange"]
NUMBER_COLOURS = ["red", "blue", "green", "purple", "orange", "black"]
SHAPES = ["circle", "square", "triangle", "star", "heart"]
MAX_BAR = 9

WIDE, SQUARE, TALL = (2, 4), (2, 2), (4, 2)
"""Layouts as (rows, columns) of cells; one per AnyRes pinpoint."""

FIELDS = ["kind", "colour", "shape", "tens", "units", "bar"]
FIELD_SIZES = [5, 8, 6, 12, 11, 10]
"""Sizes of the label vocabularies; 0 always means "not applicable"."""
NONE, NUMBER, SHAPE, BAR, NEWLINE = range(5)


@dataclass
class Item:
    """One object: `value` is a number's or a bar's value, `shape` is set for shapes only."""

    kind: int
    colour: str
    row: int
    column: int
    shape: str = ""
    value: int = 0

    def labels(self):
        """The item as one entry per field (see FIELDS)."""
        labels = [self.kind, 1 + list(COLOURS).index(self.colour), 0, 0, 0, 0]
        if self.kind == SHAPE:
            labels[2] = 1 + SHAPES.index(self.shape)
        elif self.kind == NUMBER:
            labels[3] = 11 if self.value < 10 else 1 + self.value // 10
            labels[4] = 1 + self.value % 10
        else:
            labels[5] = self.value
        return labels


@dataclass
class Scene:
    """Objects in reading order on a grid; `large` marks one object that fills a square picture."""

    layout: tuple
    items: list = field(default_factory=list)
    large: bool = False

    @property
    def numbers(self):
        return [item for item in self.items if item.kind == NUMBER]

    @property
    def shapes(self):
        return [item for item in self.items if item.kind == SHAPE]

    @property
    def bars(self):
        return [item for item in self.items if item.kind == BAR]

    @property
    def size(self):
        """Width and height of the drawn picture."""
        return self.layout[1] * CELL, self.layout[0] * CELL


def random_scene(rng, kind=None):
    """Draw a scene plan: what is where. `rng` is a `random.Random`."""
    kind = kind or rng.choices(["numbers", "shapes", "chart", "mixed"], [45, 28, 17, 10])[0]
    if kind == "chart":
        count = rng.choice([2, 3, 3, 4, 4])
        layout = WIDE if count > 2 or rng.random() < 0.5 else SQUARE
        first = rng.randint(0, layout[1] - count)
        colours = rng.sample(SHAPE_COLOURS, count)
        bars = [
            Item(BAR, colour, 0, first + i, value=rng.randint(1, MAX_BAR))
            for i, colour in enumerate(colours)
        ]
        return Scene(layout, bars)

    layout = rng.choices([WIDE, SQUARE, TALL], [64, 24, 12])[0]
    cells = layout[0] * layout[1]
    count = rng.choices([1, 2, 3, 4, 5], [24, 24, 28, 20, 10 if kind != "numbers" else 0])[0]
    if kind == "mixed":
        count = max(count, 2)
    count = min(count, cells)
    places = sorted(rng.sample(range(cells), count))
    items = []
    for place in places:
        row, column = divmod(place, layout[1])
        if kind == "numbers" or (kind == "mixed" and rng.random() < 0.5):
            value = rng.randint(1, 9) if rng.random() < 0.2 else rng.randint(10, 99)
            items.append(Item(NUMBER, rng.choice(NUMBER_COLOURS), row, column, value=value))
        else:
            items.append(Item(SHAPE, rng.choice(SHAPE_COLOURS), row, column, rng.choice(SHAPES)))
    if rng.random() < 0.5:
        make_colours_distinct(rng, items)
    return Scene(layout, items, large=count == 1 and layout == SQUARE and rng.random() < 0.7)


def make_colours_distinct(rng, items):
    """Give every item its own colour, so that questions like "the red one" have one answer."""
    colours = rng.sample([name for name in SHAPE_COLOURS if name in NUMBER_COLOURS], 5)
    for item, colour in zip(items, colours):
        item.colour = colour


def patch_labels(scene):
    """Labels of every feature [tiles * 16, fields], in the order of `anyres.token_order`.

    In a stretched base tile two digits share about one patch and cannot be read, so their digit
    labels stay 0 there.
    """
    rows, columns = scene.layout
    grid = np.zeros((rows * CELL_PATCHES, columns * CELL_PATCHES, len(FIELDS)), np.int64)
    for item in scene.items:
        top, left = item.row * CELL_PATCHES, item.column * CELL_PATCHES
        if scene.large:
            grid[:, :] = item.labels()
        elif item.kind == BAR:
            grid[:, left : left + CELL_PATCHES] = item.labels()
        else:
            grid[top : top + CELL_PATCHES, left : left + CELL_PATCHES] = item.labels()
    base = grid[:: rows // 2, :: columns // 2].copy()
    if scene.layout != SQUARE:
        base[..., 3:5] = 0
    tiles = [base]
    for y in range(0, grid.shape[0], SIDE):
        for x in range(0, grid.shape[1], SIDE):
            tiles.append(grid[y : y + SIDE, x : x + SIDE])
    return np.concatenate([tile.reshape(-1, len(FIELDS)) for tile in tiles])


@lru_cache(maxsize=None)
def font(size):
    """The one typeface of all pictures, cached by size."""
    return ImageFont.truetype(str(FONT_FILE), size)


def shade(rng, colour):
    """A colour close to the named one, so that colour names cover a small range."""
    return tuple(max(0, min(255, channel + rng.randint(-12, 12))) for channel in COLOURS[colour])


def draw(scene, rng):
    """Draw the scene; placement, size and colours vary a little from picture to picture."""
    width, height = scene.size
    tint = tuple(rng.randint(240, 255) for _ in range(3))
    picture = Image.new("RGB", (width, height), tint)
    pen = ImageDraw.Draw(picture)
    if scene.bars:
        draw_chart(pen, scene, rng)
        return picture
    for item in scene.items:
        scale = 2 if scene.large else 1
        half = CELL * scale / 2
        centre_x = (0 if scene.large else item.column * CELL) + half + rng.randint(-4, 4) * scale
        centre_y = (0 if scene.large else item.row * CELL) + half + rng.randint(-4, 4) * scale
        colour = shade(rng, item.colour)
        if item.kind == NUMBER:
            size = rng.randint(58, 66) * scale
            pen.text((centre_x, centre_y), str(item.value), colour, font(size), anchor="mm")
        else:
            draw_shape(pen, item.shape, centre_x, centre_y, rng.randint(36, 44) * scale, colour)
    return picture


def draw_shape(pen, shape, x, y, r, colour):
    """One filled shape of radius `r` about (x, y)."""
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), colour)
    elif shape == "square":
        side = r * 0.86
        pen.rectangle((x - side, y - side, x + side, y + side), colour)
    elif shape == "triangle":
        pen.polygon([(x, y - r), (x + r, y + r * 0.78), (x - r, y + r * 0.78)], colour)
    elif shape == "star":
        points = []
        for i in range(10):
            reach = r * (1.08 if i % 2 == 0 else 0.44)
            points.append((x + reach * sin(pi * i / 5), y - reach * cos(pi * i / 5)))
        pen.polygon(points, colour)
    else:
        points = []
        for i in range(40):
            t = 2 * pi * i / 40
            across = 16 * sin(t) ** 3
            up = 13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)
            points.append((x + across * r / 16, y - (up + 2.5) * r / 15))
        pen.polygon(points, colour)


def draw_chart(pen, scene, rng):
    """Bars on a common baseline; one unit is 20 pixels here and 5 after preprocessing."""
    width, height = scene.size
    baseline = height - 14
    for level in range(1, 11):
        y = baseline - 20 * level
        pen.line((8, y, width - 8, y), (196, 196, 200) if level % 5 == 0 else (228, 228, 232), 2)
    for item in scene.items:
        centre = item.column * CELL + CELL / 2 + rng.randint(-3, 3)
        half = rng.randint(28, 36)
        top = baseline - 20 * item.value
        pen.rectangle((centre - half, top, centre + half, baseline), shade(rng, item.colour))
    pen.line((8, baseline, width - 8, baseline), (70, 70, 76), 4)
