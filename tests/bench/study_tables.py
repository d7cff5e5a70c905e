"""study_tables.py: the tables of docs/results.md that come from studies, and the picture of the rates.

    python3 tests/bench/study_tables.py            print them
    python3 tests/bench/study_tables.py --write    into docs/results.md and docs/rates.svg

From docs/results/{paper,fair}/study.json, which `plugtune sweep` makes of the runs' report.json, and for the times from
docs/performance.jsonl (compare.py). PAPER is what the study that this project began with printed.
"""

import argparse
import json
import pathlib
import statistics

from pictures import COLOURS, Picture

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE, PICTURE, STEP_TIMES = ROOT / "docs/results.md", ROOT / "docs/rates.svg", ROOT / "docs/performance.jsonl"
BEGIN, END = "<!-- made by tests/bench/study_tables.py: begin -->", "<!-- made by tests/bench/study_tables.py: end -->"

METRICS = ["accuracy", "precision", "recall", "f1"]
# reviews: method: test accuracy, precision, recall, F1
PAPER = {
    150000: {"vanilla": (.871, .864, .882, .869), "adapterfusion": (.858, .856, .863, .855), "lora-r64": (.726, .745, .692, .711),
             "lora-r32": (.722, .741, .688, .707), "lora-r16": (.716, .751, .651, .691)},
    100000: {"vanilla": (.864, .859, .873, .862), "adapterfusion": (.850, .849, .853, .847), "lora-r64": (.683, .692, .662, .670)},
    50000: {"vanilla": (.848, .840, .863, .847), "adapterfusion": (.830, .836, .824, .826), "lora-r64": (.634, .620, .706, .653)}}
# seconds an epoch on a V100
PAPER_EPOCHS = {150000: {"full": 1021, "adapterfusion": 749, "lora": 659}, 100000: {"full": 679, "adapterfusion": 500, "lora": 439},
                50000: {"full": 340, "adapterfusion": 250, "lora": 220}}


def study(name):
    path = ROOT / f"docs/results/{name}/study.json"
    return json.loads(path.read_text()) if path.exists() else None


def table(header, rows):
    return ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header), *("| " + " | ".join(row) + " |" for row in rows), ""]


def percent(value, digits=2):
    return "-" if value is None else f"{100 * value:.{digits}f}"


def with_interval(mean):
    interval = mean["interval"]
    return percent(mean["mean"]) + (f" ± {100 * (interval[1] - interval[0]) / 2:.2f}" if interval else "")


def reviews(size):
    return "all 150,000" if size == 0 else f"{size:,}"


def finished(results):
    return f"{results['finished']} of {results['total']} runs are finished."


def paper_tables(results):
    for size in results["sizes"]:
        theirs = PAPER[size["size"] or 150000]
        rows = []
        for one in size["methods"]:
            if one["runs"] == 0:
                continue
            printed = [percent(value, 1) for value in theirs.get(one["method"], ())] or ["-"] * len(METRICS)
            rows.append([one["method"], *printed, *(percent(one["metrics"][name]["mean"]) for name in METRICS)])
        if rows:
            yield f"{reviews(size['size'])} reviews:"
            yield ""
            yield from table(["method", *(f"{name}, paper" for name in METRICS), *(f"{name}, ours" for name in METRICS)], rows)


def fair_tables(results):
    for size in results["sizes"]:
        best = max((one["metrics"]["accuracy"]["mean"] for one in size["methods"] if one["runs"]), default=None)
        rows = []
        for one in size["methods"]:
            if one["runs"] == 0:
                continue
            accuracy = with_interval(one["metrics"]["accuracy"])
            mark = "**" if one["metrics"]["accuracy"]["mean"] == best else ""
            rows.append([one["method"], f"{one['rate']:g}", f"{one['runs']}", mark + accuracy + mark,
                         *(with_interval(one["metrics"][name]) for name in METRICS[1:]), f"{one['trainable_parameters']:,}"])
        if rows:
            kept_back = "" if size["size"] else ", 7,500 of them for validation"
            yield f"{reviews(size['size'])} reviews{kept_back}:"
            yield ""
            yield from table(["method", "rate", "seeds", *METRICS, "trainable"], rows)
            for pair in size["comparisons"]:
                if results["reference"] in (pair["first"], pair["second"]):
                    yield f"- {pair['sentence']}"
            yield ""


