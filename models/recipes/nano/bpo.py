"""Stage 5: Bi-mode Policy Optimization (R-4B, section 3.2), the reinforcement half of auto-thinking.

For every question the model is made to think GROUP times and made to answer directly GROUP times,
by forcing the mode token after "<think>" (and "</think>" after the direct one). All 2 x GROUP responses share one advantage group, so the
mode that is right more often is reinforced together with what it wrote. The objective is GRPO's:
per-token ratio to the sampling policy, clipped, and a KL penalty towards the annealed model.

Two variants, kept apart by name:

    python bpo.py --run RUN --variant pure      reward 1 for a right answer, 0 otherwise; as published
    python bpo.py --run RUN --variant priced    departs in two points, both about the mode token only:
                                                for it a right answer after a thought is worth
                                                1 - THOUGHT_PRICE, and it is left alone when it is
                                                nearly certain already

Tower and projector stay as they are. State is saved every minute and at the end; run the command
again to go on. Every iteration seeds its own generators.
"""

import argparse
import copy
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

import training
from data import Chat, Row, collate, picture_segment, response_logits, text_segment
from evaluate import held_out_set
from export_checkpoint import load_stage
from generate import embed_prompt, prefill, roll_out, split_answer
from pictures import draw_batch, embed, held_out_pictures
from questions import picture_examples, same_answer
from scenes import random_scene

SEED = 6000
PICTURE_QUERIES, TEXT_QUERIES = 36, 12
GROUP = 4
"""Rollouts per query in each mode."""
UPDATES = 2
"""Optimiser steps per batch of rollouts."""
CLIP = 0.2
KL_WEIGHT = 0.01
RATE = 1e-4
TOKENS_PER_RESPONSE = 20
"""Constant normaliser of the per-token sum: the mode token weighs the same in long and short
responses, which dividing by each response's own length would undo."""
ROWS_AT_ONCE = 8
THOUGHT_PRICE = 0.1
CERTAIN = 0.9
PROBE_EVERY, PROBE_PER_TASK = 5, 16
SAVE_SECONDS = 60


@dataclass
class Query:
    """A question, its picture (packed embeddings or None), its rollouts, and their advantages:
    those of the mode tokens and those of everything written after them."""

    example: object
    picture: torch.Tensor | None
    rollouts: list
    right: list
    mode_advantages: list
    advantages: list

    def differs(self):
        """Whether anything in its rewards differs, so that it can teach something."""
        return any(abs(a) > 1e-3 for a in self.mode_advantages + self.advantages)

    def lessons(self):
        """Per rollout (ids, log-probabilities, advantages per token) of the tokens to learn from.

        Where all answers are equally right only the price of thinking is left, so only the mode
        token is: punishing right thoughts for being thoughts would unlearn them.
        """
        whole = any(abs(a) > 1e-3 for a in self.advantages)
        for i, one in enumerate(self.rollouts):
            length = len(one.ids) if whole else 1
            # Forced as well, but no choice: were it learned from, the model would find that it can
            # think after the direct mode token too.
            closing = [0.0] * (i >= GROUP)
            advantages = [self.mode_advantages[i]] + closing + [self.advantages[i]] * len(one.ids)
            yield one.ids[:length], one.log_probs[:length], advantages[:length]


def normalised(rewards):
    """GRPO's advantages: rewards in units of their group's standard deviation."""
    return ((rewards - rewards.mean()) / (rewards.std(correction=0) + 1e-4)).tolist()


def draw_queries(model, chat, rng, generator, price):
    """Fresh questions with rewarded rollouts; the first GROUP of each query think."""
    scenes = [random_scene(rng) for _ in range(PICTURE_QUERIES)]
    with torch.no_grad():
        pictures = embed(model, draw_batch(scenes, rng)) + [None] * TEXT_QUERIES
        examples = [picture_segment(scene, picture_examples(scene, rng), rng) for scene in scenes]
        examples += [text_segment(rng) for _ in range(TEXT_QUERIES)]
        prompts = [embed_prompt(model, chat, picture, example.question, "auto")
                   for picture, example in zip(pictures, examples)]
    openings = [chat.suffix["think"]] * GROUP + [chat.suffix["fast"]] * GROUP
    queries = []
    for example, picture, rollouts in zip(
            examples, pictures, roll_out(model, chat, prompts, openings, generator)):
        right = [same_answer(example.task, split_answer(chat, one.ids, "auto")[1], example.answer)
                 for one in rollouts]
        rewards = torch.tensor(right).float()
        priced = rewards.clone()
        priced[:GROUP] *= 1 - price
        queries.append(Query(example, picture, rollouts, right, normalised(priced), normalised(rewards)))
    return queries


def batches(chat, queries):
    """Batches of rows, one per query: its responses as segments behind one shared prompt.

    Yields (batch, pictures, sampling log-probabilities, advantages, mode-token flags), the last
    three per response token. Queries without any difference in reward teach nothing and are left
    out; rows of similar length go together.
    """
    rows = []
    for query in queries:
        if not query.differs():
            continue
        prompt = chat.prefix(0 if query.picture is None else len(query.picture))
        prompt = prompt + chat.question(query.example.question)
        # The prompt's last token predicts the mode, so every segment brings its own copy.
        row = Row(prompt[:-1], None)
        row.segments = [(prompt[-1:], ids) for ids, *_ in query.lessons()]
        rows.append((row, query))
    rows.sort(key=lambda pair: pair[0].length())
    for at in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[at : at + ROWS_AT_ONCE]
        batch = collate([row for row, _ in part], max(row.length() for row, _ in part))
        pictures = [query.picture for _, query in part if query.picture is not None]
        old, advantages, is_mode = [], [], []
        for _, query in part:
            for ids, log_probs, per_token in query.lessons():
                old += log_probs
                advantages += per_token
                is_mode += [True] + [False] * (len(ids) - 1)
        yield batch, pictures, torch.tensor(old), torch.tensor(advantages), torch.tensor(is_mode)


