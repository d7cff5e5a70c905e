"""predict.py: `plugtune predict` beside transformers and ONNX Runtime, on the same lines with the same merged weights.

    python3 tests/bench/predict.py --data DIR --write        (scripts/peers.sh hf and onnx first)

DIR holds NSMC's ratings_train.txt and ratings_test.txt. Each engine is a process that starts, reads a file of reviews, tokenizes,
predicts and writes every answer with its logits; they take turns. The same with one review is the time to start: what is left of the
whole is told as well. Peers are given what is best for them: sorted by length, the batch size that is fastest on the first reviews,
all cores; ONNX Runtime a graph fused by its own optimizer. All logits must agree to 1e-4, or nothing is told.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = pathlib.Path(os.environ.get("PLUGTUNE_CACHE", pathlib.Path.home() / ".cache/plugtune")) / "peers"
PEER = ROOT / "tests/bench/peers/predict.py"
PAGE = ROOT / "docs/performance.md"
BEGIN, END = "<!-- made by tests/bench/predict.py: begin -->", "<!-- made by tests/bench/predict.py: end -->"
# layers, hidden size, words, reviews, reviews that batch sizes are tried on
SIZES = {"small": (4, 256, 8000, 50000, 2000), "base": (12, 768, 119547, 1000, 100)}
HEADER = ("| size | engine | reviews | whole process, s | start alone, s | reviews a second, whole | after the start | "
          "plugtune / engine, whole | after the start |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |")


def run(command):
    """Seconds that a process takes."""
    start = time.perf_counter()
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"predict: {' '.join(map(str, command))}\n{done.stderr[-2000:]}")
    return seconds


def write_lines(path, lines):
    path.write_text("".join(line + "\n" for line in lines))
    return path


class Model:
    """A run of plugtune, the same weights as a plain directory, and these as an ONNX file."""

    def __init__(self, size, options, scratch):
        layers, hidden, words, *_ = SIZES[size]
        base, self.run, self.merged = (scratch / f"{size}-{name}" for name in ("base", "run", "merged"))
        self.onnx = scratch / f"{size}.onnx"
        run([PEERS / "hf/bin/python", ROOT / "tests/bench/peers/make_model.py", "--text", options.data / "ratings_train.txt", "--output", base,
             "--words", min(words, 30000), "--rows", words, "--layers", layers, "--hidden", hidden, "--weights"])
        experiment = scratch / "experiment.toml"
        experiment.write_text(f'[run]\nseed = 1\n[model]\npath = "{base}"\n[data]\nplugin = "nsmc"\npath = "{options.data}"\n'
                              'max_length = 128\ntrain_limit = 640\neval_limit = 64\n[strategy]\nplugin = "lora"\n'
                              '[train]\nsteps = 20\nlearning_rate = 1e-3\n')
        run([options.plugtune, "train", experiment, "--output", self.run, "--quiet"])
        run([options.plugtune, "merge", self.run, "--output", self.merged])
        run([PEERS / "hf/bin/python", PEER, "export", "--model", self.merged, "--onnx", self.onnx])


class Engine:
    def __init__(self, name, command, answers):
        self.name, self.command, self.answers = name, command, answers
        self.whole, self.start = [], []

    def time(self, reviews, one):
        self.whole.append(self.seconds(reviews))
        self.start.append(self.seconds(one))

    def seconds(self, reviews):
        return run(self.command(reviews))

    def logits(self):
        return [json.loads(line)["logits"] for line in self.answers.read_text().splitlines()]


def ours(options, model, scratch, precision="fp32"):
    answers = scratch / f"plugtune-{precision}.jsonl"
    # A shell writes the file, as a user would.
    script = '"$0" predict "$1" --input "$2" --format jsonl --precision "$4" > "$3"'
    return Engine("plugtune" if precision == "fp32" else f"plugtune, {precision}",
                  lambda reviews: ["bash", "-c", script, options.plugtune, model.run, reviews, answers, precision], answers)


def peer(engine, model, scratch, batch, bf16):
    answers = scratch / f"{engine}.jsonl"
    python = PEERS / ("onnx" if engine == "onnxruntime" else "hf") / "bin/python"
    extra = ["--bf16"] if bf16 else []
    name = f"{engine}, {'bf16, ' if bf16 else ''}batches of {batch}"
    return Engine(name, lambda reviews: [python, PEER, engine, "--model", model.merged, "--onnx", model.onnx, "--input", reviews, "--output",
                                         answers, "--batch", batch, *extra], answers)


def best_peer(engine, model, scratch, reviews, batches, bf16=False):
    candidates = [peer(engine, model, scratch, batch, bf16) for batch in batches]
    for _ in range(2 if len(candidates) > 1 else 0):
        for candidate in candidates:
            candidate.whole.append(candidate.seconds(reviews))
    best = min(candidates, key=lambda candidate: min(candidate.whole, default=0))
    best.whole = []
    return best


def largest_difference(first, second):
    assert len(first) == len(second)
    return max(abs(a - b) for one, other in zip(first, second) for a, b in zip(one, other))


def rows_of(size, count, engines):
    median = {engine: (statistics.median(engine.whole), statistics.median(engine.start)) for engine in engines}
    own_whole, own_start = median[engines[0]]
    rows = []
    for engine in engines:
        whole, start = median[engine]
        spread = 100 * (max(engine.whole) - min(engine.whole)) / 2 / whole
        ratios = ["", ""] if engine is engines[0] else [f"**{whole / own_whole:.2f}**", f"**{(whole - start) / (own_whole - own_start):.2f}**"]
        rows.append(f"| {size} | {engine.name} | {count:,} | {whole:.2f} ± {spread:.0f} % | {start:.2f} | {count / whole:,.0f} | "
                    f"{count / (whole - start):,.0f} | {' | '.join(ratios)} |")
    return rows


def measure(size, options, scratch, reviews):
    model = Model(size, options, scratch)
    count, tried = SIZES[size][3:]
    count = min(count, options.limit or count)
    every, some, one = (write_lines(scratch / f"{name}.txt", reviews[:number]) for name, number in
                        (("every", count), ("some", min(tried, count)), ("one", 1)))
    engines = [ours(options, model, scratch)]
    for engine in ("transformers", "onnxruntime"):
        engines.append(best_peer(engine, model, scratch, some, options.batches))
    if options.bf16:
        engines.append(ours(options, model, scratch, "bf16"))
        engines.append(best_peer("transformers", model, scratch, some, options.batches, bf16=True))
    for _ in range(options.rounds):
        for engine in engines:
            engine.time(every, one)
    for engine in engines:  # the files have the answer to one review now
        engine.seconds(some)
        if engine is not engines[0] and "bf16" not in engine.name:
            difference = largest_difference(engines[0].logits(), engine.logits())
            if difference > 1e-4:
                sys.exit(f"predict: {engine.name} gives logits that differ by {difference}")
    return rows_of(size, count, engines)


def machine():
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    versions = []
    for environment, package in (("hf", "torch"), ("hf", "transformers"), ("onnx", "onnxruntime")):
        code = f"import importlib.metadata as m; print('{package}', m.version('{package}'))"
        versions.append(subprocess.run([PEERS / environment / "bin/python", "-c", code], capture_output=True, text=True).stdout.strip())
    return f"{model.group(1) if model else 'processor'}, {os.cpu_count()} threads; {', '.join(versions)}; fp32; medians ± half the spread."


def write(rows, sizes):
    """In place of the rows of these sizes; those of others stay where they are of the same machine."""
    head, rest = PAGE.read_text().split(BEGIN)
    before, rest = rest.split(END)
    before = before.strip().splitlines()
    others = [row for row in before if row.split("|")[1:2] and row.split("|")[1].strip() in set(SIZES) - set(sizes)]
    rows = rows + (others if before[0] == machine() else [])
    rows.sort(key=lambda row: list(SIZES).index(row.split("|")[1].strip()))
    PAGE.write_text(head + BEGIN + "\n" + "\n".join([machine(), "", HEADER, *rows]) + "\n" + END + rest)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--build", default=ROOT / "build/release", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--sizes", default="small,base")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=0, help="reviews; 0: 50,000 of the small size, 1,000 of the base size")
    parser.add_argument("--batches", default=[16, 32, 64, 128, 256], type=lambda text: [int(number) for number in text.split(",")],
                        help="sizes of the peers' batches, of which the fastest is taken")
    parser.add_argument("--bf16", action="store_true", help="plugtune and transformers in bf16 too")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    options.plugtune = options.build / "bin/plugtune"
    lines = (options.data / "ratings_test.txt").read_text(encoding="utf-8").split("\n")[1:]
    reviews = [line.split("\t")[1] for line in lines if line.count("\t") == 2]
    rows = []
    print(HEADER, flush=True)
    for size in options.sizes.split(","):
        with tempfile.TemporaryDirectory(prefix="plugtune-predict-") as scratch:
            rows += measure(size, options, pathlib.Path(scratch), reviews)
        print("\n".join(rows), flush=True)
    if options.write:
        write(rows, options.sizes.split(","))


if __name__ == "__main__":
    main()
