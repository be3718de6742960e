"""Draw what is shipped beside the model: sample pictures, and a small held-out question set.

    python make_examples.py --output ../../nano

writes examples/ (pictures with a good question each) and heldout/ (pictures, questions.jsonl and
mixed.jsonl), with which accuracy can be measured through a server, without Python. No training stage uses
these seeds. Drawing again gives the same files.
"""

import argparse
import json
import random
import re
from collections import Counter
from itertools import permutations
from pathlib import Path

from evaluate import SEED, held_out_set, mixed_set
from questions import ANY_ORDER, join
from scenes import BAR, NUMBER, SHAPE, SQUARE, TALL, WIDE, Item, Scene, draw

HELD_OUT_SEED = SEED + 2
PER_TASK = 40
MIXED_SEED = SEED + 3
MIXED = 1000


def number(value, colour, row, column):
    return Item(NUMBER, colour, row, column, value=value)


def bars(*values_and_colours):
    return [Item(BAR, colour, 0, i, value=value) for i, (value, colour) in enumerate(values_and_colours)]


EXAMPLES = [
    ("sum", Scene(WIDE, [number(23, "blue", 0, 0), number(48, "red", 0, 3), number(7, "green", 1, 1)]),
     "What is the sum of the numbers?", "78"),
    ("difference", Scene(WIDE, [number(64, "purple", 0, 1), number(35, "orange", 0, 2),
                                number(9, "black", 1, 0), number(82, "blue", 1, 3)]),
     "What is the difference between the largest and the smallest number?", "73"),
    ("chart", Scene(WIDE, bars((3, "blue"), (7, "orange"), (5, "green"), (8, "purple"))),
     "What is the total of the bars?", "23"),
    ("shapes", Scene(WIDE, [Item(SHAPE, "red", 0, 0, "circle"), Item(SHAPE, "blue", 0, 2, "star"),
                            Item(SHAPE, "green", 1, 1, "triangle"), Item(SHAPE, "yellow", 1, 3, "square")]),
     "What shapes are in the picture?", "a red circle, a blue star, a green triangle and a yellow square"),
    ("heart", Scene(SQUARE, [Item(SHAPE, "red", 0, 0, "heart")], large=True),
     "What do you see?", "a red heart"),
    ("tall", Scene(TALL, [number(57, "red", 0, 0), number(91, "blue", 1, 1), number(38, "green", 3, 0)]),
     "Which is the largest number?", "91"),
]


def save_picture(picture, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, optimize=True)


def write_examples(folder):
    records = []
    for name, scene, question, answer in EXAMPLES:
        save_picture(draw(scene, random.Random(name)), folder / f"{name}.png")
        records.append({"file": f"{name}.png", "question": question, "answer": answer})
    (folder / "examples.json").write_text(json.dumps(records, indent=2) + "\n")


def orders(answer):
    """Every order of a list answer."""
    return [join(list(words)) for words in permutations(re.split(", | and ", answer))]


def write_held_out(folder):
    """questions.jsonl with as many questions of every task, mixed.jsonl with questions as they come.

    One JSON object per line; several questions share a picture.
    """
    by_task = [item for items in held_out_set(2 * PER_TASK, HELD_OUT_SEED).values()
               for item in [item for item in items if listable(item)][:PER_TASK]]
    mixed = [item for item in mixed_set(MIXED + MIXED // 10, MIXED_SEED) if listable(item)][:MIXED]
    files = {}
    for name, items in [("questions", by_task), ("mixed", mixed)]:
        lines, counts = [], Counter()
        for scene, example in items:
            if scene and id(scene) not in files:
                files[id(scene)] = picture = f"{len(files):03}.png"
                save_picture(draw(scene, random.Random(f"held out {picture}")), folder / picture)
            counts[example.task] += 1
            line = {
                "id": f"{example.task}-{counts[example.task]:02}", "task": example.task,
                "kind": example.kind, "image": files[id(scene)] if scene else None,
                "question": example.question, "answer": example.answer,
            }
            if example.task in ANY_ORDER:
                line["accept"] = orders(example.answer)
            lines.append(json.dumps(line))
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
        print(f"{name}: {len(lines)} questions, {len(files)} pictures so far")


def listable(item):
    """Whether every order of the answer can be written down; longer lists have too many."""
    example = item[1]
    return example.task not in ANY_ORDER or example.answer.count(",") < 3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, required=True)
    output = parser.parse_args().output
    write_examples(output / "examples")
    write_held_out(output / "heldout")


if __name__ == "__main__":
    main()
