"""Hold an exported checkpoint folder against the transformers library.

Checks that Qwen3 and SigLIP from transformers, loaded with the exported tensors, compute what
this recipe's model computes, that its LLaVA-OneVision image processor cuts the same tiles, and
that its chat template and tokenizer yield the very ids the model was trained on.

    python check_export.py --checkpoint FOLDER
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import LlavaOnevisionImageProcessor, PreTrainedTokenizerFast, Qwen3Config
from transformers import Qwen3Model, SiglipVisionConfig, SiglipVisionModel

from anyres import preprocess
from data import Chat
from model import Nano
from scenes import draw, random_scene


def below(tensors, prefix):
    """The tensors under a prefix, without it."""
    return {n[len(prefix):]: t for n, t in tensors.items() if n.startswith(prefix)}


def largest_difference(a, b):
    return (a - b).abs().max().item()


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=Path, required=True)
    folder = parser.parse_args().checkpoint
    tensors = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    ours = Nano()
    unused = "vision_tower.vision_model.post_layernorm."
    ours.load_state_dict({n: t for n, t in below(tensors, "model.").items() if not n.startswith(unused)})

    decoder = Qwen3Model(Qwen3Config(**config["text_config"]))
    decoder.load_state_dict(below(tensors, "model.language_model."))
    ids = torch.randint(0, 1000, (2, 50), generator=torch.Generator().manual_seed(0))
    positions = torch.arange(50).expand(2, 50)
    mask = torch.full((50, 50), float("-inf")).triu(1)
    expected = decoder(ids).last_hidden_state
    actual = ours.language_model(ours.language_model.embed_tokens(ids), positions, mask)
    print("decoder", largest_difference(actual, expected))
    assert torch.allclose(actual, expected, atol=1e-3)

    tower = SiglipVisionModel(SiglipVisionConfig(**config["vision_config"]))
    tower.load_state_dict(below(tensors, "model.vision_tower."))
    processor = LlavaOnevisionImageProcessor.from_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    rng = random.Random(0)
    for _ in range(12):
        picture = draw(random_scene(rng), rng)
        tiles = torch.from_numpy(preprocess(picture)[0])
        pixels = processor(picture, return_tensors="pt")["pixel_values"][0]
        assert np.abs(tiles.permute(0, 3, 1, 2) / 127.5 - 1 - pixels).max() < 1e-6
        expected = tower(pixels, output_hidden_states=True).hidden_states[-1]
        actual = ours.vision_tower.vision_model(tiles)
        assert torch.allclose(actual, expected, atol=1e-3), largest_difference(actual, expected)
    print("tower and tiles agree on 12 pictures")

    chat = Chat(tokenizer.backend_tokenizer)
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]}]
    for mode, suffix in chat.suffix.items():
        rendered = tokenizer.apply_chat_template(
            messages, tokenize=True, add_generation_prompt=True, thinking_mode=mode)
        assert rendered == chat.prefix(1) + chat.question("What?") + suffix, mode
    print("chat template agrees in all modes")


if __name__ == "__main__":
    main()
