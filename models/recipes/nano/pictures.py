"""From scene plans to the decoder's picture embeddings, through the real vision tower."""

import random

import numpy as np
import torch

from anyres import preprocess, token_order
from scenes import draw


def draw_batch(scenes, rng):
    """Draw and preprocess scenes: all tiles in one array, tiles per picture, token orders."""
    tiles, counts, orders = [], [], []
    for scene in scenes:
        picture = draw(scene, rng)
        picture_tiles, grid = preprocess(picture)
        tiles.append(picture_tiles)
        counts.append(len(picture_tiles))
        orders.append(token_order(picture.size, grid))
    return torch.from_numpy(np.concatenate(tiles)), counts, orders


def embed(model, drawn):
    """Packed embeddings per picture of a drawn batch."""
    tiles, counts, orders = drawn
    features = model.vision_tower.vision_model(tiles).split(counts)
    return model.embed_pictures(features, orders)


def held_out_pictures(model):
    """scenes -> embeddings, drawing each scene the same way every time."""

    def embed_scenes(scenes):
        return embed(model, draw_batch(scenes, random.Random(len(scenes))))

    return embed_scenes
