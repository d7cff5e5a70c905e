"""compare.py: training steps side by side, A B A B ..., as ratios of medians.

    python3 tests/bench/compare.py peers --data DIR                plugtune and transformers, peft, adapters (scripts/peers.sh first)
    python3 tests/bench/compare.py builds build/old build/release --data DIR    two builds of plugtune

DIR holds ratings_train.txt in NSMC's format. Both sides train the same random weights (made by transformers, dropout 0.1) on the
same batches of token ids with the same optimizer. Every run is a process of its own. `peers --write` keeps every run in
docs/performance.jsonl, in place of those of the same row and machine, and makes the tables of docs/performance.md from it.
No other work should run on the machine.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = pathlib.Path(os.environ.get("PLUGTUNE_CACHE", pathlib.Path.home() / ".cache/plugtune")) / "peers"
TABLE, LOG = ROOT / "docs/performance.md", ROOT / "docs/performance.jsonl"
BEGIN, END = "<!-- made by tests/bench/compare.py: begin -->", "<!-- made by tests/bench/compare.py: end -->"

# layers, hidden size, words, measured steps, steps before them
SIZES = {"small": (4, 256, 8000, 60, 5), "base": (12, 768, 119547, 12, 2)}
STRATEGIES = {"full": [], "lora": ["strategy.rank=64", "strategy.alpha=64"], "adapter": [], "adapterfusion": [], "adapterfusion-8": [], "head": []}
MEMBERS = {"adapterfusion": 4, "adapterfusion-8": 8}
EPOCHS_OF_HEAD = 4
# (size, order, strategy): floor and goal of the ratio
TARGETS = {("base", "grouped", "full"): (1.25, 1.5), ("base", "uniform", "full"): (3.5, 4.5), ("base", "grouped", "lora"): (1.3, 1.5),
           ("base", "grouped", "adapter"): (1.35, 1.6), ("base", "grouped", "adapterfusion"): (1.7, 2.2),
           ("base", "grouped", "adapterfusion-8"): (2.4, 3),
           ("small", "grouped", "full"): (1.4, 1.9), ("small", "grouped", "lora"): (1.5, 2.4),
           ("small", "grouped", "adapter"): (1.5, 2.1), ("small", "grouped", "adapterfusion"): (1.7, 2.6),
           **{(size, order, "head"): (2, 5) for size in SIZES for order in ("grouped", "uniform")},
           **{("small", "uniform", name): (3.5, 5) for name in ("full", "lora", "adapter", "adapterfusion")}}


def python_of(strategy):
    return PEERS / ("adapters" if strategy.startswith("adapter") else "hf") / "bin/python"


def versions_of(strategy):
    packages = ("torch", "transformers", "adapters" if strategy.startswith("adapter") else "peft")
    return run([python_of(strategy), "-c", f"import importlib.metadata as m; print(*(f'{{p}} {{m.version(p)}}' for p in {packages}))"])


def lines_of(command):
    """All that a process prints."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"compare: {' '.join(map(str, command))}\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()


def run(command):
    """The last line that a process prints."""
    return (lines_of(command) or [""])[-1]


def make_model(size, data, scratch):
    """A directory of random weights that both sides open."""
    layers, hidden, words, *_ = SIZES[size]
    directory = scratch / size
    run([PEERS / "hf/bin/python", ROOT / "tests/bench/peers/make_model.py", "--text", data / "ratings_train.txt", "--output", directory,
         "--words", min(words, 30000), "--rows", words, "--layers", layers, "--hidden", hidden, "--weights"])
    return directory


