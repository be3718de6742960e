"""Endless training batches: pictures with several questions each, packed into rows.

A row is one shared prefix (chat header and picture) followed by independent question-answer
segments. The attention mask lets a segment see the prefix and itself only, and its positions
restart after the prefix, so each segment is computed exactly as in a conversation of its own
while the picture is paid for once.
"""

from dataclasses import dataclass, field

import torch

from out_of_scope import out_of_scope_example
from questions import THINK_SHARE, absent_example, greeting_example, no_picture_example
from questions import picture_examples, text_difference, text_sum

ROW_TOKENS = 320
"""Room for a picture and about six questions with their answers."""
SECOND_TURNS = 0.08
"""Share of questions that follow an earlier one in the same conversation."""

# Tasks drawn more or less often than 1: what is long or slow to learn gets more practice.
TASK_WEIGHT = {
    "sum_numbers": 3.5, "difference": 2.0, "sum_bars": 1.8, "tallest_colour": 1.5,
    "read_numbers": 3.0, "list_shapes": 3.0, "bar_values": 1.5, "describe": 1.2, "count": 0.5,
    "tallest_value": 0.6, "name_shape": 0.6, "name_colour": 0.6, "number_of_colour": 2.0,
    "colour_of_shape": 0.8, "shape_of_colour": 0.8, "bar_of_colour": 0.8,
}


class Chat:
    """Turns examples into token ids exactly as the shipped chat template renders them."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.image = tokenizer.token_to_id("<image>")
        self.end = tokenizer.token_to_id("<|im_end|>")
        self.header = self.ids("<|im_start|>user\n")
        self.break_ = self.ids("\n")
        self.turn = self.ids("<|im_end|>\n<|im_start|>assistant\n<think>")
        self.suffix = {
            "auto": [],
            "think": self.ids("\n"),
            "fast": self.ids("\n\n") + self.ids("</think>"),
        }

    def ids(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def prefix(self, picture_tokens):
        """Chat header, and the picture's placeholders when there is one."""
        if not picture_tokens:
            return self.header
        return self.header + [self.image] * picture_tokens + self.break_

    def question(self, text):
        """Everything from the question through "<think>"."""
        return self.ids(text) + self.turn

    def past_turn(self, example):
        """An answered question and the header of the next one; past thoughts are dropped."""
        return self.ids(f"{example.question}<|im_end|>\n<|im_start|>assistant\n"
                        f"{example.answer}<|im_end|>\n<|im_start|>user\n")

    def response(self, example, thinks):
        """What the model writes after "<think>", decision token included."""
        if thinks:
            text = f"\n{example.thought}\n</think>\n\n{example.answer}<|im_end|>"
        else:
            text = f"\n\n</think>\n\n{example.answer}<|im_end|>"
        return self.ids(text)


@dataclass
class Row:
    """A prefix and its segments; `picture` indexes the batch's pictures, or is None."""

    prefix: list
    picture: int | None
    segments: list = field(default_factory=list)

    def length(self):
        return len(self.prefix) + sum(len(q) + len(r) for q, r in self.segments)


def picture_segment(scene, makers, rng):
    """One random question about this picture."""
    draw = rng.random()
    if draw < 0.08:
        return out_of_scope_example(rng)
    if draw < 0.12 and (example := absent_example(scene, rng)):
        return example
    names = list(makers)
    weights = [TASK_WEIGHT.get(name, 1.0) for name in names]
    return makers[rng.choices(names, weights)[0]]()


def text_segment(rng):
    """One random question without a picture."""
    maker = rng.choices(
        [text_sum, text_difference, out_of_scope_example, greeting_example, no_picture_example],
        [38, 20, 25, 7, 10],
    )[0]
    return maker(rng)


def encode(chat, example, thinks, earlier=None):
    """Question and response ids; the prompt is the same whether the response thinks or not.

    `earlier` is an example whose turn comes first in the same conversation.
    """
    question = chat.question(example.question)
    if earlier:
        question = chat.past_turn(earlier) + question
    return question, chat.response(example, thinks)


def fill(row, segments):
    """Append segments until one would not fit any more; rows of equal length waste no time."""
    for question, response in segments:
        if row.length() + len(question) + len(response) > ROW_TOKENS:
            return
        row.segments.append((question, response))


def conversations(draw_example, rng):
    """An endless stream of (example, the example of an earlier turn or None)."""
    while True:
        earlier = draw_example() if rng.random() < SECOND_TURNS else None
        yield draw_example(), earlier


def picture_conversations(scene, rng):
    """Conversations about one picture."""
    makers = picture_examples(scene, rng)
    return conversations(lambda: picture_segment(scene, makers, rng), rng)


def text_conversations(rng):
    """Conversations without a picture."""
    return conversations(lambda: text_segment(rng), rng)


def rows_for(chat, scenes, picture_tokens, text_rows, rng):
    """Rows for a batch: one per scene, then text-only rows; thoughts in fixed shares per kind."""

    def segments(stream):
        for example, earlier in stream:
            thinks = rng.random() < THINK_SHARE[example.kind]
            yield encode(chat, example, thinks, earlier)

    rows = []
    for i, scene in enumerate(scenes):
        row = Row(chat.prefix(picture_tokens[i]), i)
        fill(row, segments(picture_conversations(scene, rng)))
        rows.append(row)
    for _ in range(text_rows):
        row = Row(chat.prefix(0), None)
        fill(row, segments(text_conversations(rng)))
        rows.append(row)
    return rows


def collate(rows, length=ROW_TOKENS):
    """Tensors for a batch of rows: ids, positions, segment numbers, and where to predict what."""
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    positions = torch.zeros(len(rows), length, dtype=torch.long)
    segments = torch.full((len(rows), length), -1)
    where, targets = [], []
    for i, row in enumerate(rows):
        start = len(row.prefix)
        ids[i, :start] = torch.tensor(row.prefix)
        positions[i, :start] = torch.arange(start)
        segments[i, :start] = 0
        at = start
        for number, (question, response) in enumerate(row.segments, 1):
            tokens = question + response
            end = at + len(tokens)
            ids[i, at:end] = torch.tensor(tokens)
            positions[i, at:end] = torch.arange(start, start + len(tokens))
            segments[i, at:end] = number
            first = i * length + at + len(question) - 1
            where += range(first, first + len(response))
            targets += response
            at = end
    return ids, positions, segments, torch.tensor(where), torch.tensor(targets)


def attention_mask(segments):
    """Additive mask [rows, 1, length, length]: causal, and blind to other segments."""
    length = segments.shape[1]
    same = segments.unsqueeze(2) == segments.unsqueeze(1)
    allowed = (same | (segments == 0).unsqueeze(1)) & torch.ones(length, length).tril().bool()
    mask = torch.zeros(allowed.shape)
    mask.masked_fill_(~allowed, float("-inf"))
    return mask.unsqueeze(1)


def response_logits(model, batch, pictures, image_id):
    """Logits [response tokens, vocabulary] of all responses; `pictures` are packed embeddings."""
    ids, positions, segments, where, _ = batch
    x = model.language_model.embed_tokens(ids)
    if pictures:
        # Rows of pictures are in the pictures' order, so placeholders match in sequence.
        x = x.clone()
        x[ids == image_id] = torch.cat(pictures)
    hidden = model.language_model(x, positions, attention_mask(segments))
    return model.language_model.logits(hidden.flatten(0, 1)[where])


def loss_over(model, batch, pictures, image_id):
    """Mean cross-entropy of all responses."""
    return torch.nn.functional.cross_entropy(response_logits(model, batch, pictures, image_id), batch[4])