def rate_table(results):
    tried = {choice["method"]: {one["rate"]: one["value"] for one in choice["tried"]} for choice in results["rates"]}
    rates = sorted({rate for values in tried.values() for rate in values})
    rows = []
    for choice in results["rates"]:
        values = tried[choice["method"]]
        cells = [percent(values.get(rate)) for rate in rates]
        rows.append([choice["method"], *(f"**{cell}**" if rate == choice["rate"] else cell for rate, cell in zip(rates, cells))])
    return table(["method", *(f"{rate:g}" for rate in rates)], rows)


def step_times():
    """machine: (order, strategy, precision, side): us a token of a small step."""
    machines = {}
    for line in STEP_TIMES.read_text().splitlines():
        one = json.loads(line)
        if one["size"] == "small":
            key = (one["order"], one["strategy"], one["precision"], one["side"])
            machines.setdefault(one["machine"], {}).setdefault(key, []).append(one["us_per_token"])
    return {name: {key: statistics.median(values) for key, values in times.items()} for name, times in machines.items()}


def time_table(times):
    columns = [(order, precision, side) for order, precision in (("uniform", "fp32"), ("grouped", "fp32"), ("grouped", "bf16"))
               for side in ("plugtune", "peer") if (order, "full", precision, side) in times]
    rows = []
    for strategy in ("adapterfusion", "lora", "adapter", "head"):
        cells = []
        for order, precision, side in columns:
            own = times.get((order, strategy, precision, side))
            cells.append(f"{own / times[order, 'full', precision, side]:.2f}" if own else "-")
        paper = PAPER_EPOCHS[150000]
        rows.append([strategy, f"{paper[strategy] / paper['full']:.2f}" if strategy in paper else "-", *cells])
    return table(["of full's time", "paper", *(f"{side.replace('peer', 'peers')}, {order}, {precision}" for order, precision, side in columns)], rows)


def difference(size, first, second):
    """"1.08 points (95 %: over test examples 0.86 to 1.30, one seed)" by which the first is ahead of the second, or None."""
    for pair in size["comparisons"]:
        if {pair["first"], pair["second"]} != {first, second}:
            continue
        sign = 1 if pair["first"] == first else -1
        bounds = {name: sorted(sign * 100 * bound for bound in pair[key]) for name, key in
                  (("over test examples", "over_examples"), ("over seeds", "over_seeds")) if pair.get(key)}
        intervals = ", ".join(f"{name} {low:.2f} to {high:.2f}" for name, (low, high) in bounds.items())
        seeds = f"{len(pair['seeds'])} seeds" if len(pair["seeds"]) > 1 else "one seed"
        return f"{sign * 100 * pair['difference']:.2f} points (95 %: {intervals}; {seeds})"
    return None


def accuracies(size):
    return {one["method"]: one["metrics"]["accuracy"]["mean"] for one in size["methods"] if one["runs"]}


