"""tokenize_time.py: how fast the `tokenizers` library encodes the lines of a file, as fast as it can from Python.

    python tokenize_time.py VOCAB FILE [--threads 1] [--repeats 5]    (env: hf) one line of JSON: tokens, best of the repeats in seconds
    python tokenize_time.py VOCAB FILE --ids                          [..], the ids of each line
"""

import argparse
import json
import os
import pathlib
import time


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("vocab")
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--ids", action="store_true")
    options = parser.parse_args()
    os.environ |= {"RAYON_NUM_THREADS": str(options.threads), "TOKENIZERS_PARALLELISM": "true" if options.threads > 1 else "false"}
    from tokenizers import BertWordPieceTokenizer
    tokenizer = BertWordPieceTokenizer(options.vocab, lowercase=False, strip_accents=False)
    tokenizer.enable_truncation(options.max_length)
    lines = options.file.read_text(encoding="utf-8").split("\n")[:-1]
    if options.ids:
        for encoding in tokenizer.encode_batch(lines):
            print(json.dumps(encoding.ids))
        return
    best = float("inf")
    for _ in range(options.repeats):
        start = time.perf_counter()
        encodings = tokenizer._tokenizer.encode_batch_fast(lines)  # without offsets
        best = min(best, time.perf_counter() - start)
    print(json.dumps({"texts": len(lines), "tokens": sum(len(one) for one in encodings), "threads": options.threads, "seconds": best}))


if __name__ == "__main__":
    main()
