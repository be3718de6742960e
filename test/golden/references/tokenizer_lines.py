"""Lines of text in many scripts, and the ids the reference tokenizer gives them with Qwen3's tokenizer.json."""

import gzip
import hashlib
import json
import random
import struct
import unicodedata

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import AddedToken, Tokenizer

NUM_LINES = 5400

SENTENCES = [
    "The quick brown fox doesn't jump; it's lazy, I'd say, and we'll see.",
    "WE'LL SEE WHAT THEY'VE DONE, WON'T WE? It'S fine. You'Re right, I'M sure he'D go.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich, natürlich für 12,50 €.",
    "Voix ambiguë d’un cœur qui, au zéphyr, préfère les jattes de kiwis — « n'est-ce pas ? »",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia; ¡añoraba a su querido cachorro!",
    "Gözleri ışıldayan İstanbul'lu çocuk, ğüşöç harflerini ıIiİ diye yazdı.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy. Zażółć gęślą jaźń.",
    "Nhà hàng này nấu phở rất ngon, đường phố Hà Nội đông đúc.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Ґанок, їжак, ўзлёт.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Τί ἔστιν ἀλήθεια;",
    "Պարզ նախադասություն հայերենով։ მარტივი წინადადება ქართულად.",
    "עברית קלה עם ניקוד: שָׁלוֹם עֲלֵיכֶם, וגם בלי. „ציטוט”",
    "هذه جملة عربية بسيطة، مع تشكيل: اَلسَّلامُ عَلَيْكُمْ ١٢٣٤٥. این جمله فارسی‌ست: می‌خواهم.",
    "यह हिन्दी का एक वाक्य है, जिसमें संयुक्ताक्षर क्ष त्र ज्ञ और अंक १२३४ हैं।",
    "এটি একটি বাংলা বাক্য। ਇਹ ਪੰਜਾਬੀ ਹੈ। આ ગુજરાતી છે. இது தமிழ். ఇది తెలుగు. ಇದು ಕನ್ನಡ. ഇത് മലയാളം. මෙය සිංහල.",
    "นี่คือประโยคภาษาไทยที่ไม่มีช่องว่าง ໂຕອັກສອນລາວ ភាសាខ្មែរ မြန်မာစာ བོད་ཡིག ᠮᠣᠩᠭᠣᠯ",
    "አማርኛ ዓረፍተ ነገር። ትግርኛ፡ ሰላም፤ ⵜⴰⵎⴰⵣⵉⵖⵜ ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ",
    "这是一个简单的中文句子,包含标点符号。「繁體中文」與《書名號》……价格是¥128.50元。",
    "これは日本語の文章です。カタカナとひらがな、漢字が混ざっています。ﾊﾝｶｸ ｶﾀｶﾅ、全角ＡＢＣ１２３！",
    "이것은 한국어 문장입니다. 띄어쓰기가 있고 숫자 2024년도 있습니다. ㄱㄴㄷ 옛한글 ᄒᆞᆫ글",
    "Math: ∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, α ∧ ¬β → γ, ∑ᵢ xᵢ² ≤ 10⁻³, ½ + ⅓ = ⅚, Ⅳ ≠ ④, √2 ≈ 1.41421356",
    "Emoji: 😀😃 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇯🇵 ❤️ ☎︎ 1️⃣ #️⃣ 🧑🏿‍🚀 🫠",
    "Combining: e\u0301 a\u0308\u0304 n\u0303 o\u0328\u0304 A\u030a \u1e9b\u0323 \u0344 \u212b \u2126 \uac00 \u1100\u1161\u11a8",
    "Ligatures and case: ﬁ ﬂ ﬆ ß ẞ ſtraße ıİ ǅ ʼn K'S 'ſ 'ﬆ İ'LL don’t 'T 'Ve",
    "Zalgo: t\u0301\u0327\u0328e\u0334\u0335x\u0336\u0337t\u0338\u0339 done",
]

