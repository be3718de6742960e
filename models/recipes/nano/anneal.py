"""Stage 3: bi-mode annealing of the whole model on drawn pictures, on two ranks.

Every task appears with and without thoughts, and nothing in the prompt tells which. This is the
supervised half of teaching a model to decide for itself: after it, p(think) follows how often a
kind of question was shown with a thought.

    RANK=r WORLD_SIZE=2 RENDEZVOUS_FILE=f python anneal.py --run RUN [--steps N]
"""

import argparse
import random
from pathlib import Path

from tokenizers import Tokenizer

import training
from data import Chat, collate, loss_over, rows_for
from evaluate import quick_scores
from model import Nano
from pictures import draw_batch, embed, held_out_pictures
from scenes import random_scene

SEED = 4000
PICTURE_ROWS, TEXT_ROWS = 6, 2
"""Rows per rank and step. Small steps win: many updates matter more than smooth gradients."""
PEAK_RATE = 1.5e-3
VISION_FACTOR = 0.3
"""The tower already sees well; it follows more slowly than the rest."""
SAVE_EVERY = 500


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6200)
    arguments = parser.parse_args()
    path = arguments.run / "anneal.pt"

    training.start(SEED)
    chat = Chat(Tokenizer.from_file(str(arguments.run / "tokenizer.json")))
    model = Nano()
    tower = list(model.vision_tower.parameters())
    embedding = [model.language_model.embed_tokens.weight, model.image_newline]
    hidden = [*model.language_model.layers.parameters(), *model.language_model.norm.parameters(),
              *model.multi_modal_projector.parameters()]
    parameters = tower + embedding + hidden
    optimiser = training.Optimiser(
        [(hidden, 1.0, True), (embedding, 1.0, False), (tower, VISION_FACTOR, False)])
    step = 0
    if state := training.load(path):
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]
    else:
        model.load_state_dict(training.load(arguments.run / "projector.pt")["model"])
    log = training.Log(arguments.run, "anneal")
    recent = []
    while step < arguments.steps:
        rng = random.Random(f"{SEED} {step} {training.rank()}")
        scenes = [random_scene(rng) for _ in range(PICTURE_ROWS)]
        drawn = draw_batch(scenes, rng)
        tokens = [len(order) for order in drawn[2]]
        batch = collate(rows_for(chat, scenes, tokens, TEXT_ROWS, rng))
        loss = loss_over(model, batch, embed(model, drawn), chat.image)
        loss.backward()
        training.update(optimiser, parameters, training.schedule(step, arguments.steps, PEAK_RATE))
        recent.append(loss.item())
        step += 1
        if step % 100 == 0:
            log(step=step, loss=round(sum(recent) / len(recent), 4))
            recent = []
        if step % SAVE_EVERY == 0 or step == arguments.steps:
            training.save(path, {"model": model.state_dict(), "optimiser": optimiser.state_dict(),
                                 "step": step})
            if training.rank() == 0 and step % (2 * SAVE_EVERY) == 0:
                log(step=step, **quick_scores(model, chat, held_out_pictures(model), per_task=16))


if __name__ == "__main__":
    main()
