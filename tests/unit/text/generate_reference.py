#!/usr/bin/env python3
"""Write reference.json: random texts and pairs through real tokenizers, with every flag of an added token. (env: hf)

    ~/.cache/plugtune/peers/hf/bin/python tests/unit/text/generate_reference.py

Each tokenizer is stored as its own tokenizer.json, so reading that file is tested too. What tests/golden/tokenizer does
not have: marks that are kept and sorted, added tokens that overlap, strip, are normalised or stand alone.
"""

import json
import pathlib
import random

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

HERE = pathlib.Path(__file__).parent
# Marks that strip_accents keeps and sorts (not Mn in Unicode 8.0, class not 0), marks that it drops, characters that
# decompose into several, and what surrounds them in bad cases.
KEPT = ["\u302e", "\u302f", "\U0001d165", "\U0001d16d", "\u1b44", "\ua953", "\U000111c0", "\u1ac0", "\u08d3", "\u0345"]
DROPPED = ["\u0301", "\u0323", "\u0327", "\u034f", "\u0334", "\u05b0", "\u3099", "\ufe0f", "\U000e0100"]
SEVERAL = ["\u09cb", "\u0ddd", "\u0f73", "\u1e69", "\u01d5", "\U0001d160", "\u0344", "\u1fbe", "\uac01", "\uac00", "\ud7a3", "\ufb2c"]
OTHERS = ["\u0130", "\u03a3", "\u00df", "\u4e2d", "\U0002f800", "\uf900", "\u1112", "\u1161", "\u200d", "\ufeff", "\u0000",
          "\u0085", "\u3000", "\u037e", "\u212b", "\u2e43", "\u166d", "\U000111c9", "\U0001f600", "\ue000", "\ufffd"]
PLAIN = list("aabbeExyZ12 .#-[]") + ["  ", "\t", "\u00c9", "\u00e9", "\uac00\ub098", "\u314b"]
ADDED = [
    AddedToken("<s>", single_word=True, special=True, normalized=False),
    AddedToken("<l>", lstrip=True, special=True, normalized=False),
    AddedToken("<r>", rstrip=True, normalized=False),
    AddedToken("<lr>", lstrip=True, rstrip=True, normalized=False),
    AddedToken("ab", normalized=False),
    AddedToken("abb", normalized=False, single_word=True),
    AddedToken("\u00c9x", normalized=True),
    AddedToken("\uac00\ub098", normalized=True),
    AddedToken("Za", normalized=True, single_word=True),
    AddedToken("1 2", normalized=True, rstrip=True),
    AddedToken("1 ", normalized=False),
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SETTINGS = {
    "uncased": dict(lowercase=True),
    "cased": dict(lowercase=False),
    "lower_only": dict(lowercase=True, strip_accents=False),
    "strip_only": dict(lowercase=False, strip_accents=True, handle_chinese_chars=False),
    "unclean": dict(lowercase=True, clean_text=False),
}


def vocabulary():
    decompose = normalizers.NFD().normalize_str
    texts = PLAIN + KEPT + DROPPED + SEVERAL + OTHERS
    letters = dict.fromkeys(c for text in texts for form in (text, text.lower(), decompose(text)) for c in form)
    letters = [c for c in letters if c not in "y\u314b" and c.strip()]  # left out, so that [UNK] occurs
    pieces = SPECIAL + letters + ["##" + c for c in letters] + ["ab", "##ba", "##bab", "aa", "e\u302e", "##\u302e\u1b44"]
    return {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}


def tokenizer(options, added):
    vocab = vocabulary()
    out = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=12))
    out.normalizer = normalizers.BertNormalizer(**options)
    out.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    out.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])])
    out.add_special_tokens(SPECIAL)
    if added:
        out.add_tokens(ADDED)
    return out


def random_text(rng, added):
    groups = [PLAIN, PLAIN, KEPT, DROPPED, SEVERAL, OTHERS, SPECIAL[1:]] + [[t.content for t in ADDED]] * (3 * added)
    text = "".join(rng.choice(rng.choice(groups)) for _ in range(rng.randrange(1, 14)))
    return text + "".join(rng.choice(KEPT + DROPPED) for _ in range(rng.randrange(4) * rng.randrange(2)))


def main():
    rng = random.Random(5)
    sets = []
    for name, options in SETTINGS.items():
        for added in (False, True):
            reference = tokenizer(options, added)
            cases = []
            for number in range(150):
                texts = [random_text(rng, added) for _ in range(1 + (number % 3 == 0))]
                max_length = rng.choice([0, 0, 0, 3, 4, 5, 8, 11, 16])
                reference.no_truncation()
                if max_length:
                    reference.enable_truncation(max_length, strategy="longest_first")
                encoding = reference.encode(*texts)
                cases.append({"texts": texts, "max_length": max_length, "ids": encoding.ids, "types": encoding.type_ids})
            reference.no_truncation()
            sets.append({"name": name + ("_added" if added else ""), "tokenizer": json.loads(reference.to_str()),
                         "cases": cases})
    lines = ",\n".join(
        json.dumps({"name": s["name"], "tokenizer": s["tokenizer"]})[:-1] + ', "cases": [\n'
        + ",\n".join(json.dumps(case, separators=(",", ":")) for case in s["cases"]) + "\n]}" for s in sets)
    head = json.dumps({"script": "tests/unit/text/generate_reference.py", "tokenizers": tokenizers.__version__})
    (HERE / "reference.json").write_text(head[:-1] + ', "sets": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