CODE = [
    "def f(x: int) -> str:\n    return f\"{x!r:>10}\"  # comment\n",
    "for (let i = 0; i < n; i++) {\n\tsum += a[i] ** 2;\n}\n",
    "SELECT a.id, COUNT(*) FROM t AS a WHERE x <> 'it''s' GROUP BY 1;",
    "#include <stdio.h>\r\nint main(void) { return printf(\"%d\\n\", 1e-5f > 0x1F); }\r\n",
    "<div class=\"a-b\" data-x='{\"k\": [1,2,3]}'>&nbsp;&lt;tag/&gt;</div>",
    "{\"key\":null,\"list\":[1.5e+10,-0.0,true],\"u\":\"\\u00e9\"}",
    "curl -sS 'http://localhost:8000/v1/models?a=1&b=%20x' | jq '.data[].id' > /tmp/out.txt 2>&1",
    "fn main() -> Result<(), Box<dyn Error>> { let x: &'static str = r#\"raw\"#; Ok(()) }",
    "    if x == y:\n        pass\n\n\n    else:\n\t\treturn   \n",
    "\\begin{align} \\frac{1}{2} \\sum_{i=0}^{n} x_i &= \\alpha \\\\ \\end{align}",
    "2024-01-31T23:59:59.999Z 1,234,567.89 +49 (0)30 123456 v1.2.3-rc.4 192.168.0.1 ::1 100%",
    "CamelCaseIdentifier snake_case_name SCREAMING_CASE kebab-case $var @decorator #tag !!! ... --- ===",
]

LOOK_ALIKES = [
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>", "<tool_call>", "</tool_call>",
    "<|vision_start|>", "<|image_pad|>", "<image>", "<|im_start", "im_end|>", "<think", "think>", "</thin k>",
    "< think >", "<THINK>", "<|im_start|>user", "<<think>>", "<|im_end|><|im_end|>", "<think>\n", "<think>\n\n</think>",
    "\n\n</think>\n\n", "＜think＞", "<think>\u0338", "<|fim_prefix|>", "<|object_ref_start|>", "<s>", "[INST]",
]

RANGES = [
    (0x00, 0x7F), (0x80, 0xFF), (0x100, 0x24F), (0x250, 0x36F), (0x370, 0x52F), (0x530, 0x6FF), (0x700, 0x8FF),
    (0x900, 0xDFF), (0xE00, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x167F), (0x1680, 0x1CFF), (0x1D00, 0x1FFF),
    (0x2000, 0x206F), (0x2070, 0x23FF), (0x2400, 0x2BFF), (0x2C00, 0x2FFF), (0x3000, 0x31FF), (0x3400, 0x9FFF),
    (0xA000, 0xABFF), (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0xF900, 0xFAFF), (0xFB00, 0xFFFD), (0x10000, 0x107FF),
    (0x10800, 0x11FFF), (0x12000, 0x16FFF), (0x1D000, 0x1D7FF), (0x1F000, 0x1FAFF), (0x20000, 0x2FA1F),
]

SPACES = [" ", "  ", "    ", "\t", "\n", "\n\n", "\n\n\n", "\r\n", "\r", " \n", "\n ", "\u00a0", "\u2003", "\u3000",
          "\u200b", "\ufeff", "\u0085", "\u2028", "\u180e", "\x0b", "\x0c", "\x1f", "\u200d", "\u2060"]


def random_characters(rng, count):
    """Assigned characters of one block, so that every Unicode version agrees on what they are."""
    low, high = rng.choice(RANGES)
    characters = []
    while len(characters) < count:
        character = chr(rng.randint(low, high))
        # Private use is a category of its own; unassigned and surrogate code points are left out.
        if unicodedata.category(character) not in ("Cn", "Cs") and is_long_standing(character):
            characters.append(character)
        elif rng.random() < 0.02:
            characters.append(" ")
    return "".join(characters)


def is_long_standing(character):
    """In Unicode 3.2 already, or an emoji or ideograph: newer scripts are classified differently by old engines."""
    return unicodedata.ucd_3_2_0.category(character) != "Cn" or 0x1F300 <= ord(character) <= 0x1F64F


