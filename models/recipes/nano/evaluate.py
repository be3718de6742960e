"""Measure accuracy per task on held-out pictures in fast, think and auto mode.

Held-out means: other seeds than any training stage uses, and for out-of-scope questions
hand-written sentences of their own. An answer counts only if it equals the expected one, but a list of
things seen may name them in any order.
The result goes to RUN/evaluation.json and, as a table, to RUN/evaluation.md.

    python evaluate.py --run RUN [--per-task N]
"""

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path

import torch

from generate import embed_prompt, generate, split_answer
from out_of_scope import held_out_example
from questions import absent_example, greeting_example, no_picture_example, picture_examples
from questions import same_answer, text_difference, text_sum
from scenes import random_scene

SEED = 900_000_000
MODES = ["fast", "think", "auto"]
BATCH = 64
QUESTIONS_PER_PICTURE = 4


def held_out_set(per_task, seed=SEED):
    """`per_task` (scene or None, example) pairs of every task, in a fixed order."""
    rng = random.Random(seed)
    found = defaultdict(list)
    while not found or min(len(v) for v in found.values()) < per_task:
        scene = random_scene(rng)
        makers = picture_examples(scene, rng)
        offers = [(task, scene, make()) for task, make in makers.items()]
        if absent := absent_example(scene, rng):
            offers.append(("absent", scene, absent))
        offers += [("text", None, text_sum(rng)), ("text", None, text_difference(rng)),
                   ("text", None, no_picture_example(rng)), ("text", None, greeting_example(rng)),
                   ("text", rng.choice([scene, None]), held_out_example(rng))]
        for _, where, example in offers:
            if len(found[example.task]) < per_task:
                found[example.task].append((where, example))
    return {task: found[task] for task in sorted(found)}


def mixed_set(count, seed):
    """`count` (scene, example) pairs: random pictures, and about each some random questions, every
    one the picture allows as likely as the next. Questions that need steps are then a minority."""
    rng = random.Random(seed)
    drawn = []
    while len(drawn) < count:
        scene = random_scene(rng)
        makers = list(picture_examples(scene, rng).values())
        chosen = rng.sample(makers, min(QUESTIONS_PER_PICTURE, len(makers)))
        drawn += [(scene, make()) for make in chosen]
    return drawn[:count]


@torch.no_grad()
def score(model, chat, pictures_of, items):
    """Accuracy per mode, mean p(think), how often auto thinks, and tokens per mode.

    `pictures_of` maps a list of scenes to packed embeddings, drawn or symbolic.
    """
    newline, double = chat.suffix["think"][0], chat.suffix["fast"][0]
    result = {}
    for mode in MODES:
        correct = tokens = 0
        think_probabilities, thoughts = [], 0
        for at in range(0, len(items), BATCH):
            part = items[at : at + BATCH]
            scenes = [scene for scene, _ in part if scene]
            pictures = iter(pictures_of(scenes) if scenes else [])
            prompts = [embed_prompt(model, chat, next(pictures) if scene else None,
                                    example.question, mode) for scene, example in part]
            outputs, first = generate(model, chat, prompts)
            if mode == "auto":
                yes, no = first[:, newline], first[:, double]
                think_probabilities += (yes / (yes + no)).tolist()
            for (_, example), ids in zip(part, outputs):
                thought, answer = split_answer(chat, ids, mode)
                correct += same_answer(example.task, answer, example.answer)
                thoughts += thought is not None
                tokens += len(ids)
        result[mode] = round(100 * correct / len(items), 1)
        result[f"{mode}_tokens"] = round(tokens / len(items), 1)
        if mode == "auto":
            result["p_think"] = round(sum(think_probabilities) / len(items), 3)
            result["auto_thinks"] = round(100 * thoughts / len(items), 1)
    return result


def quick_scores(model, chat, pictures_of, per_task=32):
    """A one-line impression for the training logs: "fast/think/p(think)" per task."""
    model.eval()
    scores = {}
    for task, items in held_out_set(per_task, SEED + 1).items():
        s = score(model, chat, pictures_of, items)
        scores[task] = f"{s['fast']:.0f}/{s['think']:.0f}/{s['p_think']:.2f}"
    model.train()
    return scores


def table(results):
    """The results as a Markdown table, for the model card."""
    lines = ["| task | kind | fast % | think % | auto % | auto thinks % | mean p(think) | tokens fast / think |",
             "|---|---|---|---|---|---|---|---|"]
    lines += [
        f"| {task} | {r['kind']} | {r['fast']} | {r['think']} | {r['auto']} | {r['auto_thinks']} "
        f"| {r['p_think']} | {r['fast_tokens']} / {r['think_tokens']} |"
        for task, r in results.items()
    ]
    return "\n".join(lines) + "\n"


def main():
    # The stages import quick_scores from here, so what only the command needs is imported late.
    from tokenizers import Tokenizer

    from data import Chat
    from export_checkpoint import newest_model
    from pictures import held_out_pictures

    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--per-task", type=int, default=200)
    arguments = parser.parse_args()
    chat = Chat(Tokenizer.from_file(str(arguments.run / "tokenizer.json")))
    model = newest_model(arguments.run).eval()
    results = {}
    for task, items in held_out_set(arguments.per_task).items():
        results[task] = {
            "kind": items[0][1].kind,
            "questions": len(items),
            **score(model, chat, held_out_pictures(model), items),
        }
        print(task, json.dumps(results[task]), flush=True)
    path = arguments.run / "evaluation.json"
    path.write_text(json.dumps({"seed": SEED, "tasks": results}, indent=2) + "\n")
    path.with_suffix(".md").write_text(table(results))


if __name__ == "__main__":
    main()
