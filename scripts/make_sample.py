#!/usr/bin/env python3
"""make_sample.py - writes the bundled sample of Korean film reviews, datasets/nsmc/sample/ratings_{train,test}.txt.

  scripts/make_sample.py                    write both files (same bytes every time)
  scripts/make_sample.py --check            write nothing; fail unless both files are what this script writes
  scripts/make_sample.py --statistics       describe the files, with a naive Bayes classifier as yardstick
  scripts/make_sample.py --overlap FILE...  count reviews that also stand, whole, in a column of another corpus

The reviews come out of the grammar in scripts/korean_reviews; nobody wrote them about a real film. The files have the
form of the Naver sentiment movie corpus (id, document, label; tab-separated, UTF-8, no quoting) and its oddities:
empty documents, duplicates, one review far longer than the rest. No review stands in both files. Needs Python 3 only.
"""

import argparse
import collections
import math
import pathlib
import random
import re
import sys

sys.dont_write_bytecode = True
from korean_reviews.grammar import GOOD, ReviewWriter  # noqa: E402  (after the line that keeps __pycache__ away)

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "datasets" / "nsmc" / "sample"
TRAIN, TEST = "ratings_train.txt", "ratings_test.txt"
HEADER = "id\tdocument\tlabel"
SEED = 1
# Reviews, empty documents among them, and copies of other reviews of the same file among them.
SIZES = {TRAIN: dict(reviews=2400, empty=6, copies=10), TEST: dict(reviews=800, empty=2, copies=0)}
SHORTEST = 6  # characters; shorter ones ("Great!!") are what anybody writes, so they would also stand in real corpora
LONG_SENTENCES = 40
FIRST_ID = 30_000_000  # above the ids of the real corpus

# Reviews that the grammar makes and that happen to stand in the real corpus as well; found by --overlap.
ALSO_REAL = frozenset((
    "감동 그 자체", "감동 그 자체...", "두 번 봤음", "마음에 듭니다.", "시간 아까움", "재미 하나도 없음", "정말 따뜻하다", "평점이 왜이리 낮지", "할 말이 없다",
    "할 말이 없다."))


def letters(text):
    """What two reviews must not share across the files: the text without spaces, punctuation and emoticons."""
    return re.sub(r"[^가-힣A-Za-z0-9★]", "", text)


def new_reviews(writer, count, taken, key):
    """Yields reviews whose key is not taken, and takes it."""
    while count:
        text, label = writer.review()
        if len(text) >= SHORTEST and text not in ALSO_REAL and key(text) not in taken:
            taken.add(key(text))
            count -= 1
            yield text, label


def with_oddities(reviews, chance, empty, copies):
    """Adds empty documents and copies at random places, as the real files have them."""
    rows = list(reviews)
    rows += [("", index % 2) for index in range(empty)]
    rows += [rows[int(chance.random() * len(reviews))] for _ in range(copies)]
    for last in range(len(rows) - 1, 0, -1):  # written out: random.shuffle may change between Python versions
        other = int(chance.random() * (last + 1))
        rows[last], rows[other] = rows[other], rows[last]
    return rows


def sample():
    """The two files as lists of (document, label)."""
    chance = random.Random(SEED)
    train_size, test_size = SIZES[TRAIN], SIZES[TEST]
    writer = ReviewWriter(SEED)
    plain = train_size["reviews"] - train_size["empty"] - train_size["copies"] - 1
    train = list(new_reviews(writer, plain, set(), key=str))
    train.append((" ".join(writer.long_review(LONG_SENTENCES, GOOD)), GOOD))
    taken = {letters(text) for text, _ in train}
    test = list(new_reviews(ReviewWriter(SEED + 1), test_size["reviews"] - test_size["empty"], taken, key=letters))
    return {TRAIN: with_oddities(train, chance, train_size["empty"], train_size["copies"]),
            TEST: with_oddities(test, chance, test_size["empty"], test_size["copies"])}


