"""PyTorch's side of the benchmark: the device's copy bandwidth, and transformers on a random model of the same shape.

Prints a line of JSON for every figure, as the other phases do. Run by run.ts; by hand:

    python3 test/bench/gpu/peer.py '{"task": "copy", "device": "cuda", "mebibytes": 4096, "rounds": 10}'

Needs torch and, for `generate` and `images`, transformers. Weights are made on the device; nothing is downloaded.
"""

import json
import statistics
import sys
import time

import torch


def emit(what, column, value, unit, **detail):
    line = {"what": what, "column": column, "value": value, "unit": unit, "detail": detail}
    print(json.dumps(line), flush=True)


def settle(device):
    if device == "cuda":
        torch.cuda.synchronize()


def median_seconds(device, rounds, work):
    """After one round of warming up."""
    times = []
    for round_number in range(-1, rounds):
        settle(device)
        started = time.perf_counter()
        work()
        settle(device)
        if round_number >= 0:
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def describe(job):
    """What is installed, and the device as PyTorch sees it."""
    device = job["device"]
    detail = {"torch": torch.__version__}
    if device == "cuda":
        if not torch.cuda.is_available():
            raise RuntimeError("PyTorch is installed but finds no CUDA device.")
        properties = torch.cuda.get_device_properties(0)
        detail |= {"name": properties.name, "bytes": properties.total_memory, "cuda": torch.version.cuda}
    return detail


def copy(job):
    device = job["device"]
    source = torch.ones(job["mebibytes"] * 2**18, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    seconds = median_seconds(device, job["rounds"], lambda: target.copy_(source))
    value = 2 * source.numel() * 4 / seconds
    emit("copy", "torch", value, "bytes a second, read and written", **describe(job))


def random_model(job):
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(**job["text_config"])
    torch.set_default_dtype(getattr(torch, job["dtype"]))
    with torch.device(job["device"]):
        model = Qwen3ForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    model.eval()
    # A random model ends its turn at random; every reply shall have the length asked for.
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model


def generate(job):
    """Greedy replies of a fixed length. The time of the first token is taken off, so that the rate is that of decoding."""
    device, column = job["device"], job["column"]
    model = random_model(job)
    most = min(20_000, model.config.vocab_size)
    settings = {"do_sample": False, "use_cache": True}
    if job["static_cache"]:
        settings["cache_implementation"] = "static"

    def reply(batch, length, new_tokens):
        ids = torch.randint(100, most, (batch, length), device=device)
        mask = torch.ones_like(ids)
        out = model.generate(ids, attention_mask=mask, max_new_tokens=new_tokens, **settings)
        assert out.shape[1] == length + new_tokens, out.shape

    context, steps, rounds = job["context_tokens"], job["steps"], job["rounds"]
    with torch.inference_mode():
        for batch in job["batches"]:
            first = median_seconds(device, rounds, lambda: reply(batch, context, 1))
            whole = median_seconds(device, rounds, lambda: reply(batch, context, 1 + steps))
            rate = batch * steps / (whole - first)
            emit(f"decode@{batch}", column, rate, "tokens/s", first_s=first, whole_s=whole, **versions())
        if job["prompt_length"]:
            seconds = median_seconds(device, rounds, lambda: reply(1, job["prompt_length"], 1))
            emit("prefill@all", column, job["prompt_length"] / seconds, "tokens/s", seconds=seconds)


def images(job):
    """The vision tower and the projector on the tiles of one image."""
    from transformers import SiglipVisionConfig, SiglipVisionModel

    device, dtype = job["device"], getattr(torch, job["dtype"])
    config = SiglipVisionConfig(**job["vision_config"])
    width, hidden = config.hidden_size, job["text_config"]["hidden_size"]
    tower = SiglipVisionModel(config).to(device, dtype).eval()
    projector = torch.nn.Sequential(
        torch.nn.Linear(width, hidden), torch.nn.GELU(), torch.nn.Linear(hidden, hidden)
    ).to(device, dtype)
    tiles = torch.rand(job["tiles"], 3, config.image_size, config.image_size, device=device, dtype=dtype)
    with torch.inference_mode():
        seconds = median_seconds(
            device, job["rounds"], lambda: projector(tower(pixel_values=tiles).last_hidden_state)
        )
    emit("images", job["column"], 1 / seconds, "a second", tiles=job["tiles"])


def versions():
    import transformers

    return {"torch": torch.__version__, "transformers": transformers.__version__}


TASKS = {"copy": copy, "generate": generate, "images": images}

if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    describe(job)
    TASKS[job["task"]](job)
