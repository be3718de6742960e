"""Stage 1b, at the same time as stage 1a: teach the decoder its tasks on symbolic pictures.

A symbolic picture has the very token layout of a real one, but each patch is the sum of learned
embeddings of its true labels: what a perfect vision tower would say. Reading order, sums and
wording are learned here at a fraction of the cost, and stage 2 then only has to make the real
tower's projections resemble the symbolic ones.

    python decoder_pretrain.py --run RUN [--steps N]
"""

import argparse
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn

import training
from anyres import token_order
from data import Chat, collate, loss_over, rows_for
from evaluate import quick_scores
from model import HIDDEN, Nano
from scenes import FIELD_SIZES, NEWLINE, patch_labels, random_scene

SEED = 2000
PICTURE_ROWS, TEXT_ROWS = 6, 2
PEAK_RATE = 2e-3


class SymbolicVision(nn.Module):
    """True patch labels -> embeddings in decoder space."""

    def __init__(self):
        super().__init__()
        self.fields = nn.ModuleList(nn.Embedding(size, HIDDEN) for size in FIELD_SIZES)
        for table in self.fields:
            nn.init.normal_(table.weight, std=0.03)

    def forward(self, labels):
        """labels [n, fields] -> [n, hidden]"""
        return sum(table(labels[:, i]) for i, table in enumerate(self.fields))

    def newline(self):
        """The embedding that plays the part of `image_newline`."""
        return self(torch.tensor([[NEWLINE, 0, 0, 0, 0, 0]]))[0]

    def pictures(self, scenes):
        """Packed symbolic embeddings per scene, in the token order of the real pictures."""
        packed = []
        for scene in scenes:
            order = torch.tensor(symbolic_order(scene))
            features = torch.cat([self(torch.from_numpy(patch_labels(scene))),
                                  self.newline().unsqueeze(0)])
            packed.append(features[order])
        return packed


def symbolic_order(scene):
    """Token order of a scene's picture without drawing it."""
    grid = (scene.layout[0] * 28, scene.layout[1] * 28)
    return token_order(scene.size, grid)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", required=True)
    parser.add_argument("--steps", type=int, default=2000)
    arguments = parser.parse_args()
    run = Path(arguments.run)
    path = run / "decoder.pt"

    training.start(SEED)
    chat = Chat(Tokenizer.from_file(str(run / "tokenizer.json")))
    model, symbolic = Nano(), SymbolicVision()
    decoder = model.language_model
    embedding = [decoder.embed_tokens.weight, *symbolic.parameters()]
    hidden = [*decoder.layers.parameters(), *decoder.norm.parameters()]
    parameters = embedding + hidden
    optimiser = training.Optimiser([(hidden, 1.0, True), (embedding, 1.0, False)])
    step = 0
    if state := training.load(path):
        decoder.load_state_dict(state["decoder"])
        symbolic.load_state_dict(state["symbolic"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]
    log = training.Log(run, "decoder")
    recent = []
    while step < arguments.steps:
        rng = random.Random(SEED + 7919 * step)
        scenes = [random_scene(rng) for _ in range(PICTURE_ROWS)]
        tokens = [len(symbolic_order(scene)) for scene in scenes]
        batch = collate(rows_for(chat, scenes, tokens, TEXT_ROWS, rng))
        loss = loss_over(model, batch, symbolic.pictures(scenes), chat.image)
        loss.backward()
        # No decay at the end: stage 3 goes on from here.
        rate = training.schedule(step, arguments.steps, PEAK_RATE, decay_from=0.9)
        training.update(optimiser, parameters, rate)
        recent.append(loss.item())
        step += 1
        if step % 100 == 0:
            log(step=step, loss=round(sum(recent) / len(recent), 4))
            recent = []
        if step % 1000 == 0 or step == arguments.steps:
            training.save(path, {"decoder": decoder.state_dict(), "symbolic": symbolic.state_dict(),
                                 "optimiser": optimiser.state_dict(), "step": step})
            log(step=step, **quick_scores(model, chat, symbolic.pictures))


if __name__ == "__main__":
    main()
