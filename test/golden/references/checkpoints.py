"""Small random checkpoints in R-4B's and Qwen3's layout, and what PyTorch computes from them.

The reference model is transformers' LlavaOnevisionForConditionalGeneration with a Qwen3 text model and a SigLIP tower
without pooling head. Two things make it an R-4B: the projector normalises its input first, and
`anyres_max_1000` switches the shrinking of large grids off, which leaves plain AnyRes.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jinja2.sandbox import ImmutableSandboxedEnvironment
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration, Qwen3Config, Qwen3ForCausalLM
from transformers.models.llava_onevision.image_processing_llava_onevision import LlavaOnevisionImageProcessor

from . import pictures
from .small_tokenizer import make_tokenizer, write_tokenizer

NUM_LOGIT_ROWS = 64
NUM_GREEDY = 64
MIN_MARGIN = 5e-3
"""Smallest gap between the two best logits of any greedy step: far above what float32 rounding can turn over."""

MIN_DISTINCT = 12
"""Different tokens a greedy continuation must have: one that repeats itself proves little."""

TEMPLATES = Path(__file__).parent


@dataclass(frozen=True)
class Vision:
    tile: int
    patch: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    pinpoints: list
    resample: int = 3


@dataclass(frozen=True)
class Case:
    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    tied: bool
    vision: Vision | None = None
    vocab: int = 288
    rope_theta: float = 1_000_000.0
    scheme: str = "new"
    dtype: torch.dtype = torch.float32
    shards: int = 1
    stores_tied_head: bool = False
    pictures: list = field(default_factory=list)
    question: str = "What is in the picture?"


def grid(tile, pairs):
    return [[tile * rows, tile * columns] for rows, columns in pairs]


CASES = [
    # Several tiles, grouped-query attention, the current naming scheme.
    Case(
        name="r4b-wide", hidden=24, layers=2, heads=4, kv_heads=2, head_dim=16, intermediate=40, tied=False,
        vision=Vision(28, 7, 16, 2, 2, 24, grid(28, [(1, 1), (1, 2), (2, 1), (2, 2), (1, 3)])),
        pictures=[("noise", pictures.noise(61, 37, 1))],
    ),
    # One key-value head for all, tied embeddings with a stored copy, float16, the older naming scheme, two pictures.
    Case(
        name="r4b-two-pictures", hidden=24, layers=3, heads=4, kv_heads=1, head_dim=16, intermediate=48, tied=True,
        vision=Vision(32, 8, 24, 1, 3, 40, grid(32, [(r, c) for r in (1, 2, 3) for c in (1, 2, 3)])),
        scheme="old", stores_tied_head=True, dtype=torch.float16, rope_theta=10_000.0,
        pictures=[("gradient", pictures.gradient(90, 53)), ("drawing", pictures.drawing(40, 118, "tall"))],
        question="What is the difference?",
    ),
    # As many key-value heads as heads, pixels left over beside the patches, bilinear, shards, float16, three pictures.
    Case(
        name="r4b-shards", hidden=24, layers=1, heads=2, kv_heads=2, head_dim=32, intermediate=56, tied=False,
        vision=Vision(30, 8, 16, 3, 1, 32, grid(30, [(2, 2), (1, 2), (2, 1)]), resample=2),
        shards=3, vocab=304, dtype=torch.float16,
        pictures=[
            ("square", pictures.drawing(64, 64, "a")),
            ("tiny", pictures.noise(9, 13, 2)),
            ("strip", pictures.gradient(150, 20)),
        ],
        question="Name the shapes, and count them.",
    ),
    # bfloat16, projections wider than the hidden size, tied, one picture smaller than a tile.
    Case(
        name="r4b-bf16", hidden=24, layers=4, heads=8, kv_heads=4, head_dim=16, intermediate=64, tied=True,
        vision=Vision(42, 14, 16, 2, 4, 24, grid(42, [(1, 2), (2, 1), (2, 2), (3, 1), (1, 3)])),
        dtype=torch.bfloat16, pictures=[("drawing", pictures.drawing(33, 71, "b"))],
        question="Is the picture upside down? Say why, the short way.",
    ),
    # Text only.
    Case(
        name="qwen3-untied", hidden=24, layers=2, heads=4, kv_heads=2, head_dim=16, intermediate=40, tied=False,
        question="What is the sum of twelve and thirty, and what is the product of the two? Answer in one line.",
    ),
    Case(
        name="qwen3-tied-bf16", hidden=32, layers=3, heads=2, kv_heads=1, head_dim=48, intermediate=48, tied=True,
        dtype=torch.bfloat16, shards=2, vocab=296,
        question="Write the names of the seven days, then of the twelve months, and what they come from.",
    ),
]


class Projector(nn.Module):
    """R-4B's: LayerNorm, linear, GELU (erf), linear."""

    def __init__(self, vision_hidden, hidden):
        super().__init__()
        self.pre_norm = nn.LayerNorm(vision_hidden, eps=1e-6)
        self.linear_1 = nn.Linear(vision_hidden, hidden)
        self.act = nn.GELU()
        self.linear_2 = nn.Linear(hidden, hidden)

    def forward(self, features):
        return self.linear_2(self.act(self.linear_1(self.pre_norm(features))))


