"""The model's own small byte-level BPE, laid out like Qwen3's tokenizer.

Merges are learned on the recipe's questions and answers. All 256 bytes are in the vocabulary,
digits never merge, and a single and a double line break are two different tokens: the model's
decision to think is the choice between those two after "<think>".

    python tokenizer.py --run RUN
"""

import argparse
import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

from model import VOCABULARY
from out_of_scope import out_of_scope_example
from questions import greeting_example, no_picture_example, picture_examples
from questions import absent_example, text_difference, text_sum
from scenes import random_scene

SEED = 500

# Qwen's pre-tokenizer: contractions, words with one leading mark, single digits, punctuation
# with trailing line breaks, runs of line breaks, other white space.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# Qwen3's added tokens in Qwen3's order (name, special); "<image>" is the picture placeholder.
ADDED = [
    ("<|endoftext|>", True), ("<|im_start|>", True), ("<|im_end|>", True),
    ("<|object_ref_start|>", True), ("<|object_ref_end|>", True), ("<|box_start|>", True),
    ("<|box_end|>", True), ("<|quad_start|>", True), ("<|quad_end|>", True),
    ("<|vision_start|>", True), ("<|vision_end|>", True), ("<|vision_pad|>", True),
    ("<|image_pad|>", True), ("<|video_pad|>", True), ("<tool_call>", False),
    ("</tool_call>", False), ("<|fim_prefix|>", False), ("<|fim_middle|>", False),
    ("<|fim_suffix|>", False), ("<|fim_pad|>", False), ("<|repo_name|>", False),
    ("<|file_sep|>", False), ("<tool_response>", False), ("</tool_response>", False),
    ("<think>", False), ("</think>", False), ("<image>", True),
]


def corpus(count):
    """Text of every kind of example, with the line breaks that stand around thoughts."""
    rng = random.Random(SEED)
    for _ in range(count):
        examples = [make() for make in picture_examples(random_scene(rng), rng).values()]
        examples += [out_of_scope_example(rng), text_sum(rng), text_difference(rng)]
        examples += [greeting_example(rng), no_picture_example(rng)]
        examples += filter(None, [absent_example(random_scene(rng), rng)])
        for example in examples:
            yield f"{example.question}\n{example.thought}"
            yield f"user\nassistant\n\n{example.answer}"


def train():
    """Learn the merges; ids are bytes and merges first, then the added tokens, as in Qwen3."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(WORDS), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.post_processor = processors.ByteLevel(
        add_prefix_space=False, trim_offsets=False, use_regex=False
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(ADDED), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(corpus(8000), trainer)
    tokenizer.add_tokens([AddedToken(t, special=s, normalized=False) for t, s in ADDED])
    check(tokenizer)
    return tokenizer


def check(tokenizer):
    """Fail loudly if a property the thinking protocol rests on does not hold."""

    def ids(text):
        return tokenizer.encode(text, add_special_tokens=False).ids

    assert tokenizer.get_vocab_size() <= VOCABULARY
    think, end = ids("<think>"), ids("</think>")
    one, two = ids("\n"), ids("\n\n")
    assert len(think) == len(end) == len(one) == len(two) == 1
    assert ids("<think>\nI see 23") == think + one + ids("I see 23")
    assert ids("<think>\n\n</think>\n\n23") == think + two + end + two + ids("23")
    assert ids("so 71.\n</think>") == ids("so 71.\n") + end
    assert all(len(ids(digit)) == 1 for digit in "0123456789") and len(ids("2348")) == 4
    odd = "Grüße, 世界 \U0001f642\t~ \r\n naïve"
    assert tokenizer.decode(ids(odd)) == odd


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", required=True)
    path = Path(parser.parse_args().run) / "tokenizer.json"
    if not path.exists():
        train().save(str(path))


if __name__ == "__main__":
    main()