def claims(paper, fair):
    """What the tables say, of the sizes that have the runs."""
    for size in fair["sizes"] if fair else []:
        found = accuracies(size)
        others = {method: value for method, value in found.items() if method != "full"}
        if "full" not in found or not others:
            continue
        best = max(others, key=others.get)
        loras = {method: value for method, value in others.items() if method.startswith("lora")}
        yield f"- {reviews(size['size'])} reviews: full fine-tuning has {percent(found['full'])} %."
        yield f"  The best parameter-efficient method, {best}, is behind it by {difference(size, 'full', best)}."
        if loras and (lora := max(loras, key=loras.get)) != best:
            yield f"  The best LoRA, {lora}, is behind it by {difference(size, 'full', lora)}."
    for size in paper["sizes"] if paper else []:
        if (behind := difference(size, "vanilla", "lora-r64")) and "lora-r64" in accuracies(size):
            yield f"- With one rate for all, 2e-5, and {reviews(size['size'])} reviews, LoRA of rank 64 is behind full fine-tuning by {behind}."
    for choice in fair["rates"] if fair else []:
        values = {one["rate"]: one["value"] for one in choice["tried"]}
        if choice["method"].startswith("lora") and choice["rate"] and values.get(2e-5):
            yield (f"- The rate alone: {choice['method']} has {percent(values[2e-5])} % of the validation reviews with 2e-5 and "
                   f"{percent(values[choice['rate']])} % with {choice['rate']:g}, everything else the same.")


def rates_picture(results):
    """Accuracy by learning rate, a line for each method."""
    lines = {choice["method"]: sorted((one["rate"], one["value"]) for one in choice["tried"]
                                      if one["value"] is not None and one["part_of_length"] == 1) for choice in results["rates"]}
    lines = {method: line for method, line in lines.items() if line}
    rates, values = zip(*(point for line in lines.values() for point in line))
    picture = Picture("Validation accuracy by learning rate, a line for each method", "learning rate", rates, values, step=0.05)
    for rate in sorted(set(rates)):
        picture.tick(rate, f"{rate:g}")
    for (method, line), colour in sorted(zip(lines.items(), COLOURS), key=lambda item: -item[0][1][-1][1]):
        picture.line(line, colour)
        for rate, value in line:
            picture.point(rate, value, colour, f"{method}, {rate:g}: {percent(value)}")
        picture.label_at_the_end(line[-1][1], method, colour)
    return picture.svg()


def page_parts(paper, fair):
    yield "### What they show"
    yield ""
    yield from claims(paper, fair)
    yield ""
    if paper:
        yield "### One rate for every method: the paper's design"
        yield ""
        yield f"`plugtune sweep configs/study/paper.toml`. {finished(paper)} Test reviews: 50,000; numbers in percent."
        yield ""
        yield from paper_tables(paper)
    if fair:
        yield "### Each method with its own rate"
        yield ""
        yield f"`plugtune sweep configs/study/fair.toml`. {finished(fair)} ±: 95 % over seeds (Student's t), which leaves out"
        yield "that the 50,000 test reviews are a sample: of one run another ± 0.3. All seeds train on the same reviews, the first of the file."
        yield ""
        yield from fair_tables(fair)
        yield "### What the rate does"
        yield ""
        yield "Accuracy on the validation reviews by learning rate, one epoch of 50,000 reviews; what was chosen is bold:"
        yield ""
        yield from rate_table(fair)
        yield "![accuracy by learning rate](rates.svg)"
        yield ""
    yield "### Time of an epoch relative to full fine-tuning"
    yield ""
    yield "Of the steps in [performance.md](performance.md), 4 layers x 256: AdapterFusion attends over four adapters (the paper's over two), LoRA has"
    yield "rank 64, head is four epochs with what is computed once; to train the adapters that are fused comes on top. The paper's are of mBERT on a"
    yield "V100, 150,000 reviews."
    for machine, times in step_times().items():
        yield ""
        yield f"{machine}:"
        yield ""
        yield from time_table(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="put them into docs/results.md and docs/rates.svg")
    options = parser.parse_args()
    paper, fair = study("paper"), study("fair")
    lines = list(page_parts(paper, fair))
    if not options.write:
        print("\n".join(lines))
        return
    head, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(head + BEGIN + "\n" + "\n".join(lines) + END + rest.split(END)[1])
    if fair and fair["rates"]:
        PICTURE.write_text(rates_picture(fair))


if __name__ == "__main__":
    main()