def as_tsv(rows, first_id):
    lines = [f"{first_id + 7 * index}\t{text}\t{label}" for index, (text, label) in enumerate(rows)]
    return "\n".join([HEADER, *lines]) + "\n"


def files():
    """What this script writes: {name: bytes}."""
    rows = sample()
    return {TRAIN: as_tsv(rows[TRAIN], FIRST_ID).encode(), TEST: as_tsv(rows[TEST], FIRST_ID + 5_000_000).encode()}


def read(path):
    lines = path.read_text(encoding="utf-8").split("\n")
    if lines[0] != HEADER or lines[-1] != "":
        sys.exit(f"{path}: must begin with '{HEADER}' and end with a line feed; write it again: scripts/make_sample.py")
    return [tuple(line.split("\t")[1:]) for line in lines[1:-1]]


def naive_bayes_accuracy(train, test, features):
    """Accuracy of Bernoulli naive Bayes over sets of features: how far counting words gets."""
    counts, reviews = {"0": collections.Counter(), "1": collections.Counter()}, collections.Counter()
    for text, label in train:
        reviews[label] += 1
        counts[label].update(set(features(text)))

    def log_odds(feature):
        return math.log((counts["1"][feature] + 0.5) / (reviews["1"] + 1) / ((counts["0"][feature] + 0.5) / (reviews["0"] + 1)))

    right = sum((sum(map(log_odds, set(features(text)))) > 0) == (label == "1") for text, label in test)
    return right / len(test)


def statistics():
    rows = {name: read(FOLDER / name) for name in SIZES}
    for name, reviews in rows.items():
        lengths = sorted(len(text) for text, _ in reviews if text)
        texts = collections.Counter(text for text, _ in reviews if text)
        print(f"{name}: {len(reviews)} reviews, {sum(label == '1' for _, label in reviews)} positive, "
              f"{sum(not text for text, _ in reviews)} empty, {sum(texts.values()) - len(texts)} copies; characters: "
              f"mean {sum(lengths) / len(lengths):.1f}, median {lengths[len(lengths) // 2]}, longest {lengths[-1]}")
    print(f"in both files: {len({t for t, _ in rows[TRAIN] if t} & {t for t, _ in rows[TEST] if t})}")
    train, test = ([row for row in rows[name] if row[0]] for name in (TRAIN, TEST))
    print(f"naive Bayes on test: words {naive_bayes_accuracy(train, test, str.split):.3f}, "
          f"pairs of characters {naive_bayes_accuracy(train, test, lambda t: [t[i:i + 2] for i in range(len(t) - 1)]):.3f}")


def overlap(paths):
    ours = {text for name in SIZES for text, _ in read(FOLDER / name) if text}
    total = 0
    for path in paths:
        with open(path, encoding="utf-8") as corpus:
            found = {field for line in corpus for field in line.rstrip("\r\n").split("\t")} & ours
        total += len(found)
        print(f"{path}: {len(found)} of {len(ours)} reviews stand there too" + "".join(f"\n  {text}" for text in sorted(found)))
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="fail unless the files are what this script writes")
    what.add_argument("--statistics", action="store_true", help="describe the files")
    what.add_argument("--overlap", nargs="+", metavar="FILE", help="count reviews that stand in another corpus too")
    arguments = parser.parse_args()
    if arguments.statistics:
        return statistics()
    if arguments.overlap:
        sys.exit(1 if overlap(arguments.overlap) else 0)
    for name, content in files().items():
        path = FOLDER / name
        if arguments.check:
            if not path.is_file() or path.read_bytes() != content:
                sys.exit(f"{path}: must be what scripts/make_sample.py writes, got other bytes; run scripts/make_sample.py")
        else:
            FOLDER.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            print(f"wrote {path} ({len(content)} bytes)")
    return None


if __name__ == "__main__":
    main()
