"""Stage 2: fit the projector so that the real tower speaks the decoder's symbolic language.

Tower and decoder stay as they are; the projector learns by plain regression to map a patch's
feature to the sum of label embeddings the decoder was pre-trained on. A minute or two of this
replaces a long joint warm-up.

    python projector_align.py --run RUN [--steps N]
"""

import argparse
import random
from pathlib import Path

import torch

import training
from decoder_pretrain import SymbolicVision
from model import Nano
from vision_pretrain import batch

SEED = 3000
PICTURES_PER_STEP = 24
PEAK_RATE = 3e-3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=800)
    arguments = parser.parse_args()
    path = arguments.run / "projector.pt"
    if path.exists():
        return

    training.start(SEED)
    model, symbolic = Nano(), SymbolicVision()
    model.vision_tower.vision_model.load_state_dict(training.load(arguments.run / "vision.pt")["tower"])
    pretrained = training.load(arguments.run / "decoder.pt")
    model.language_model.load_state_dict(pretrained["decoder"])
    symbolic.load_state_dict(pretrained["symbolic"])
    model.image_newline.data.copy_(symbolic.newline().detach())

    projector = model.multi_modal_projector
    parameters = list(projector.parameters())
    optimiser = training.Optimiser([(parameters, 1.0, False)])
    log = training.Log(arguments.run, "projector")
    for step in range(arguments.steps):
        tiles, labels = batch(random.Random(SEED + step), PICTURES_PER_STEP)
        with torch.no_grad():
            features = model.vision_tower.vision_model(tiles).flatten(0, 1)
            targets = symbolic(labels)
        # Relative error, because the symbolic embeddings are small.
        loss = (projector(features) - targets).square().mean() / targets.square().mean()
        loss.backward()
        training.update(optimiser, parameters, training.schedule(step, arguments.steps, PEAK_RATE))
        if (step + 1) % 100 == 0:
            log(step=step + 1, relative_error=round(loss.item(), 4))
    training.save(path, {"model": model.state_dict()})


if __name__ == "__main__":
    main()
