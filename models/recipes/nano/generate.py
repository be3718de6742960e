"""Generation for a batch of prompts of different lengths: greedy, or sampled in forced modes."""

from dataclasses import dataclass

import torch

from model import LAYERS

MAX_NEW_TOKENS = 160


def embed_prompt(model, chat, picture, question, mode, earlier=None):
    """Prompt embeddings [length, hidden] for a question in a forced mode or in "auto".

    `earlier` is the example of a turn before the question.
    """
    count = 0 if picture is None else len(picture)
    past = chat.past_turn(earlier) if earlier else []
    ids = torch.tensor(chat.prefix(count) + past + chat.question(question) + chat.suffix[mode])
    x = model.language_model.embed_tokens(ids)
    if picture is not None:
        x = x.clone()
        x[ids == chat.image] = picture
    return x


@dataclass
class Decoding:
    """Where a batch of sequences stands: its caches, which of their positions are real, and the
    hidden states [n, hidden] that predict the next token."""

    caches: list
    key_mask: torch.Tensor
    starts: torch.Tensor
    length: int
    hidden: torch.Tensor

    def repeat(self, times):
        """Every sequence `times` times, copies next to each other."""
        for cache in self.caches:
            cache[:] = [part.repeat_interleave(times, 0) for part in cache]
        self.key_mask = self.key_mask.repeat_interleave(times, 0)
        self.starts = self.starts.repeat_interleave(times)
        self.hidden = self.hidden.repeat_interleave(times, 0)

    def keep(self, rows):
        """Drop all sequences but these."""
        for cache in self.caches:
            cache[:] = [part[rows] for part in cache]
        self.key_mask, self.starts = self.key_mask[rows], self.starts[rows]

    def step(self, decoder, tokens):
        """Append one token to every sequence."""
        self.key_mask = torch.cat([self.key_mask, self.key_mask.new_zeros(len(tokens), 1, 1, 1)], 3)
        positions = (self.length - self.starts).unsqueeze(1)
        x = decoder.embed_tokens(tokens).unsqueeze(1)
        self.hidden = decoder(x, positions, self.key_mask, self.caches)[:, -1]
        self.length += 1


@torch.no_grad()
def prefill(model, prompts):
    """Run prompts of different lengths through the decoder at once."""
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
    hidden = model.language_model(x, positions, mask, caches)[:, -1]
    key_mask = torch.zeros(n, 1, 1, length).masked_fill_(~real[:, None, None], float("-inf"))
    return Decoding(caches, key_mask, starts, length, hidden)


@torch.no_grad()
def generate(model, chat, prompts, max_new_tokens=MAX_NEW_TOKENS):
    """Return the generated ids per prompt, and the first step's probabilities [n, vocabulary]."""
    decoder = model.language_model
    decoding = prefill(model, prompts)
    probabilities = decoder.logits(decoding.hidden).softmax(-1)
    tokens = probabilities.argmax(-1)
    outputs, alive = [[] for _ in prompts], torch.ones(len(prompts), dtype=torch.bool)
    for _ in range(max_new_tokens):
        for i in torch.nonzero(alive).flatten().tolist():
            outputs[i].append(int(tokens[i]))
        alive &= tokens != chat.end
        if not alive.any():
            break
        decoding.step(decoder, tokens)
        tokens = decoder.logits(decoding.hidden).argmax(-1)
    return outputs, probabilities


@dataclass
class Rollout:
    """A sampled response, its forced opening first, with the log-probability of every token."""

    ids: list
    log_probs: list


@torch.no_grad()
def roll_out(model, chat, prompts, openings, generator, max_new_tokens=MAX_NEW_TOKENS):
    """Sample at temperature 1, once per prompt and forced opening.

    `prompts` end with "<think>"; each is prefilled once and continued with every one of `openings`
    (lists of token ids). Returns one list of `Rollout` per prompt, in the order of `openings`. The
    log-probabilities are those of the sampling model, the forced tokens' included.
    """
    decoder, branches = model.language_model, len(openings)
    decoding = prefill(model, prompts)
    log_probs = decoder.logits(decoding.hidden).log_softmax(-1)
    rollouts = [Rollout([ids[0]], [float(row[ids[0]])]) for row in log_probs for ids in openings]
    decoding.repeat(branches)
    tokens = torch.tensor([ids[0] for ids in openings]).repeat(len(prompts))
    owners = torch.arange(len(rollouts))
    for at in range(1, max_new_tokens + 1):
        decoding.step(decoder, tokens)
        log_probs = decoder.logits(decoding.hidden).log_softmax(-1)
        tokens = torch.multinomial(log_probs.exp(), 1, generator=generator).squeeze(1)
        for row, owner in enumerate(owners.tolist()):
            opening = openings[owner % branches]
            if at < len(opening):
                tokens[row] = opening[at]
        chosen = log_probs.gather(1, tokens.unsqueeze(1)).squeeze(1)
        for owner, token, log_prob in zip(owners.tolist(), tokens.tolist(), chosen.tolist()):
            if rollouts[owner].ids[-1] != chat.end:
                rollouts[owner].ids.append(token)
                rollouts[owner].log_probs.append(log_prob)
        alive = torch.tensor([rollouts[owner].ids[-1] != chat.end for owner in owners.tolist()])
        if not alive.any():
            break
        # Direct answers end long before thoughts do; carrying them on would cost most of the time.
        if alive.sum() < 0.7 * len(owners):
            rows = torch.nonzero(alive).flatten()
            decoding.keep(rows)
            tokens, owners = tokens[rows], owners[rows]
    return [rollouts[i : i + branches] for i in range(0, len(rollouts), branches)]


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
