"""Greedy generation for a batch of prompts of different lengths."""

import torch

from model import LAYERS

MAX_NEW_TOKENS = 160


def embed_prompt(model, chat, picture, question, mode):
    """Prompt embeddings [length, hidden] for a question in a forced mode or in "auto"."""
    count = 0 if picture is None else len(picture)
    ids = torch.tensor(chat.prefix(count) + chat.question(question) + chat.suffix[mode])
    x = model.language_model.embed_tokens(ids)
    if picture is not None:
        x = x.clone()
        x[ids == chat.image] = picture
    return x


@torch.no_grad()
def generate(model, chat, prompts, max_new_tokens=MAX_NEW_TOKENS):
    """Return the generated ids per prompt, and the first step's probabilities [n, vocabulary]."""
    decoder = model.language_model
    n, length = len(prompts), max(len(p) for p in prompts)
    starts = torch.tensor([length - len(p) for p in prompts])
    x = torch.stack([torch.cat([p.new_zeros(length - len(p), p.shape[1]), p]) for p in prompts])
    # Prompts are padded on the left; a padded query may see itself, which keeps softmax finite.
    columns = torch.arange(length)
    real = columns >= starts.unsqueeze(1)
    causal = torch.ones(length, length).tril().bool()
    allowed = (causal & real.unsqueeze(1)) | torch.eye(length).bool()
    mask = torch.zeros(allowed.shape).masked_fill_(~allowed, float("-inf")).unsqueeze(1)
    positions = (columns - starts.unsqueeze(1)).clamp(min=0)
    caches = [[] for _ in range(LAYERS)]
    hidden = decoder(x, positions, mask, caches)[:, -1]
    probabilities = decoder.logits(hidden).softmax(-1)
    tokens = probabilities.argmax(-1)
    outputs, alive = [[] for _ in range(n)], torch.ones(n, dtype=torch.bool)
    key_mask = torch.zeros(n, 1, 1, length).masked_fill_(~real[:, None, None], float("-inf"))
    for step in range(max_new_tokens):
        for i in torch.nonzero(alive).flatten().tolist():
            outputs[i].append(int(tokens[i]))
        alive &= tokens != chat.end
        if not alive.any():
            break
        key_mask = torch.cat([key_mask, key_mask.new_zeros(n, 1, 1, 1)], 3)
        step_positions = (length + step - starts).unsqueeze(1)
        hidden = decoder(decoder.embed_tokens(tokens).unsqueeze(1), step_positions, key_mask, caches)
        tokens = decoder.logits(hidden[:, -1]).argmax(-1)
    return outputs, probabilities


def split_answer(chat, ids, mode):
    """(thought or None, answer) of a generated sequence; None as answer if it never finished."""
    if not ids or ids[-1] != chat.end:
        return None, None
    text = chat.tokenizer.decode(ids[:-1], skip_special_tokens=False)
    if mode == "fast":
        return None, text.strip()
    thought, found, answer = text.partition("</think>")
    if not found:
        return None, None
    return thought.strip() or None, answer.strip()
