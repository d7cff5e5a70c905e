"""generate_wordpiece.py: vocabularies that tokenizers' WordPieceTrainer makes of two texts. (env: hf)

    python tests/golden/generate_wordpiece.py                             writes tests/golden/wordpiece_trainer/
    python tests/golden/generate_wordpiece.py --train FILE --size N       any text: prints the vocabulary and, on stderr, the seconds

The trainer numbers the characters that continue a word ("##a") in the order of a randomly seeded hash table, and breaks
ties by these numbers: left alone, it gives another vocabulary each time. Here they are handed over as special tokens,
sorted, behind the characters: that is the numbering of plugtune, and then every run gives the same file.
"""

import argparse
import collections
import json
import sys
import time

import tokenizers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from common import GOLDEN

DIRECTORY = GOLDEN / "wordpiece_trainer"
SAMPLE = GOLDEN.parents[1] / "datasets/text/sample/train.txt"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CASES = {
    "cased": {"text": "sample", "lower_case": False, "size": 2400, "min_frequency": 2, "alphabet_limit": 0},
    "limited": {"text": "sample", "lower_case": False, "size": 1500, "min_frequency": 2, "alphabet_limit": 295},
    "tricky": {"text": "tricky", "lower_case": True, "size": 1200, "min_frequency": 1, "alphabet_limit": 0},
}


def untrained(lower_case):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower_case)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def count_words(tokenizer, lines):
    words = collections.Counter()
    for line in lines:
        normal = tokenizer.normalizer.normalize_str(line)
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    return words


def numbered_characters(words, limit):
    """The most frequent characters and those that continue a word, both sorted."""
    counts = collections.Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    kept = sorted(counts, key=lambda character: (-counts[character], character))
    if limit and len(kept) > limit:
        assert counts[kept[limit - 1]] > counts[kept[limit]], "a tie at the limit: the reference would draw lots"
        kept = kept[:limit]
    continuing = {character for word in words for character in word[1:]} & set(kept)
    return sorted(kept) + ["##" + character for character in sorted(continuing)]


def train(lines, lower_case, size, min_frequency, alphabet_limit, numbered=True):
    tokenizer = untrained(lower_case)
    characters = numbered_characters(count_words(tokenizer, lines), alphabet_limit) if numbered else []
    trainer = trainers.WordPieceTrainer(vocab_size=size, min_frequency=min_frequency, special_tokens=SPECIAL + characters,
                                        show_progress=False, **({"limit_alphabet": alphabet_limit} if alphabet_limit else {}))
    start = time.time()
    tokenizer.train_from_iterator(lines, trainer)
    seconds = time.time() - start
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.get), seconds


def lines_of(file):
    return file.read_text(encoding="utf-8").split("\n")


def tricky_texts():
    """Those of the tokenizer's goldens, and each with a letter behind it: so that there are pairs to merge."""
    cases = json.loads((GOLDEN / "tokenizer/texts.json").read_text())["cases"]
    texts = list(dict.fromkeys(case["text_a"] for case in cases))
    return texts + [f"{text}a" for text in texts]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--train", metavar="FILE", help="a text of your own")
    parser.add_argument("--size", type=int, default=8000)
    parser.add_argument("--alphabet-limit", type=int, default=1000)
    parser.add_argument("--as-it-is", action="store_true", help="without numbering the characters: another result each time")
    options = parser.parse_args()
    if options.train:
        with open(options.train, encoding="utf-8", newline="") as file:
            tokens, seconds = train(file.read().split("\n"), False, options.size, 2, options.alphabet_limit,
                                    numbered=not options.as_it_is)
        print("\n".join(tokens))
        print(f"{seconds:.2f} s", file=sys.stderr)
        return
    DIRECTORY.mkdir(exist_ok=True)
    texts = {"sample": lines_of(SAMPLE), "tricky": tricky_texts()}
    for name, case in CASES.items():
        settings = {key: value for key, value in case.items() if key != "text"}
        tokens, _ = train(texts[case["text"]], **settings)
        assert tokens == train(texts[case["text"]], **settings)[0]
        assert not any("\n" in token for token in tokens)
        (DIRECTORY / f"{name}.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8", newline="\n")
        print(f"wordpiece_trainer/{name}: {len(tokens)} tokens")
    about = {"versions": {"tokenizers": tokenizers.__version__}, "cases": CASES}
    (DIRECTORY / "case.json").write_text(json.dumps(about, indent=2) + "\n")


if __name__ == "__main__":
    main()
