"""What every stage shares: optimiser, schedule, logging, resumable checkpoints, two ranks."""

import json
import os
import time
from pathlib import Path

import torch
import torch.distributed as dist


def rank():
    return int(os.environ.get("RANK", "0"))


def world():
    return int(os.environ.get("WORLD_SIZE", "1"))


def start(seed):
    """Fix seeds, use one thread per process and join the process group if there is one."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    if world() > 1:
        rendezvous = os.environ["RENDEZVOUS_FILE"]
        dist.init_process_group("gloo", f"file://{rendezvous}", rank=rank(), world_size=world())


class Optimiser:
    """Muon for the hidden matrices, AdamW for everything else.

    Muon's orthogonalised updates learn to copy and to carry in a fraction of the steps; matching
    its update size to AdamW's lets both share one learning rate. `groups` lists
    (parameters, learning-rate factor, whether matrices take Muon).
    """

    def __init__(self, groups):
        muon, adam = [], []
        for parameters, factor, matrices_take_muon in groups:
            for p in parameters:
                group = {"params": [p], "factor": factor, "weight_decay": 0.05 if p.ndim > 1 else 0.0}
                (muon if matrices_take_muon and p.ndim == 2 else adam).append(group)
        self.parts = [torch.optim.AdamW(adam, lr=1e-3, betas=(0.9, 0.98), fused=True)]
        if muon:
            self.parts.append(torch.optim.Muon(muon, lr=1e-3, adjust_lr_fn="match_rms_adamw"))

    def step(self, rate):
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate * group["factor"]
            part.step()
            part.zero_grad(set_to_none=False)

    def state_dict(self):
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states):
        for part, state in zip(self.parts, states):
            part.load_state_dict(state)


def schedule(step, steps, peak, warmup=100, decay_from=0.5):
    """Linear warm-up, a constant plateau, then a linear fall to 2 % of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    start_of_decay = steps * decay_from
    if step < start_of_decay:
        return peak
    left = max(0.0, (steps - step) / max(1.0, steps - start_of_decay))
    return peak * max(0.02, left)


def average_gradients(parameters):
    """Average gradients over the ranks in one message; fewer, larger messages are cheaper."""
    if world() == 1:
        return
    gradients = [p.grad for p in parameters]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= world()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(part.view_as(gradient))


def update(optimiser, parameters, rate, max_norm=1.0):
    """One optimiser step on averaged, clipped gradients."""
    average_gradients(parameters)
    torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    optimiser.step(rate)


class Log:
    """Prints lines and appends records to <run>/<stage>.jsonl; silent on ranks other than 0."""

    def __init__(self, run, stage):
        self.path = Path(run) / f"{stage}.jsonl"
        self.stage = stage
        self.began = time.time()

    def __call__(self, **record):
        if rank() != 0:
            return
        record = {"seconds": round(time.time() - self.began), **record}
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        print(self.stage, " ".join(f"{key}={value}" for key, value in record.items()), flush=True)


def save(path, state):
    """Write a checkpoint so that a kill at any moment leaves the old or the new one, whole."""
    if rank() != 0:
        return
    temporary = Path(f"{path}.part")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load(path):
    """The checkpoint at `path`, or None when the stage has not saved one yet."""
    return torch.load(path, weights_only=False) if Path(path).exists() else None
