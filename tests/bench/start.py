"""start.py: what comes before training, beside the peers - tokenizing alone, and from the start of the process to the first step.

    python3 tests/bench/start.py --data DIR            prints the tables (scripts/peers.sh hf first)
    python3 tests/bench/start.py --data DIR --write    and puts them into docs/performance.md

DIR holds NSMC's ratings_train.txt. The sides take turns, every run is a process of its own. Tokenizing: the reviews lie in memory,
each run tells the best of its repeats, and all ids must be equal, or nothing is told. First step: the file is read and tokenized, the
small model loaded, one step of full fine-tuning done. No other work should run on the machine.
"""

import argparse
import json
import pathlib
import tempfile

import compare

ROOT = compare.ROOT
BEGIN, END = "<!-- made by tests/bench/start.py: begin -->", "<!-- made by tests/bench/start.py: end -->"
PYTHON = compare.PEERS / "hf/bin/python"
REPEATS = 5
HEADER = ("| what | threads | plugtune, s | peer | peer, s | peer / plugtune | floor / goal |\n| --- | --- | --- | --- | --- | --- | --- |")


class Tokenizing:
    """@param threads  of both sides"""
    peer = "tokenizers"
    targets = "10 / 30"

    def __init__(self, threads, model, reviews, build):
        self.name, self.threads, self.count = f"{reviews[1]:,} reviews tokenized", threads, reviews[1]
        self.lines = [build / "tests/tokenize_lines", model, reviews[0], "--max-length", 128]
        self.library = [PYTHON, ROOT / "tests/bench/peers/tokenize_time.py", model / "vocab.txt", reviews[0]]

    def check(self):
        ours = [json.loads(line)["ids"] for line in compare.lines_of(self.lines)]
        theirs = [json.loads(line) for line in compare.lines_of([*self.library, "--ids"])]
        if len(ours) != self.count or ours != theirs:
            raise SystemExit(f"start: of {self.count} reviews plugtune gives {len(ours)} and the library {len(theirs)}, "
                             f"{sum(a != b for a, b in zip(ours, theirs))} with other ids")

    def ours(self):
        return json.loads(compare.run([*self.lines, "--threads", self.threads, "--time", REPEATS]))["seconds"]

    def peers(self):
        return json.loads(compare.run([*self.library, "--threads", self.threads, "--repeats", REPEATS]))["seconds"]


class FirstStep:
    peer = "transformers"
    targets = "5 / 15"

    def __init__(self, threads, model, data, build, count):
        self.name, self.threads = f"process start to first step, {count:,} reviews", threads
        self.bench = [build / "bin/plugtune", "bench", "--strategy", "full", "--model-size", model, "--data", f"nsmc:{data}", "--steps", 1,
                      "--warm-up", 0, "--json"]
        self.step = [PYTHON, ROOT / "tests/bench/peers/step_time.py", "--model", model, "--texts", data / "ratings_train.txt", "--strategy", "full"]

    def ours(self):
        return json.loads(compare.run(self.bench))["first_step_seconds"]

    def peers(self):
        return json.loads(compare.run(self.step))["first_step_seconds"]


def row_of(work, rounds):
    ours, theirs = compare.interleave(rounds, work.ours, work.peers)
    ratio = compare.statistics.median(theirs) / compare.statistics.median(ours)
    return (f"| {work.name} | {work.threads} | {compare.spread(ours, 3)} | {work.peer} | {compare.spread(theirs, 3)} |"
            f" **{ratio:.1f}** | {work.targets} |")


def machine(rounds):
    code = "import importlib.metadata as m; print(*(f'{name} {m.version(name)}' for name in ('tokenizers', 'transformers', 'torch')))"
    return f"{compare.processor()}; {compare.run([PYTHON, '-c', code])}; {rounds} rounds; medians ± half the spread."


def write(lines):
    head, rest = compare.TABLE.read_text().split(BEGIN)
    compare.TABLE.write_text(head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + rest.split(END)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--build", default=ROOT / "build/release", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="cores of the machine")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    lines = [machine(options.rounds), "", HEADER]
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory(prefix="plugtune-start-") as scratch:
        scratch = pathlib.Path(scratch)
        model = compare.make_model("small", options.data, scratch)
        rows = [line.split("\t") for line in (options.data / "ratings_train.txt").read_text(encoding="utf-8").split("\n")[1:]]
        texts = [row[1] for row in rows if len(row) == 3 and row[1].strip()]
        (scratch / "reviews.txt").write_text("".join(text + "\n" for text in texts), encoding="utf-8")
        works = [Tokenizing(threads, model, (scratch / "reviews.txt", len(texts)), options.build) for threads in (1, options.threads)]
        works[0].check()
        for work in [*works, FirstStep(options.threads, model, options.data, options.build, len(texts))]:
            lines.append(row_of(work, options.rounds))
            print(lines[-1], flush=True)
    if options.write:
        write(lines)


if __name__ == "__main__":
    main()
