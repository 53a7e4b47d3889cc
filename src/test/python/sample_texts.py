"""Random texts that tokenizers split in different ways: many scripts, emoji, code, white space, numbers, control tokens."""

import random

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.", "I'm sure they'll say it's YOU'RE fault, can't they'd?",
    "don’t “quote” – dash — … ellipsis", "Donaudampfschifffahrtsgesellschaft, Straße, ÄÖÜ", "Où est l'œuvre d'été, garçon ?",
    "¿Dónde está el niño? ¡Aquí!", "Não há ação em São Paulo", "Zażółć gęślą jaźń", "Příliš žluťoučký kůň", "Árvíztűrő tükörfúrógép",
    "İstanbul'da IĞDIR ılık", "Đây là tiếng Việt, cửa Việt", "Привет, как дела? ДОБРОЕ утро.", "Їжак і ґанок", "Γειά σου Κόσμε",
    "مرحبا بالعالم، كيف الحال؟", "فارسی می‌نویسیم", "اردو میں لکھیں۔", "שָׁלוֹם עולם", "नमस्ते दुनिया। क्षत्रिय", "বাংলা ভাষা, আমি",
    "தமிழ் மொழி", "తెలుగు భాష", "ಕನ್ನಡ ಭಾಷೆ", "മലയാളം ഭാഷ", "ગુજરાતી", "ਪੰਜਾਬੀ", "සිංහල", "สวัสดีชาวโลก ภาษาไทย", "ພາສາລາວ", "កាន់តែពិសេសអាច",
    "မြန်မာဘာသာ", "བོད་སྐད།", "ქართული ენა ᲥᲐᲠᲗᲣᲚᲘ", "Հայերեն լեզու", "አማርኛ ቋንቋ።", "ᏣᎳᎩ ꮳꮃꭹ", "你好，世界！今天天气很好。", "漢字と平仮名、カタカナ。ﾊﾝｶｸ",
    "안녕하세요 세계 ㄱㄴㄷ", "𠮷野家で𩸽を", "ᠮᠣᠩᠭᠣᠯ", "𝕳𝖊𝖑𝖑𝖔 𐍈 🜁 𐐀𐐨", "e\u0301 n\u0303 o\u0302\u0323 a\u030a ﬁ ﬀ Å Ω K",
    "Z̸̢̛a̷l̶g̵o̴", "😀 👍🏽 👨‍👩‍👧‍👦 🇩🇪 ❤️ 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🫠🪿", "z\u200bw\u200dj \ufeffbom \u00adsoft \u2060wj", "\u0001\u0002\u001b[31m\u007f\u0085\u0000",
    "a\u00a0b\u2003c\u3000d\u2028e\u202ff", "٣٤٥ ۱۲۳ Ⅷ ½ ² ①②", "१२३४५ ๑๒๓", "π ≈ 3.14159e-10; ∑x² ≤ ∞ → ℝ", "€5 £3 ¥200 ₹1,000 5$ 100%",
    "def f(x):\n    return x ** 2  # square\n\n\nclass A:\n\tpass\n", "if (a && b || !c) { printf(\"%d\\n\", x[i]->y); } /* ok */",
    "{\"key\": [1, 2.5, null, true], \"s\": \"\\u00e9\"}", "<html><body class=\"x\">&amp;</body></html>", "SELECT * FROM t WHERE a='b';--",
    "https://example.org/a/b?c=d&e=%20#f user@example.org", "C:\\Program Files\\x $HOME/~ `ls -la` @#%^&*()_+-=[]{}|;':\",./<>?",
    "camelCaseWords snake_case_words SCREAMING_CASE kebab-case HTTPServer iPhone15Pro", "================ -------- ........ !!!!!! ??????",
    "x" * 70, "ab" * 40, "aaaa bbbb", "\\frac{1}{2} \\alpha^{n_i}", "# Title\n\n* item\n  1. sub\n\n```py\nx=1\n```\n", "a/b//c///\n\n/\r\n",
    "▁ is a letter here ▁▁", "<0x41> is no byte <0x0A>", "<unused1> [multimodal] <pad> </s> <s>[INST]", "'S 'T 'RE 'VE 'M 'LL 'D 's't're've'm'll'd", "'tis 'really' we'dare l'été o'Reilly x'Sx",
]
SPACES = [" ", "  ", "   ", "    ", "\t", "\n", "\n\n", "\n\n\n", "\r\n", " \n", "\n ", "\t\t", " \t ", "\u00a0", "\u3000", "\u2003 ", "        ", ""]
BLOCKS = [
    (0x20, 0x7E), (0xA0, 0xFF), (0x100, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x58F), (0x590, 0x5FF),
    (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x218F),
    (0x2190, 0x23FF), (0x2460, 0x27BF), (0x2C00, 0x2DFF), (0x3000, 0x30FF), (0x3130, 0x318F), (0x4E00, 0x9FFF), (0xA640, 0xA7FF), (0xAC00, 0xD7A3),
    (0xF900, 0xFAFF), (0xFB00, 0xFDCF), (0xFE00, 0xFFEF), (0x10400, 0x104FF), (0x1D400, 0x1D7FF), (0x1E900, 0x1E95F), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF),
]


def number(rng):
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 12)))
    return rng.choice([digits, digits[:3] + "," + digits[3:], digits + "." + digits[:2], "-" + digits, "0x" + digits, digits + "th"])


def part(rng, control):
    kind = rng.random()
    if kind < 0.34:
        words = rng.choice(SENTENCES).split(" ")
        start = rng.randrange(len(words))
        return " ".join(words[start:start + rng.randint(1, 6)])
    if kind < 0.5:
        return rng.choice(SENTENCES)
    if kind < 0.62:
        return rng.choice(SPACES) * rng.randint(1, 3)
    if kind < 0.72:
        return number(rng)
    if kind < 0.8 and control:
        name = rng.choice(control)
        return rng.choice([name, name, name[:-1], name + " ", "\n" + name])
    block = rng.choice(BLOCKS)
    return "".join(chr(rng.randint(*block)) for _ in range(rng.randint(1, 8)))


def texts(count, seed, control=()):
    """`count` texts. `control` has names of control tokens."""
    rng = random.Random(seed)
    made = list(SENTENCES) + [""]
    while len(made) < count:
        made.append("".join(part(rng, control) + rng.choice(["", "", " ", " "]) for _ in range(rng.randint(1, 9))))
    return made[:count]
