"""generate_tokenizer.py: the reference tokenizer on every code point and on hand-made texts. (env: hf)

    python tests/golden/generate_tokenizer.py                      writes tests/golden/tokenizer/
    python tests/golden/generate_tokenizer.py --show uncased 1F    the 256 reference lines of block 0x1F, readable

codepoints.SETTING.crc32: 4,352 little-endian uint32, one for each block of 256 code points, in order. A block's value
is the CRC-32 (zlib's) of its lines in UTF-8, joined by "\\n"; a line is the words of "a<code point>b" after
normalisation and pre-tokenisation, joined by U+001F. Surrogates (blocks D8 to DF) have no lines: their value is 0.
"""

import argparse
import array
import json
import sys
import zlib

import tokenizers
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

import tricky_texts
from common import GOLDEN
from tokenize_reference import SPECIAL, bert_tokenizer, read_vocabulary, truncate

DIRECTORY = GOLDEN / "tokenizer"
SETTINGS = {
    "cased": {"lowercase": False, "strip_accents": None, "chinese": True},
    "uncased": {"lowercase": True, "strip_accents": None, "chinese": True},
    "cased_no_chinese": {"lowercase": False, "strip_accents": None, "chinese": False},
    "uncased_no_chinese": {"lowercase": True, "strip_accents": None, "chinese": False},
    "lower_only": {"lowercase": True, "strip_accents": False, "chinese": True},
    "strip_only": {"lowercase": False, "strip_accents": True, "chinese": True},
}
BLOCKS = 0x110000 // 256


def words_of(setting):
    options = SETTINGS[setting]
    normalizer = BertNormalizer(clean_text=True, handle_chinese_chars=options["chinese"],
                                strip_accents=options["strip_accents"], lowercase=options["lowercase"])
    pre_tokenizer = BertPreTokenizer()
    return lambda text: [word for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text))]


def block_lines(words, block):
    codes = range(block * 256, (block + 1) * 256)
    return [] if 0xD8 <= block <= 0xDF else ["\x1f".join(words(f"a{chr(code)}b")) for code in codes]


def write_code_points(setting):
    words = words_of(setting)
    values = array.array("I", (zlib.crc32("\n".join(block_lines(words, b)).encode("utf-8")) for b in range(BLOCKS)))
    if sys.byteorder == "big":
        values.byteswap()
    (DIRECTORY / f"codepoints.{setting}.crc32").write_bytes(values.tobytes())


def show(setting, block):
    words = words_of(setting)
    for offset, line in enumerate(block_lines(words, block)):
        parts = [part.encode("unicode_escape").decode() for part in line.split("\x1f")]
        print(f"U+{block * 256 + offset:04X}  {' | '.join(parts)}")


def write_vocabulary():
    """Whole words and pieces of the texts themselves; one in seven characters is left out, so that [UNK] occurs."""
    pieces = set()
    for setting in SETTINGS:
        words = words_of(setting)
        for text in tricky_texts.TEXTS + [text for pair in tricky_texts.PAIRS for text in pair]:
            for word in words(text):
                pieces.update(keep for keep in (word[:1], word[:3], word[:4]) if len(keep) < 5)
                pieces.update("##" + keep for keep in (*word[1:], word[1:3], word[4:7], word[-2:], word[3:]) if keep)
    pieces = {piece for piece in pieces if len(piece) < 8 and zlib.crc32(piece.encode("utf-8")) % 7}
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1) if chr(code) not in "qz"]
    words = "the movie film was is not very good great bore ##d ##ing ##ness ##s un ##believ ##able".split()
    tokens = SPECIAL + letters + ["##" + letter for letter in letters] + words
    tokens += sorted(pieces - set(tokens))
    tokens = list(dict.fromkeys(tokens))
    # U+0085 and friends would be trimmed or split a line when the file is read.
    tokens = [token for token in tokens if token == token.strip() and "\n" not in token]
    (DIRECTORY / "vocab.txt").write_text("".join(token + "\n" for token in tokens), encoding="utf-8", newline="\n")


def cases():
    """(setting, text_a, text_b or None, max_length, special tokens in the text)"""
    for text in tricky_texts.TEXTS:
        for setting in ("cased", "uncased"):
            yield setting, text, None, 0, True
        if "[" in text:
            yield "cased", text, None, 0, False
            yield "uncased", text, None, 0, False
        if any(ord(character) > 0x2FF for character in text):
            for setting in ("cased_no_chinese", "lower_only", "strip_only"):
                yield setting, text, None, 0, True
    for text in tricky_texts.CUT_TEXTS:
        for max_length in tricky_texts.CUT_LENGTHS:
            yield "uncased", text, None, max_length, True
    for first, second in tricky_texts.PAIRS:
        for max_length in tricky_texts.PAIR_LENGTHS:
            yield "uncased", first, second, max_length, True


def write_texts():
    vocabulary = read_vocabulary(DIRECTORY / "vocab.txt")
    lines = []
    for setting, first, second, max_length, special in cases():
        tokenizer = bert_tokenizer(vocabulary, special_in_text=special, **SETTINGS[setting])
        truncate(tokenizer, max_length)
        encoding = tokenizer.encode(first) if second is None else tokenizer.encode(first, second)
        lines.append(json.dumps({
            "setting": setting, "special_tokens_in_text": special, "max_length": max_length,
            "text_a": first, "text_b": second, "ids": encoding.ids, "types": encoding.type_ids,
        }))
    settings = {
        name: {"do_lower_case": options["lowercase"], "strip_accents": options["strip_accents"],
               "tokenize_chinese_chars": options["chinese"]}
        for name, options in SETTINGS.items()
    }
    head = {"versions": {"tokenizers": tokenizers.__version__}, "vocab": "vocab.txt", "settings": settings}
    body = ",\n".join(lines)
    (DIRECTORY / "texts.json").write_text(json.dumps(head)[:-1] + f', "cases": [\n{body}\n]}}\n')
    print(f"tokenizer: {len(lines)} encodings, {len(vocabulary)} words")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--show", nargs=2, metavar=("SETTING", "BLOCK"), help="print the reference lines of one block")
    options = parser.parse_args()
    if options.show:
        show(options.show[0], int(options.show[1], 16))
        return
    DIRECTORY.mkdir(exist_ok=True)
    for setting in SETTINGS:
        write_code_points(setting)
    write_vocabulary()
    write_texts()


if __name__ == "__main__":
    main()