class Work:
    """One strategy at one size and order: its batches, and a command for each side."""

    def __init__(self, size, order, strategy, precision, model, data, scratch, plugtune, epochs=None):
        self.size, self.order, self.strategy, self.precision, self.model = size, order, strategy, precision, model
        self.plugin = "adapterfusion" if strategy in MEMBERS else strategy
        steps, self.warm_up = SIZES[size][3:]
        examples = (steps + self.warm_up) * 32
        epochs = epochs or (EPOCHS_OF_HEAD if strategy == "head" else 1)
        if epochs > 1:  # all of them: what is computed once is not to be left out
            steps, self.warm_up = epochs * (steps + self.warm_up), 0
        self.key = (size, order, strategy, precision)
        self.batches = scratch / ("-".join(self.key) + ".jsonl")
        self.bench = ["bench", "--strategy", self.plugin, "--model-size", model, "--data", f"nsmc:{data}", "--order", order,
                      "--batch-size", 32, "--steps", steps, "--warm-up", self.warm_up, "--batches", self.batches, "--json",
                      "--set", f"data.train_limit={examples}", "--set", "run.seed=1",
                      "--set", "train.learning_rate=5e-5", "--set", "train.schedule=constant", "--set", f'train.precision="{precision}"']
        settings = list(STRATEGIES[strategy])
        if strategy in MEMBERS:
            settings.append("strategy.sources=" + json.dumps(self.sources(scratch, data, plugtune)))
        for setting in settings:
            self.bench += ["--set", setting]

    def sources(self, scratch, data, plugtune):
        runs = []
        for seed in range(MEMBERS[self.strategy]):
            runs.append(str(scratch / f"{self.size}-adapter-{seed}"))
            if pathlib.Path(runs[-1]).exists():
                continue
            experiment = scratch / "source.toml"
            experiment.write_text(f'[run]\nseed = {seed}\n[model]\npath = "{self.model}"\n[data]\nplugin = "nsmc"\npath = "{data}"\n'
                                  'train_limit = 64\neval_limit = 64\n[strategy]\nplugin = "adapter"\n[train]\nsteps = 1\n')
            run([plugtune, "train", experiment, "--output", runs[-1], "--quiet"])
        return runs

    def ours(self, plugtune):
        return json.loads(run([plugtune, *self.bench]))

    def peers(self):
        return json.loads(run([python_of(self.strategy), ROOT / "tests/bench/peers/step_time.py", "--model", self.model, "--batches",
                               self.batches, "--strategy", self.plugin, "--warm-up", self.warm_up,
                               "--members", MEMBERS.get(self.strategy, 1)]
                              + (["--bf16"] if self.precision == "bf16" else [])))


def spread(values, digits=1):
    middle = statistics.median(values)
    if len(values) == 1:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ± {100 * (max(values) - min(values)) / 2 / middle:.0f} %"


def median(runs, key):
    return statistics.median(one[key] for one in runs)


def all_works(options, scratch, plugtune):
    for size in options.sizes.split(","):
        model = make_model(size, options.data, scratch)
        for order in options.orders.split(","):
            for strategy in options.strategies.split(","):
                for precision in options.precisions.split(","):
                    yield Work(size, order, strategy, precision, model, options.data, scratch, plugtune)


def interleave(rounds, first, second):
    a, b = [], []
    for _ in range(rounds):
        a.append(first())
        b.append(second())
    return a, b


def row_of(key, ours, theirs):
    size, order, strategy, precision = key
    ratio = median(theirs, "us_per_token") / median(ours, "us_per_token")
    memory = median(theirs, "peak_memory_bytes") / median(ours, "peak_memory_bytes")
    floor, goal = TARGETS.get((size, order, strategy), ("", ""))
    share = "" if strategy == "head" else f"{100 * median(ours, 'share_of_peak'):.0f} %"  # of work that is not done
    cells = [*key, spread([one["us_per_token"] for one in ours]), spread([one["us_per_token"] for one in theirs]), f"**{ratio:.2f}**",
             f"{floor} / {goal}" if floor else "", share, f"{median(ours, 'peak_memory_bytes') / 1e9:.2f} GB ({memory:.1f})",
             str(len(ours))]
    return "| " + " | ".join(cells) + " |"


