"""Stage 4: bi-mode annealing with labels found by trial, R-4B's performance heuristic.

A frozen copy of the stage before, the intermediate model, tries to answer every question directly,
eight times at temperature 1. Only a question it gets wrong every time is shown with a thought; the
others are shown with the answer alone. Labels are found while training goes on, so no question
comes twice, and the prompt never tells which way was chosen.

    RANK=r WORLD_SIZE=2 RENDEZVOUS_FILE=f python anneal_by_trial.py --run RUN [--steps N]
"""

import argparse
import copy
import random
from collections import Counter
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer

import training
from data import Chat, Row, collate, encode, fill, loss_over, picture_conversations
from data import text_conversations
from evaluate import quick_scores
from generate import embed_prompt, roll_out, split_answer
from model import Nano
from pictures import draw_batch, embed, held_out_pictures
from questions import same_answer
from scenes import random_scene

SEED = 5000
TRIES = 8
OTHER_MODE_SHARE = 0.15
"""Share of questions shown the other way round than their label says. Most topics here are wholly
easy or wholly hard; this keeps both modes alive in each of them, as a wide corpus does by itself."""
PICTURE_ROWS, TEXT_ROWS = 6, 2
PICTURE_QUESTIONS, TEXT_QUESTIONS = 8, 12
"""Questions tried per row; about as many as fit."""
LONGEST_TRY = 48
PEAK_RATE = 5e-4
VISION_FACTOR = 0.3
SAVE_EVERY = 50


@torch.no_grad()
def solved(model, chat, items, tries, generator):
    """Whether any of some direct tries answers the question, for every item.

    `items` are (picture embeddings or None, example, example of an earlier turn or None).
    """
    prompts = [embed_prompt(model, chat, picture, example.question, "auto", earlier)
               for picture, example, earlier in items]
    rollouts = roll_out(model, chat, prompts, [chat.suffix["fast"]] * tries, generator, LONGEST_TRY)
    return [
        any(same_answer(example.task, split_answer(chat, one.ids, "auto")[1], example.answer)
            for one in row)
        for row, (_, example, _) in zip(rollouts, items)
    ]


def labels_by_trial(model, chat, items, generator):
    """Whether each question needs a thought: none of TRIES direct tries was right.

    Most questions are answered at the first try, and one right answer settles the label.
    """
    labels = [not right for right in solved(model, chat, items, 1, generator)]
    open_ = [i for i, label in enumerate(labels) if label]
    if open_:
        rest = solved(model, chat, [items[i] for i in open_], TRIES - 1, generator)
        for i, right in zip(open_, rest):
            labels[i] = not right
    return labels


def rows_by_trial(judge, chat, scenes, drawn, rng, generator):
    """Rows of a batch, and how often each task was tried and labelled as needing a thought."""
    with torch.no_grad():
        pictures = embed(judge, drawn)
    rows = [Row(chat.prefix(len(picture)), i) for i, picture in enumerate(pictures)]
    turns = [list(islice(picture_conversations(scene, rng), PICTURE_QUESTIONS)) for scene in scenes]
    rows += [Row(chat.prefix(0), None) for _ in range(TEXT_ROWS)]
    turns += [list(islice(text_conversations(rng), TEXT_QUESTIONS)) for _ in range(TEXT_ROWS)]
    pictures += [None] * TEXT_ROWS
    items = [(picture, *turn) for picture, row in zip(pictures, turns) for turn in row]
    labels = labels_by_trial(judge, chat, items, generator)
    tried, hard = Counter(), Counter()
    remaining = iter(labels)
    for row, row_turns in zip(rows, turns):
        segments = []
        for example, earlier in row_turns:
            needs_thought = next(remaining)
            tried[example.task] += 1
            hard[example.task] += needs_thought
            thinks = needs_thought != (rng.random() < OTHER_MODE_SHARE)
            segments.append(encode(chat, example, thinks, earlier))
        fill(row, segments)
    return rows, tried, hard


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    arguments = parser.parse_args()
    path = arguments.run / "trial.pt"

    training.start(SEED)
    chat = Chat(Tokenizer.from_file(str(arguments.run / "tokenizer.json")))
    model = Nano()
    model.load_state_dict(training.load(arguments.run / "anneal.pt")["model"])
    judge = copy.deepcopy(model).eval()
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
    log = training.Log(arguments.run, "trial")
    recent, tried, hard = [], Counter(), Counter()
    while step < arguments.steps:
        seed = f"{SEED} {step} {training.rank()}"
        rng = random.Random(seed)
        generator = torch.Generator().manual_seed(rng.getrandbits(40))
        scenes = [random_scene(rng) for _ in range(PICTURE_ROWS)]
        drawn = draw_batch(scenes, rng)
        rows, *counts = rows_by_trial(judge, chat, scenes, drawn, rng, generator)
        tried.update(counts[0])
        hard.update(counts[1])
        loss = loss_over(model, collate(rows), embed(model, drawn), chat.image)
        loss.backward()
        rate = training.schedule(step, arguments.steps, PEAK_RATE, warmup=50, decay_from=0.2)
        training.update(optimiser, parameters, rate)
        recent.append(loss.item())
        step += 1
        if step % SAVE_EVERY == 0 or step == arguments.steps:
            log(step=step, loss=round(sum(recent) / len(recent), 4),
                labelled={task: f"{hard[task]}/{tried[task]}" for task in sorted(tried)})
            recent, tried, hard = [], Counter(), Counter()
            training.save(path, {"model": model.state_dict(), "optimiser": optimiser.state_dict(),
                                 "step": step})
    if training.rank() == 0:
        log(step=step, **quick_scores(model, chat, held_out_pictures(model), per_task=32))


if __name__ == "__main__":
    main()
