"""generate_statistics.py: Student's intervals and tests, McNemar's exact test and bootstrap intervals, by scipy. (env: hf)"""

import json
import pathlib

import numpy
import scipy.stats

OUT = pathlib.Path(__file__).parent / "statistics.json"


def student(values):
    result = scipy.stats.ttest_1samp(values, 0)
    interval = result.confidence_interval(0.95)
    return {"values": values, "mean": float(numpy.mean(values)), "low": interval.low, "high": interval.high, "p": result.pvalue}


def mcnemar(first, second):
    """Of the examples that one alone got right, as many as this are the first's by chance: binomial with 1/2."""
    return {"first": first, "second": second, "p": scipy.stats.binomtest(first, first + second, 0.5).pvalue if first + second else 1.0}


def bootstrap(generator, examples, first_share, second_share):
    """Two runs right in these shares of the examples, independently; the interval of the difference of their accuracies."""
    truth = generator.integers(0, 2, examples)
    first = numpy.where(generator.random(examples) < first_share, truth, 1 - truth)
    second = numpy.where(generator.random(examples) < second_share, truth, 1 - truth)
    difference = (first == truth).astype(float) - (second == truth)
    result = scipy.stats.bootstrap((difference,), numpy.mean, n_resamples=20000, method="percentile", vectorized=True,
                                   batch=1000, rng=generator)
    return {"truth": truth.tolist(), "first": first.tolist(), "second": second.tolist(),
            "low": float(result.confidence_interval.low), "high": float(result.confidence_interval.high)}


def bootstrap_of_seeds(generator, examples, seeds):
    """Two methods with several seeds, tested on the same examples: the intervals of the differences of their mean accuracies and F1."""
    truth = generator.integers(0, 2, examples)
    first, second = ([numpy.where(generator.random(examples) < right, truth, 1 - truth) for _ in range(seeds)] for right in (0.86, 0.82))

    def accuracy(rows, said):
        return (said[rows] == truth[rows]).mean()

    def f1(rows, said):
        return 2 * (truth[rows] & said[rows]).sum() / (truth[rows].sum() + said[rows].sum())

    golden = {"truth": truth.tolist(), "first": [run.tolist() for run in first], "second": [run.tolist() for run in second]}
    for metric in (accuracy, f1):
        result = scipy.stats.bootstrap(
            (numpy.arange(examples),), lambda rows: sum(metric(rows, a) - metric(rows, b) for a, b in zip(first, second)) / seeds,
            n_resamples=20000, method="percentile", vectorized=False, rng=generator)
        golden[metric.__name__] = {"low": float(result.confidence_interval.low), "high": float(result.confidence_interval.high)}
    return golden


def bootstrap_of_values(generator, examples):
    """Two regressions; the interval of the difference of their Pearson correlations with the truth."""
    truth = generator.normal(size=examples).astype(numpy.float32)
    first = (truth + 0.6 * generator.normal(size=examples)).astype(numpy.float32)
    second = (truth + 0.9 * generator.normal(size=examples)).astype(numpy.float32)

    def difference(t, a, b):
        return scipy.stats.pearsonr(t, a).statistic - scipy.stats.pearsonr(t, b).statistic

    result = scipy.stats.bootstrap((truth, first, second), difference, n_resamples=5000, method="percentile", paired=True,
                                   vectorized=False, rng=generator)
    return {"truth": truth.tolist(), "first": first.tolist(), "second": second.tolist(),
            "low": float(result.confidence_interval.low), "high": float(result.confidence_interval.high)}


def bootstrap_of_rows(generator, examples, labels):
    """Two runs that say several labels at a time; the interval of the difference of their micro F1."""
    truth = (generator.random((examples, labels)) < 0.3).astype(int)
    first, second = (numpy.where(generator.random(truth.shape) < right, truth, 1 - truth) for right in (0.9, 0.85))

    def f1(rows, said):
        return 2 * (truth[rows] & said[rows]).sum() / (truth[rows].sum() + said[rows].sum())

    result = scipy.stats.bootstrap((numpy.arange(examples),), lambda rows: f1(rows, first) - f1(rows, second), n_resamples=5000,
                                   method="percentile", vectorized=False, rng=generator)
    return {"labels": labels, "truth": truth.ravel().tolist(), "first": first.ravel().tolist(), "second": second.ravel().tolist(),
            "low": float(result.confidence_interval.low), "high": float(result.confidence_interval.high)}


def main():
    generator = numpy.random.default_rng(11)
    golden = {
        "versions": {"scipy": scipy.__version__, "numpy": numpy.__version__},
        "student": [student(values) for values in ([0.01, 0.02], [0.871, 0.869, 0.874], [-0.01, 0.012, 0.003, 0.008, -0.002],
                                                   [1.0, 1.0, 1.0, 2.0])],
        "mcnemar": [mcnemar(*pair) for pair in ((0, 0), (1, 0), (5, 5), (10, 3), (3, 10), (120, 80), (1200, 1100), (700, 0))],
        "bootstrap": [bootstrap(generator, 200, 0.9, 0.8), bootstrap(generator, 500, 0.85, 0.85)],
        "bootstrap_of_values": bootstrap_of_values(generator, 120),
        "bootstrap_of_rows": bootstrap_of_rows(generator, 300, 4),
        "bootstrap_of_seeds": bootstrap_of_seeds(generator, 500, 3),
    }
    OUT.write_text(json.dumps(golden) + "\n")
    print(f"{OUT.name}: {len(golden['student'])} + {len(golden['mcnemar'])} + {len(golden['bootstrap']) + 3} cases")


if __name__ == "__main__":
    main()