def make_line(rng):
    """One line of one of several kinds; most mix two."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice(SENTENCES)[rng.randrange(20) : 20 + rng.randrange(80)]
    if kind == 1:
        words = [word for _ in range(3) for word in rng.choice(SENTENCES).split(" ")]
        return rng.choice(SPACES).join(rng.sample(words, min(len(words), rng.randint(1, 9))))
    if kind == 2:
        start = rng.randrange(12)
        return rng.choice(CODE)[start : start + rng.randint(5, 70)] + rng.choice(CODE)[: rng.randrange(30)]
    if kind == 3:
        return random_characters(rng, rng.randint(1, 24))
    if kind == 4:
        pieces = [rng.choice(LOOK_ALIKES + SPACES + ["a", "b c", "1", "'s", "。"]) for _ in range(rng.randint(1, 7))]
        return "".join(pieces)
    if kind == 5:
        return "".join(rng.choice(SPACES + ["x", "7", ".", "'ll"]) for _ in range(rng.randint(1, 14)))
    if kind == 6:
        digits = "".join(rng.choice("0123456789٣५７.,-+eE/:% ") for _ in range(rng.randint(1, 20)))
        return rng.choice(["", "x=", "№ ", "$"]) + digits
    left, right = rng.choice(SENTENCES), random_characters(rng, 6)
    cut = rng.randrange(len(left))
    return left[cut : cut + 25] + right + rng.choice(LOOK_ALIKES) + left[:cut][:20]


def short_hash(full, plain):
    """First 8 bytes of the sha256 of both lists of ids as uint32, little endian, the number of the first before them."""
    ids = [len(full), *full, *plain]
    return hashlib.sha256(struct.pack(f"<{len(ids)}I", *ids)).digest()[:8]


def make_tokenizer_lines(folder, qwen3_tokenizer_json):
    """Write lines.json.gz, and hashes.bin: 8 bytes per line, over its ids with and without added tokens."""
    source = json.loads(qwen3_tokenizer_json.read_text(encoding="utf-8"))
    full = Tokenizer.from_str(json.dumps(source))
    plain = Tokenizer.from_str(json.dumps({**source, "added_tokens": []}))
    rng = random.Random(20)
    lines = list(dict.fromkeys([*SENTENCES, *CODE, *LOOK_ALIKES, *(make_line(rng) for _ in range(2 * NUM_LINES))]))
    lines = [line for line in lines if line][:NUM_LINES]
    hashes = b"".join(
        short_hash(*(tokenizer.encode(line, add_special_tokens=False).ids for tokenizer in (full, plain)))
        for line in lines
    )
    text = json.dumps(lines, ensure_ascii=False, separators=(",", ":")).encode()
    (folder / "lines.json.gz").write_bytes(gzip.compress(text, 9, mtime=0))
    (folder / "hashes.bin").write_bytes(hashes)
    print(f"tokenizer: {len(lines)} lines")


CONVERSATIONS = [
    [{"role": "user", "content": "What is 17 + 25?"}],
    [{"role": "system", "content": "Answer in German."}, {"role": "user", "content": "Wie spät ist es?\n\nBitte kurz."}],
    [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "How many tomatoes are there?"}]},
        {"role": "assistant", "content": "Four."},
        {"role": "user", "content": [{"type": "text", "text": "And here? "}, {"type": "image"}, {"type": "image"}]},
    ],
    [{"role": "user", "content": "  leading and trailing white space \n\n"}],
    [{"role": "user", "content": "数字 ١٢٣ 👍🏽 — naïve cafe\u0301 <b>bold</b> a<b && c>d"}],
]

QWEN3_CONVERSATIONS = [
    [{"role": "user", "content": "What is 17 + 25?"}],
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "First question"},
        {"role": "assistant", "content": "First answer", "reasoning": "forgotten by the template"},
        {"role": "user", "content": "Second question\n"},
        {"role": "assistant", "content": "<think>\nforgotten too\n</think>\n\nSecond answer"},
        {"role": "user", "content": "Third question"},
    ],
    [
        {"role": "user", "content": "Look it up."},
        {"role": "assistant", "content": "I am looking.", "reasoning": "kept, since no user spoke after it"},
        {"role": "tool", "content": "{\"found\": 42}"},
        {"role": "assistant", "content": "<think>\nkept as well\n</think>\n\nStill looking."},
        {"role": "tool", "content": "nothing"},
        {"role": "tool", "content": "more"},
    ],
]

QWEN3_MODES = {"think": {"enable_thinking": True}, "fast": {"enable_thinking": False}}
R4B_MODES = {"auto": {}, "think": {"thinking_mode": "long"}, "fast": {"thinking_mode": "short"}}

FAMILIES = {"R-4B": (CONVERSATIONS, R4B_MODES), "Qwen3": (QWEN3_CONVERSATIONS, QWEN3_MODES)}


def for_template(message):
    """The message as chat templates take it: thinking goes under reasoning_content."""
    message = dict(message)
    if "reasoning" in message:
        message["reasoning_content"] = message.pop("reasoning")
    return message


def make_prompts(folder, qwen3_tokenizer_json, templates):
    """Write prompts.json: conversations, and their prompt ids in every thinking mode of their family."""
    source = json.loads(qwen3_tokenizer_json.read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_str(json.dumps(source))
    tokenizer.add_tokens([AddedToken("<image>", normalized=False, special=True)])
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    cases = []
    for family, (conversations, modes) in FAMILIES.items():
        template = environment.from_string(templates[family])
        for messages in conversations:
            for mode, variables in modes.items():
                given = [for_template(message) for message in messages]
                text = template.render(messages=given, add_generation_prompt=True, **variables)
                ids = tokenizer.encode(text, add_special_tokens=False).ids
                cases.append({"family": family, "mode": mode, "messages": messages, "ids": ids})
    (folder / "prompts.json").write_text(json.dumps(cases, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"prompts: {len(cases)}")
