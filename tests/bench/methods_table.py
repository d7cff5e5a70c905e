"""methods_table.py: the table and the picture of docs/methods.md.

    plugtune sweep configs/study/methods.toml          trains every method (data/sst2, all-MiniLM-L6-v2)
    python3 tests/bench/methods_table.py               prints the table
    python3 tests/bench/methods_table.py --write       into docs/methods.md, and docs/methods.svg

From docs/results/methods/study.json, which the sweep makes of the runs' report.json.
"""

import argparse
import json
import pathlib
import statistics

from pictures import COLOURS, Picture
from study_tables import finished, percent, table, with_interval

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS, PAGE, PICTURE = ROOT / "docs/results/methods/study.json", ROOT / "docs/methods.md", ROOT / "docs/methods.svg"
BEGIN, END = "<!-- made by tests/bench/methods_table.py: begin -->", "<!-- made by tests/bench/methods_table.py: end -->"


def mean(one, key):
    return statistics.mean(seed[key] for seed in one["seeds"])


def size_of(count):
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def row_of(one):
    step = 1000 * sum(seed["train_seconds"] for seed in one["seeds"]) / sum(seed["steps"] for seed in one["seeds"])
    return [f"`{one['method']}`", f"{one['rate']:g}", with_interval(one["metrics"]["accuracy"]), f"{one['trainable_parameters']:,}",
            f"{100 * one['trainable_fraction']:.2f} %", f"{step:.0f} ms", f"{mean(one, 'peak_memory_bytes') / 1e9:.2f} GB",
            size_of(mean(one, "delta_bytes"))]


def frontier(methods):
    """Methods that no other beats with as few parameters, by parameters."""
    best, found = 0, []
    for one in sorted(methods, key=lambda one: (one["trainable_parameters"], -one["metrics"]["accuracy"]["mean"])):
        if one["metrics"]["accuracy"]["mean"] > best:
            best = one["metrics"]["accuracy"]["mean"]
            found.append(one)
    return found


def picture_of(methods):
    points = {one["method"]: (one["trainable_parameters"], one["metrics"]["accuracy"]["mean"]) for one in methods}
    costs, values = zip(*points.values())
    picture = Picture("Test accuracy by trainable parameters", "trainable parameters", costs, values, step=0.02)
    power = 10 ** len(str(min(costs)))
    while power <= max(costs):
        picture.tick(power, f"{power:,}")
        power *= 10
    ahead = [one["method"] for one in frontier(methods)]
    picture.line([points[method] for method in ahead], COLOURS[6], dashed=True)
    for method, (cost, value) in points.items():
        colour = COLOURS[1] if method in ahead else COLOURS[0]
        picture.point(cost, value, colour, f"{method}: {percent(value)} with {cost:,}")
        picture.text(picture.x(cost) + 6, picture.y(value) - 6, method)
    return picture.svg()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="put it into docs/methods.md and docs/methods.svg")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text())
    methods = [one for one in results["sizes"][0]["methods"] if one["runs"]]
    header = ["method", "rate", "test accuracy", "trainable", "of all", "a step", "memory", "delta"]
    lines = [finished(results) + " ±: 95 % over seeds (Student's t).", "",
             *table(header, [row_of(one) for one in sorted(methods, key=lambda one: one["trainable_parameters"])]),
             "![test accuracy by trainable parameters](methods.svg)"]
    if not options.write:
        print("\n".join(lines))
        return
    head, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + rest.split(END)[1])
    PICTURE.write_text(picture_of(methods))


if __name__ == "__main__":
    main()
