"""Stage 1a: teach the vision tower to see, with dense labels on every patch.

A linear head predicts kind, colour, shape, digits and bar height of whatever a patch shows.
This stands in for "start from a pre-trained SigLIP" and is many times cheaper than learning to
see through the language model's loss.

    python vision_pretrain.py --run RUN [--steps N]
"""

import argparse
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import training
from anyres import preprocess
from model import VISION_HIDDEN, VisionTower, initialise
from scenes import FIELD_SIZES, FIELDS, draw, patch_labels, random_scene

SEED = 1000
PICTURES_PER_STEP = 24
PEAK_RATE = 2e-3


class DenseHead(nn.Module):
    """One linear map from a patch's feature to the logits of all label fields."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(VISION_HIDDEN)
        self.linear = nn.Linear(VISION_HIDDEN, sum(FIELD_SIZES))

    def forward(self, x):
        return self.linear(self.norm(x)).split(FIELD_SIZES, -1)


def batch(rng, pictures):
    """Tiles and their patch labels of fresh random pictures."""
    tiles, labels = [], []
    for _ in range(pictures):
        scene = random_scene(rng)
        tiles.append(preprocess(draw(scene, rng))[0])
        labels.append(patch_labels(scene))
    return torch.from_numpy(np.concatenate(tiles)), torch.from_numpy(np.concatenate(labels))


def loss_and_accuracy(tower, head, tiles, labels):
    """Mean loss over the fields, and accuracy per field where the field applies."""
    outputs = head(tower(tiles).flatten(0, 1))
    loss, accuracy = 0.0, {}
    for i, name in enumerate(FIELDS):
        target = labels[:, i]
        # Empty background is a class of its own for "kind" only.
        chosen = target >= 0 if name == "kind" else target > 0
        if chosen.any():
            logits, target = outputs[i][chosen], target[chosen]
            loss = loss + F.cross_entropy(logits, target)
            accuracy[name] = (logits.argmax(-1) == target).float().mean().item()
    return loss, accuracy


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", required=True)
    parser.add_argument("--steps", type=int, default=14000)
    arguments = parser.parse_args()
    path = Path(arguments.run) / "vision.pt"

    training.start(SEED)
    tower, head = VisionTower(), DenseHead()
    tower.apply(initialise)
    parameters = [*tower.parameters(), *head.parameters()]
    optimiser = training.Optimiser([(parameters, 1.0, False)])
    step = 0
    if state := training.load(path):
        tower.load_state_dict(state["tower"])
        head.load_state_dict(state["head"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]
    log = training.Log(arguments.run, "vision")
    held_out = batch(random.Random(SEED - 1), 128)
    while step < arguments.steps:
        # Seeding by step makes a resumed run see the pictures it would have seen.
        tiles, labels = batch(random.Random(SEED + step), PICTURES_PER_STEP)
        loss, _ = loss_and_accuracy(tower, head, tiles, labels)
        loss.backward()
        training.update(optimiser, parameters, training.schedule(step, arguments.steps, PEAK_RATE))
        step += 1
        if step % 250 == 0 or step == arguments.steps:
            with torch.no_grad():
                held_out_loss, accuracy = loss_and_accuracy(tower, head, *held_out)
            log(step=step, loss=round(held_out_loss.item(), 4),
                **{name: round(value, 3) for name, value in accuracy.items()})
            training.save(path, {"tower": tower.state_dict(), "head": head.state_dict(),
                                 "optimiser": optimiser.state_dict(), "step": step})


if __name__ == "__main__":
    main()
