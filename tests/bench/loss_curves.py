"""loss_curves.py: the kernels against ATen's operations (PLUGTUNE_SIMD=none), as loss curves of whole trainings.

    python3 tests/bench/loss_curves.py --model MINILM --data data/sst2 --write

Trains `--dataset` with each strategy and seed twice, once with the kernels and once without, on the same batches with the same dropout
masks, and compares the losses step by step. The yardstick is what another seed changes. Prints a markdown table; --write puts it into
docs/results.md. Rounding grows from step to step, so curves of one seed may drift apart in the end; they must not differ on average.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/results.md"
BEGIN, END = "<!-- made by tests/bench/loss_curves.py: begin -->", "<!-- made by tests/bench/loss_curves.py: end -->"
RATES = {"full": 5e-5, "lora": 1e-3, "adapter": 1e-3, "head": 1e-3}
LAST = 50  # steps whose mean is the final loss
HEADER = ("| strategy | kernels and ATen, same seed: difference of a step's loss, first 50 steps | all steps | two seeds, all steps | "
          f"mean of the last {LAST} steps, kernels | ATen | accuracy, kernels | ATen | time, ATen / kernels |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- | --- |")


def train(options, strategy, seed, simd, directory):
    """The losses of all steps, the accuracy after them, the seconds of training."""
    experiment = directory / "experiment.toml"
    experiment.write_text(f"""[run]
seed = {seed}
threads = {options.threads}
[model]
path = "{options.model}"
[data]
plugin = "{options.dataset}"
path = "{options.data}"
max_length = 64
eval_limit = {options.eval_limit}
[strategy]
plugin = "{strategy}"
[train]
steps = {options.steps}
batch_size = {options.batch_size}
learning_rate = {RATES[strategy]}
warmup_ratio = 0.06
precision = "{options.precision}"
log_every = 1
""")
    run = directory / f"{strategy}-{seed}-{simd}"
    environment = {**os.environ, "PLUGTUNE_SIMD": simd}
    done = subprocess.run([options.build / "bin/plugtune", "train", experiment, "--output", run, "--quiet"], env=environment,
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"loss_curves: {done.stderr}")
    losses = [entry["loss"] for entry in map(json.loads, (run / "log.jsonl").read_text().splitlines()) if "loss" in entry and "step" in entry]
    assert len(losses) == options.steps, (len(losses), run)
    report = json.loads((run / "report.json").read_text())
    return losses, report["epochs"][-1]["eval"]["accuracy"], report["seconds"]["train"]


def difference(first, second):
    return statistics.mean(abs(a - b) for a, b in zip(first, second))


def spread(values, form):
    return f"{statistics.mean(values):{form}} ± {(max(values) - min(values)) / 2:{form}}"


def row(strategy, kernels, aten):
    """kernels, aten: for each seed (losses, accuracy, seconds)."""
    start = [difference(a[0][:LAST], b[0][:LAST]) for a, b in zip(kernels, aten)]
    same = [difference(a[0], b[0]) for a, b in zip(kernels, aten)]
    others = [difference(kernels[i][0], kernels[j][0]) for i in range(len(kernels)) for j in range(i)]
    final = [[statistics.mean(losses[-LAST:]) for losses, *_ in side] for side in (kernels, aten)]
    cells = [strategy, f"{statistics.mean(start):.0e}", f"{statistics.mean(same):.0e}",
             f"{statistics.mean(others):.3f}" if others else "", *(spread(values, ".4f") for values in final),
             *(spread([100 * accuracy for _, accuracy, _ in side], ".2f") for side in (kernels, aten)),
             f"{statistics.median(b[2] for b in aten) / statistics.median(a[2] for a in kernels):.1f}"]
    return "| " + " | ".join(cells) + " |"


def write(lines):
    text = PAGE.read_text()
    head, rest = text.split(BEGIN)
    PAGE.write_text(head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + rest.split(END)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--data", required=True, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--dataset", default="sst2")
    parser.add_argument("--build", default=ROOT / "build/release", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--strategies", default="full,lora")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--eval-limit", type=int, default=0, help="examples that the accuracy is of; 0: all of the validation split")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores; 1 on a busy machine")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--curves", type=pathlib.Path, help="keep all losses in this file, as JSON lines")
    options = parser.parse_args()
    rows = []
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory(prefix="plugtune-curves-") as scratch:
        for strategy in options.strategies.split(","):
            sides = {"": [], "none": []}
            for seed in range(1, options.seeds + 1):
                for simd, runs in sides.items():
                    runs.append(train(options, strategy, seed, simd, pathlib.Path(scratch)))
                    if options.curves:
                        with options.curves.open("a") as file:
                            file.write(json.dumps({"strategy": strategy, "seed": seed, "kernels": simd != "none", "losses": runs[-1][0],
                                                   "accuracy": runs[-1][1]}) + "\n")
            rows.append(row(strategy, sides[""], sides["none"]))
            print(rows[-1], flush=True)
    if options.write:
        write([HEADER, *rows])


if __name__ == "__main__":
    main()
