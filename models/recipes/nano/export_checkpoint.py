"""Write a Hugging Face checkpoint folder in R-4B's layout from a run's newest weights.

Until a stage has run, its part of the model is exported as initialised, so the folder's format
can be used from the first minute on.

    python export_checkpoint.py --run RUN --output FOLDER
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

import model as nano
from anyres import PATCH, PINPOINTS, SIDE, TILE
from training import load

SEED = 1
STAGES = ["bpo-priced", "trial", "anneal", "projector"]
"""Stages that save a whole model, newest first. The variant "bpo-pure" is for comparison only."""


def load_stage(run, stage):
    """The model as a stage saved it."""
    torch.manual_seed(SEED)
    model = nano.Nano()
    model.load_state_dict(load(run / f"{stage}.pt")["model"])
    return model


def newest_model(run):
    """The model of the latest stage that has saved anything."""
    torch.manual_seed(SEED)
    model = nano.Nano()
    for stage in STAGES:
        if (run / f"{stage}.pt").exists():
            return load_stage(run, stage)
    if state := load(run / "vision.pt"):
        model.vision_tower.vision_model.load_state_dict(state["tower"])
    if state := load(run / "decoder.pt"):
        model.language_model.load_state_dict(state["decoder"])
    return model


def tensors(model):
    """The state dict under the checkpoint's names; the unused final norm becomes an identity."""
    named = {f"model.{name}": t.contiguous() for name, t in model.state_dict().items()}
    norm = "model.vision_tower.vision_model.post_layernorm"
    named[f"{norm}.weight"] = torch.ones(nano.VISION_HIDDEN)
    named[f"{norm}.bias"] = torch.zeros(nano.VISION_HIDDEN)
    return named


def configs(tokenizer):
    """All JSON files of the folder."""
    ids = {token: tokenizer.token_to_id(token)
           for token in ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>"]}
    text = {
        "model_type": "qwen3",
        "vocab_size": nano.VOCABULARY,
        "hidden_size": nano.HIDDEN,
        "intermediate_size": nano.MLP,
        "num_hidden_layers": nano.LAYERS,
        "num_attention_heads": nano.HEADS,
        "num_key_value_heads": nano.KV_HEADS,
        "head_dim": nano.HEAD_DIM,
        "hidden_act": "silu",
        "rms_norm_eps": nano.NORM_EPS,
        "rope_theta": nano.ROPE_THETA,
        "rope_scaling": None,
        "attention_bias": False,
        "use_sliding_window": False,
        "max_position_embeddings": nano.MAX_POSITIONS,
        "tie_word_embeddings": True,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "torch_dtype": "float32",
    }
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": nano.VISION_HIDDEN,
        "intermediate_size": nano.VISION_MLP,
        "num_hidden_layers": nano.VISION_LAYERS,
        "num_attention_heads": nano.VISION_HEADS,
        "num_channels": 3,
        "image_size": TILE,
        "patch_size": PATCH,
        "hidden_act": "gelu_pytorch_tanh",
        "layer_norm_eps": nano.NORM_EPS,
        "attention_dropout": 0.0,
        "vision_use_head": False,
        "torch_dtype": "float32",
    }
    added = {
        str(id): {"content": t.content, "lstrip": t.lstrip, "normalized": t.normalized,
                  "rstrip": t.rstrip, "single_word": t.single_word, "special": t.special}
        for id, t in sorted(tokenizer.get_added_tokens_decoder().items())
    }
    return {
        "config.json": {
            "architectures": ["RForConditionalGeneration"],
            "model_type": "R",
            "text_config": text,
            "vision_config": vision,
            "image_token_index": ids["<image>"],
            "image_grid_pinpoints": PINPOINTS,
            "vision_aspect_ratio": "anyres",
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "full",
            "projector_hidden_act": "gelu",
            "multimodal_projector_bias": True,
            "tie_word_embeddings": True,
            "max_position_embeddings": nano.MAX_POSITIONS,
            "torch_dtype": "float32",
        },
        "preprocessor_config.json": {
            "image_processor_type": "LlavaOnevisionImageProcessor",
            "processor_class": "RProcessor",
            "do_convert_rgb": True,
            "do_resize": True,
            "size": {"height": TILE, "width": TILE},
            "resample": 3,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "do_pad": True,
            "image_grid_pinpoints": PINPOINTS,
        },
        "processor_config.json": {
            "processor_class": "RProcessor",
            "image_token": "<image>",
            "num_image_tokens": SIDE * SIDE,
            "vision_aspect_ratio": "anyres",
            "vision_feature_select_strategy": "full",
        },
        "tokenizer_config.json": {
            "tokenizer_class": "Qwen2Tokenizer",
            "add_prefix_space": False,
            "add_bos_token": False,
            "added_tokens_decoder": added,
            "bos_token": None,
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "unk_token": None,
            "clean_up_tokenization_spaces": False,
            "split_special_tokens": False,
            "errors": "replace",
            "model_max_length": nano.MAX_POSITIONS,
        },
        "generation_config.json": {
            "do_sample": False,
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]],
            "pad_token_id": ids["<|endoftext|>"],
        },
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--stage", help="export this stage's weights (default: the newest of the run)")
    arguments = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(arguments.run / "tokenizer.json"))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    # Readers may be looking at the folder, so every file is replaced in one step.
    with tempfile.TemporaryDirectory(dir=arguments.output.parent) as folder:
        folder = Path(folder)
        for name, content in configs(tokenizer).items():
            (folder / name).write_text(json.dumps(content, indent=2) + "\n")
        shutil.copy(arguments.run / "tokenizer.json", folder)
        shutil.copy(Path(__file__).parent / "chat_template.jinja", folder)
        stage = arguments.stage
        model = load_stage(arguments.run, stage) if stage else newest_model(arguments.run)
        save_file(tensors(model), folder / "model.safetensors", metadata={"format": "pt"})
        arguments.output.mkdir(exist_ok=True)
        for file in folder.iterdir():
            file.chmod(0o644)
            os.replace(file, arguments.output / file.name)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{arguments.output}: {parameters:,} parameters")


if __name__ == "__main__":
    main()
