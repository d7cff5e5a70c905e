"""techniques.py: what each technique gives by itself - the same steps with it and without it, A B A B ..., as ratios of medians.

    python3 tests/bench/techniques.py --data DIR            prints the table
    python3 tests/bench/techniques.py --data DIR --write    and puts it into docs/performance.md

Only what can be switched off in the program is here; the rest of docs/performance.md's list has no other form to be measured against.
Rows in bf16 are left out on a machine without its instructions. The tables of other machines stay in the page.
DIR holds ratings_train.txt in NSMC's format. No other work should run on the machine; scripts/peers.sh first (the random weights).
"""

import argparse
import json
import os
import pathlib
import tempfile

import compare

BEGIN, END = "<!-- made by tests/bench/techniques.py: begin -->", "<!-- made by tests/bench/techniques.py: end -->"


class Technique:
    """@param without  settings of the experiment that switch it off, environment variables among them in capitals
    @param always  settings with it and without it
    """

    def __init__(self, name, size, strategy, without, precision="fp32", order="grouped", always=(), epochs=None):
        self.name, self.size, self.strategy, self.precision, self.order = name, size, strategy, precision, order
        self.always, self.epochs = list(always), epochs
        self.environment = {key: value for key, value in without.items() if key.isupper()}
        self.settings = [f"{key}={value}" for key, value in without.items() if not key.isupper()]

    def how(self):
        return "`" + "`, `".join([f"{key}={value}" for key, value in self.environment.items()] + self.settings) + "`"


TECHNIQUES = [
    Technique("fused spans and optimizer, attention inside each sequence", "small", "full", {"PLUGTUNE_SIMD": "none"}),
    Technique("fused spans and optimizer, attention inside each sequence", "small", "full", {"PLUGTUNE_SIMD": "none"}, order="uniform"),
    Technique("the same in bf16", "small", "full", {"PLUGTUNE_SIMD": "none"}, "bf16"),
    Technique("bf16", "small", "full", {"train.precision": '"fp32"'}, "bf16"),
    Technique("bf16", "small", "lora", {"train.precision": '"fp32"'}, "bf16"),
    Technique("a frozen encoder computed once", "small", "head", {"train.cache_frozen": "false"}),
    Technique("frozen layers computed once, adapters in the upper half", "small", "adapter", {"train.cache_frozen": "false"},
              always=["strategy.leave_out=[0, 1]"], epochs=4),
    Technique("layers kept, not computed again", "small", "full", {"train.recompute": "true"}),
    Technique("micro-batches of 1,024 tokens, not 128", "small", "full", {"train.micro_batch_tokens": "128"}),
]


def measured(work, plugtune, settings, environment):
    command = [plugtune, *work.bench]
    for setting in settings:
        command += ["--set", setting]
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        return json.loads(compare.run(command))
    finally:
        os.environ.clear()
        os.environ.update(before)


def row_of(technique, options, scratch, models):
    plugtune = compare.ROOT / options.build / "bin/plugtune"
    if technique.size not in models:
        models[technique.size] = compare.make_model(technique.size, options.data, scratch)
    work = compare.Work(technique.size, technique.order, technique.strategy, technique.precision, models[technique.size], options.data,
                        scratch, plugtune, technique.epochs)
    runs = compare.interleave(options.rounds, lambda: measured(work, plugtune, technique.always, {}),
                              lambda: measured(work, plugtune, technique.always + technique.settings, technique.environment))
    with_it, without = ([run["us_per_token"] for run in side] for side in runs)
    ratio = compare.statistics.median(without) / compare.statistics.median(with_it)
    cells = [technique.name, technique.how(), technique.size, technique.order, technique.strategy, technique.precision,
             compare.spread(with_it), compare.spread(without), f"**{ratio:.2f}**"]
    return compare.machine(runs[0][0]), "| " + " | ".join(cells) + " |"


HEADER = ("| technique | switched off by | size | order | strategy | precision | with it, us a token | without | without / with |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- | --- |")


def has_bf16():
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def write(machine, rounds, rows):
    """This machine's table in place of its last one, before those of others."""
    text = compare.TABLE.read_text()
    head, rest = text.split(BEGIN)
    before, rest = rest.split(END)
    blocks = before.strip().split("\n\n")
    others = [pair for pair in zip(blocks[::2], blocks[1::2]) if not pair[0].startswith(machine)]
    table = (f"{machine}; {rounds} rounds; medians ± half the spread.", "\n".join([HEADER, *rows]))
    tables = "\n\n".join(f"{name}\n\n{lines}" for name, lines in [table, *others])
    compare.TABLE.write_text(head + BEGIN + "\n" + tables + "\n" + END + rest)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    print(HEADER, flush=True)
    rows, models = [], {}
    with tempfile.TemporaryDirectory(prefix="plugtune-techniques-") as scratch:
        for technique in TECHNIQUES:
            if technique.precision == "bf16" and not has_bf16():
                continue
            machine, row = row_of(technique, options, pathlib.Path(scratch), models)
            rows.append(row)
            print(row, flush=True)
    if options.write:
        write(machine, options.rounds, rows)


if __name__ == "__main__":
    main()