def text_config(case):
    return {
        "model_type": "qwen3",
        "vocab_size": case.vocab,
        "hidden_size": case.hidden,
        "num_hidden_layers": case.layers,
        "num_attention_heads": case.heads,
        "num_key_value_heads": case.kv_heads,
        "head_dim": case.head_dim,
        "intermediate_size": case.intermediate,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": case.rope_theta,
        "rope_scaling": None,
        "attention_bias": False,
        "use_sliding_window": False,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": case.tied,
    }


def vision_config(vision):
    return {
        "model_type": "siglip_vision_model",
        "hidden_size": vision.hidden,
        "num_hidden_layers": vision.layers,
        "num_attention_heads": vision.heads,
        "intermediate_size": vision.intermediate,
        "image_size": vision.tile,
        "patch_size": vision.patch,
        "num_channels": 3,
        "hidden_act": "gelu_pytorch_tanh",
        "layer_norm_eps": 1e-6,
        "vision_use_head": False,
    }


def build_model(case, image_token_id):
    """The untrained model in float32."""
    text = text_config(case)
    if case.vision is None:
        return Qwen3ForCausalLM(Qwen3Config(**text)).eval()
    config = LlavaOnevisionConfig(
        text_config=text,
        vision_config=vision_config(case.vision),
        image_token_index=image_token_id,
        image_grid_pinpoints=case.vision.pinpoints,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_1000",
        tie_word_embeddings=case.tied,
    )
    model = LlavaOnevisionForConditionalGeneration(config)
    model.model.multi_modal_projector = Projector(case.vision.hidden, case.hidden)
    return model.eval()


@torch.no_grad()
def randomise(model, case, seed):
    """Weights large enough for attention to attend and for logits to differ by several units."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        if "norm" in name and name.endswith("weight"):
            values = 1 + 0.3 * values
        elif name.endswith(("bias", "image_newline", "position_embedding.weight")):
            values = 0.3 * values
        elif "lm_head" in name or "embed_tokens" in name:
            values = 2.5 * values / case.hidden**0.5
        else:
            values = 1.3 * values / parameter[0].numel() ** 0.5
        # Rounding first makes the stored numbers and the reference's the same.
        parameter.copy_(values.to(case.dtype).to(torch.float32))
    if case.tied:
        model.tie_weights()


def stored_name(name, case):
    """The checkpoint's name for a tensor of the reference model."""
    if case.vision is None or case.scheme == "new":
        return name
    if name == "lm_head.weight":
        return "language_model.lm_head.weight"
    if name.startswith("model.language_model."):
        return "language_model.model." + name.removeprefix("model.language_model.")
    return name.removeprefix("model.")