def log_probs_of(model, chat, batch, pictures):
    """Log-probabilities of a batch's response tokens."""
    logits = response_logits(model, batch, pictures, chat.image)
    return logits.log_softmax(-1).gather(1, batch[4].unsqueeze(1)).squeeze(1)


def policy_loss(new, old, reference, advantages, is_mode, guard):
    """Sum over tokens of the clipped objective and the KL penalty (estimator k3), negated."""
    ratio = (new - old).exp()
    gain = torch.minimum(ratio * advantages, ratio.clamp(1 - CLIP, 1 + CLIP) * advantages)
    if guard:
        # Forced sampling pushes the mode token at full strength however certain it already is.
        p = new.detach().exp()
        settled = is_mode & (((advantages > 0) & (p > CERTAIN)) | ((advantages < 0) & (p < 1 - CERTAIN)))
        gain = torch.where(settled, torch.zeros_like(gain), gain)
    drift = (reference - new).exp() - (reference - new) - 1
    return (KL_WEIGHT * drift - gain).sum(), drift.detach().mean()


def improve(model, reference, chat, optimiser, queries, guard):
    """UPDATES optimiser steps on one batch of rollouts; returns the mean KL estimate."""
    prepared = []
    for batch, pictures, *rest in batches(chat, queries):
        with torch.no_grad():
            prepared.append((batch, pictures, log_probs_of(reference, chat, batch, pictures), *rest))
    parameters = list(model.language_model.parameters())
    share = 1 / (TOKENS_PER_RESPONSE * 2 * GROUP * len(queries))
    drifts = []
    for _ in range(UPDATES if prepared else 0):
        for batch, pictures, known, old, advantages, is_mode in prepared:
            new = log_probs_of(model, chat, batch, pictures)
            loss, drift = policy_loss(new, old, known, advantages, is_mode, guard)
            (loss * share).backward()
            drifts.append(float(drift))
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad()
    return sum(drifts) / max(1, len(drifts))


@torch.no_grad()
def probe(model, chat, items_by_task, pictures_of):
    """Mean p(think) and share of p(think) > 0.5 per task, on fixed questions of their own."""
    think, fast = chat.suffix["think"][0], chat.suffix["fast"][0]
    found = {}
    for task, items in items_by_task.items():
        scenes = [scene for scene, _ in items if scene]
        pictures = iter(pictures_of(scenes) if scenes else [])
        prompts = [embed_prompt(model, chat, next(pictures) if scene else None, example.question, "auto")
                   for scene, example in items]
        p = model.language_model.logits(prefill(model, prompts).hidden).softmax(-1)
        p = p[:, think] / (p[:, think] + p[:, fast])
        found[task] = [round(p.mean().item(), 4), round((p > 0.5).float().mean().item(), 3)]
    return found


def summary(queries):
    """Rewards, accuracies and lengths of a batch of rollouts."""
    by_kind = defaultdict(list)
    for query in queries:
        by_kind[query.example.kind].append(query)

    def share(part, of):
        return round(sum(sum(of(query)) for query in part) / (GROUP * len(part)), 3)

    return {
        "reward": round(share(queries, lambda q: q.right) / 2, 4),
        "think_right": {k: share(v, lambda q: q.right[:GROUP]) for k, v in sorted(by_kind.items())},
        "direct_right": {k: share(v, lambda q: q.right[GROUP:]) for k, v in sorted(by_kind.items())},
        "think_tokens": share(queries, lambda q: [len(one.ids) for one in q.rollouts[:GROUP]]),
        "direct_tokens": share(queries, lambda q: [len(one.ids) for one in q.rollouts[GROUP:]]),
        "used_groups": sum(query.differs() for query in queries),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--variant", choices=["pure", "priced"], required=True)
    parser.add_argument("--steps", type=int, default=60, help="batches of rollouts")
    arguments = parser.parse_args()
    priced = arguments.variant == "priced"
    path = arguments.run / f"bpo-{arguments.variant}.pt"

    training.start(SEED)
    chat = Chat(Tokenizer.from_file(str(arguments.run / "tokenizer.json")))
    model = load_stage(arguments.run, "trial")
    reference = copy.deepcopy(model).eval()
    optimiser = torch.optim.Adam(model.language_model.parameters(), lr=RATE, betas=(0.9, 0.98))
    step = 0
    if state := training.load(path):
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]
    log = training.Log(arguments.run, f"bpo-{arguments.variant}")
    probes, pictures_of = held_out_set(PROBE_PER_TASK, SEED + 1), held_out_pictures(model)
    if step == 0:
        log(step=0, probe=probe(model, chat, probes, pictures_of))
    saved = time.monotonic()
    while step < arguments.steps:
        rng = random.Random(f"{SEED} {step}")
        generator = torch.Generator().manual_seed(rng.getrandbits(40))
        queries = draw_queries(model, chat, rng, generator, THOUGHT_PRICE if priced else 0.0)
        drift = improve(model, reference, chat, optimiser, queries, guard=priced)
        step += 1
        record = {"step": step, **summary(queries), "kl": round(drift, 5)}
        if step % PROBE_EVERY == 0:
            record["probe"] = probe(model, chat, probes, pictures_of)
        log(**record)
        if step == arguments.steps or time.monotonic() - saved > SAVE_SECONDS:
            training.save(path, {"model": model.state_dict(), "optimiser": optimiser.state_dict(),
                                 "step": step})
            saved = time.monotonic()


if __name__ == "__main__":
    main()
