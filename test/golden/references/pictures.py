"""Small pictures to preprocess: noise (every pixel matters), gradients and drawings (flat areas and edges)."""

import numpy as np
from PIL import Image, ImageDraw


def noise(width, height, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def gradient(width, height):
    x = np.linspace(0, 255, width)[None, :, None]
    y = np.linspace(0, 255, height)[:, None, None]
    pixels = np.concatenate([x + 0 * y, 0 * x + y, (x + y) / 2], axis=2)
    return Image.fromarray(pixels.round().astype(np.uint8))


def drawing(width, height, text):
    """Dark text and shapes on a light ground."""
    picture = Image.new("RGB", (width, height), (250, 246, 230))
    draw = ImageDraw.Draw(picture)
    draw.ellipse([width * 0.1, height * 0.2, width * 0.5, height * 0.9], fill=(200, 30, 60))
    draw.rectangle([width * 0.55, height * 0.1, width * 0.95, height * 0.6], outline=(20, 20, 160), width=3)
    draw.text((4, 2), text, fill=(10, 10, 10))
    return picture