HEADER = ("| size | order | strategy | precision | plugtune, us a token | peer, us a token | peer / plugtune | floor / goal | share of peak | "
          "peak memory (times less than the peer's) | rounds |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
KEY = ("size", "order", "strategy", "precision")


def processor():
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return model.group(1) if model else platform.machine()


def machine(run):
    return f"{processor()}, {run['threads']} threads, {run['instruction_set']}"


def peaks(works):
    """The spread of what the machine could do, which others share."""
    found = {}
    for key, sides in works.items():
        found.setdefault(key[3], []).extend(one["matrix_peak_gflops"] for one in sides["plugtune"])
    return "; ".join(f"matrix peak of {precision} {min(all_):.0f} to {max(all_):.0f} GFLOP/s" for precision, all_ in found.items())


def logged():
    return [json.loads(line) for line in LOG.read_text().splitlines()]


def table_of(name, runs):
    works = {}
    for one in runs:
        works.setdefault(tuple(one[part] for part in KEY), {"plugtune": [], "peer": []})[one["side"]].append(one)
    names = [list(SIZES), ["grouped", "uniform"], list(STRATEGIES), ["fp32", "bf16"]]
    in_order = sorted(works, key=lambda key: [known.index(part) for known, part in zip(names, key)])
    rows = [row_of(key, works[key]["plugtune"], works[key]["peer"]) for key in in_order]
    versions = "; ".join(dict.fromkeys(one["versions"] for one in runs if one["side"] == "peer"))
    return [f"{name}; {peaks(works)}; {versions}; medians ± half the spread.", "", HEADER, *rows]


def write_tables():
    """From everything that the log has, a table for each machine, the one that was measured last first."""
    machines = {}
    for one in logged():
        machines.setdefault(one["machine"], []).append(one)
    tables = [table_of(name, runs) for name, runs in machines.items()][::-1]
    head, rest = TABLE.read_text().split(BEGIN)
    TABLE.write_text(head + BEGIN + "\n" + "\n\n".join("\n".join(lines) for lines in tables) + "\n" + END + rest.split(END)[1])


def keep(work, versions, ours, theirs):
    """These runs in place of the same machine's of the same row."""
    name = machine(ours[0])
    row = dict(zip(KEY, work.key))
    new = [{"machine": name, "side": side, **row, **({"versions": versions} if side == "peer" else {}),
            **{key: value for key, value in one.items() if key not in ("losses", "notes", "model", *KEY)}}
           for side, runs in (("plugtune", ours), ("peer", theirs)) for one in runs]
    kept = [one for one in logged() if (one["machine"], *(one[part] for part in KEY)) != (name, *work.key)]
    kept.sort(key=lambda one: one["machine"] == name)  # stable: this machine last
    LOG.write_text("".join(json.dumps(one) + "\n" for one in kept + new))


def check_losses(work, ours, theirs):
    """The same work has the same losses, but for what dropout and the start of what trains draw."""
    means = [statistics.mean(loss for one in runs for loss in one["losses"]) for runs in (ours, theirs)]
    if not abs(means[0] - means[1]) < 0.1:
        sys.exit(f"compare: {' '.join(work.key)}: the mean loss of plugtune is {means[0]:.3f} and the peer's {means[1]:.3f}")


def against_peers(options, scratch):
    plugtune = ROOT / options.build / "bin/plugtune"
    print(HEADER, flush=True)
    for work in all_works(options, scratch, plugtune):
        ours, theirs = interleave(options.rounds, lambda: work.ours(plugtune), work.peers)
        check_losses(work, ours, theirs)
        print(row_of(work.key, ours, theirs), flush=True)
        if options.write:
            keep(work, versions_of(work.strategy), ours, theirs)
            write_tables()


def against_build(options, scratch):
    first, second = (pathlib.Path(build) / "bin/plugtune" for build in options.two_builds)
    print(f"| size | order | strategy | precision | {first.parent.parent}, us a token | {second.parent.parent}, us a token | first / second |\n"
          "| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for work in all_works(options, scratch, second):
        a, b = interleave(options.rounds, lambda: work.ours(first), lambda: work.ours(second))
        print(f"| {' | '.join(work.key)} | {spread([one['us_per_token'] for one in a])} | "
              f"{spread([one['us_per_token'] for one in b])} | {median(a, 'us_per_token') / median(b, 'us_per_token'):.3f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    peers = commands.add_parser("peers")
    peers.add_argument("--build", default="build/release")
    peers.add_argument("--write", action="store_true", help="keep the runs and write docs/performance.md's tables")
    builds = commands.add_parser("builds")
    builds.add_argument("two_builds", nargs=2, metavar="BUILD")
    for command in (peers, builds):
        command.add_argument("--data", required=True, type=lambda path: pathlib.Path(path).resolve())
        command.add_argument("--rounds", type=int, default=5)
        command.add_argument("--sizes", default="small")
        command.add_argument("--orders", default="grouped,uniform")
        command.add_argument("--strategies", default=",".join(STRATEGIES))
        command.add_argument("--precisions", default="fp32", help="fp32,bf16; the peers autocast")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plugtune-compare-") as scratch:
        (against_peers if options.command == "peers" else against_build)(options, pathlib.Path(scratch))


if __name__ == "__main__":
    main()