def save_weights(folder, model, case):
    tensors = {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and case.tied and not case.stores_tied_head:
            continue
        tensors[stored_name(name, case)] = tensor.detach().to(case.dtype).clone().contiguous()
    if case.shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    weight_map = {}
    names = sorted(tensors)
    for shard in range(case.shards):
        file = f"model-{shard + 1:05}-of-{case.shards:05}.safetensors"
        part = names[shard :: case.shards]
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(part, file))
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def save_configs(folder, case, tokenizer):
    dtype = str(case.dtype).removeprefix("torch.")
    text = text_config(case)
    template = "r4b.chat_template.jinja"
    if case.vision is None:
        config = {"architectures": ["Qwen3ForCausalLM"], **text, "torch_dtype": dtype}
        template = "qwen3.chat_template.jinja"
    else:
        config = {
            "architectures": ["RForConditionalGeneration"],
            "model_type": "R",
            "image_token_index": tokenizer.token_to_id("<image>"),
            "projector_hidden_act": "gelu",
            "multimodal_projector_bias": True,
            "vision_feature_select_strategy": "full",
            "vision_feature_layer": -1,
            "vision_aspect_ratio": "anyres",
            "image_grid_pinpoints": case.vision.pinpoints,
            "tie_word_embeddings": case.tied,
            "torch_dtype": dtype,
            "text_config": text,
            "vision_config": vision_config(case.vision),
        }
        write_json(folder / "preprocessor_config.json", preprocessor_config(case.vision))
    write_json(folder / "config.json", config)
    eos = [tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")]
    write_json(folder / "generation_config.json", {"do_sample": False, "eos_token_id": eos})
    (folder / "chat_template.jinja").write_text((TEMPLATES / template).read_text())


def preprocessor_config(vision):
    return {
        "image_processor_type": "LlavaOnevisionImageProcessor",
        "size": {"height": vision.tile, "width": vision.tile},
        "resample": vision.resample,
        "image_grid_pinpoints": vision.pinpoints,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_convert_rgb": True,
    }


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def render(template, messages, **variables):
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(messages=messages, add_generation_prompt=True, **variables)


@torch.no_grad()
def prepare(model, case, folder, tokenizer):
    """The model's inputs: prompt ids with repeated placeholders, pixels, packed features per picture."""
    images = [image for _, image in case.pictures]
    content = [{"type": "image"} for _ in images] + [{"type": "text", "text": case.question}]
    messages = [{"role": "user", "content": content if images else case.question}]
    text = render((folder / "chat_template.jinja").read_text(), messages)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    if not images:
        return torch.tensor([ids]), {}, []
    settings = preprocessor_config(case.vision)
    processor = LlavaOnevisionImageProcessor(**{k: v for k, v in settings.items() if k != "image_processor_type"})
    batch = processor(images=images, return_tensors="pt")
    inputs = {
        "pixel_values": batch["pixel_values"],
        "image_sizes": batch["image_sizes"],
        "batch_num_images": batch["batch_num_images"],
    }
    features = model.model.get_image_features(**inputs, vision_aspect_ratio="anyres_max_1000")
    image_token = tokenizer.token_to_id("<image>")
    counts = iter(feature.shape[0] for feature in features)
    repeated = [copy for i in ids for copy in [i] * (next(counts) if i == image_token else 1)]
    return torch.tensor([repeated]), inputs, features


@torch.no_grad()
def greedy(model, ids, inputs):
    """The prompt's last logits, NUM_GREEDY most likely tokens and the smallest margin; None when one is too close."""
    output = model(input_ids=ids, use_cache=True, **inputs)
    logits, cache = output.logits[0], output.past_key_values
    prompt_logits, margin, tokens = logits[-NUM_LOGIT_ROWS:], float("inf"), []
    while True:
        best = logits[-1].topk(2)
        margin = min(margin, (best.values[0] - best.values[1]).item())
        if margin < MIN_MARGIN:
            return None
        tokens.append(best.indices[0].item())
        if len(tokens) == NUM_GREEDY:
            return tokens, prompt_logits, margin
        # Embedded here: a placeholder the model writes itself is an ordinary token, not a picture.
        embedded = model.get_input_embeddings()(best.indices[:1])[None]
        output = model(inputs_embeds=embedded, past_key_values=cache, use_cache=True)
        logits, cache = output.logits[0], output.past_key_values


def make_case(case, folder):
    """Write one checkpoint folder with its pictures and references; try seeds until no greedy step is close."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    write_tokenizer(folder, tokenizer)
    save_configs(folder, case, tokenizer)
    model = build_model(case, tokenizer.token_to_id("<image>"))
    for seed in range(1000):
        randomise(model, case, seed)
        ids, inputs, features = prepare(model, case, folder, tokenizer)
        if case.vision is not None:
            inputs["vision_aspect_ratio"] = "anyres_max_1000"
        found = greedy(model, ids, inputs)
        if found is not None and len(set(found[0])) >= MIN_DISTINCT:
            break
    else:
        raise SystemExit(f"{case.name}: no seed gives a clear greedy continuation")
    tokens, logits, margin = found
    save_weights(folder, model, case)
    for name, image in case.pictures:
        image.save(folder / f"{name}.png", optimize=True)
        with Image.open(folder / f"{name}.png") as stored:
            if stored.tobytes() != image.tobytes():
                raise SystemExit(f"{name}.png does not hold the picture")
    logits.numpy().astype("<f4").tofile(folder / "reference.logits.f32")
    if features:
        packed = torch.cat(list(features)).numpy().astype("<f4")
        packed.tofile(folder / "reference.features.f32")
    reference = {
        "seed": seed,
        "smallestGreedyMargin": round(margin, 6),
        "question": case.question,
        "pictures": [f"{name}.png" for name, _ in case.pictures],
        "numImageTokens": [int(feature.shape[0]) for feature in features],
        "promptTokenIds": ids[0].tolist(),
        "numLogitRows": int(logits.shape[0]),
        "greedyTokenIds": tokens,
    }
    (folder / "reference.json").write_text(json.dumps(reference) + "\n")
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{case.name}: seed {seed}, prompt {ids.shape[1]}, margin {margin:.4f}, {size / 1024:.0f} KiB")
