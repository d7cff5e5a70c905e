"""generate_metrics.py: metrics of random predictions by scikit-learn and scipy, schedules by transformers. (env: hf)"""

import json
import pathlib

import numpy
import scipy.stats
import sklearn.metrics as metrics
import torch
import transformers

OUT = pathlib.Path(__file__).parent / "metrics.json"


def averages(truth, guess, average):
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(truth, guess, average=average, zero_division=0)
    return {"precision": precision, "recall": recall, "f1": f1}


def classification(generator, labels, examples, unused_label=False):
    logits = numpy.round(generator.normal(size=(examples, labels)), 3)
    truth = generator.integers(0, labels - (1 if unused_label else 0), examples)
    guess = logits.argmax(1)
    result = {"accuracy": metrics.accuracy_score(truth, guess),
              "macro_f1": metrics.f1_score(truth, guess, labels=range(labels), average="macro", zero_division=0)}
    if labels == 2:
        result |= averages(truth, guess, "binary")
    else:
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            truth, guess, labels=range(labels), average="macro", zero_division=0)
        result |= {"precision": precision, "recall": recall, "f1": f1}
    return {"task": "classification", "logits": logits.tolist(), "targets": truth.tolist(), "metrics": result,
            "confusion": metrics.confusion_matrix(truth, guess, labels=range(labels)).tolist()}


def multi_label(generator, labels, examples):
    logits = numpy.round(generator.normal(size=(examples, labels)), 3)
    truth = (generator.random((examples, labels)) < 0.4).astype(int)
    guess = (logits > 0).astype(int)
    result = {"accuracy": metrics.accuracy_score(truth, guess),
              "macro_f1": metrics.f1_score(truth, guess, average="macro", zero_division=0)}
    result |= averages(truth, guess, "micro")
    return {"task": "multi-label", "logits": logits.tolist(), "targets": truth.astype(float).tolist(), "metrics": result}


def regression(generator, examples):
    logits = numpy.round(generator.normal(size=examples), 1)  # rounded: ranks have ties
    truth = numpy.round(0.5 * logits + generator.normal(size=examples), 1)
    result = {"mse": metrics.mean_squared_error(truth, logits), "mae": metrics.mean_absolute_error(truth, logits),
              "pearson": scipy.stats.pearsonr(truth, logits).statistic,
              "spearman": scipy.stats.spearmanr(truth, logits).statistic}
    return {"task": "regression", "logits": logits[:, None].tolist(), "targets": truth.tolist(), "metrics": result}


def schedules():
    makers = {"linear": transformers.get_linear_schedule_with_warmup, "cosine": transformers.get_cosine_schedule_with_warmup,
              "constant": lambda optimizer, warmup, total: transformers.get_constant_schedule_with_warmup(optimizer, warmup)}
    out = []
    for name, make in makers.items():
        for warmup, total in ((0, 7), (3, 10), (10, 10)):
            optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
            schedule = make(optimizer, warmup, total)
            factors = []
            for _ in range(total):
                factors.append(schedule.get_last_lr()[0])
                optimizer.step()
                schedule.step()
            out.append({"schedule": name, "warmup_steps": warmup, "total_steps": total, "factors": factors})
    return out


def main():
    generator = numpy.random.default_rng(5)
    cases = [classification(generator, 2, 40), classification(generator, 2, 1), classification(generator, 4, 50),
             classification(generator, 4, 12, unused_label=True), multi_label(generator, 3, 30), regression(generator, 25)]
    OUT.write_text(json.dumps({"versions": {"scikit-learn": __import__("sklearn").__version__, "scipy": scipy.__version__,
                                            "transformers": transformers.__version__},
                               "cases": cases, "schedules": schedules()}) + "\n")
    print(f"{OUT.name}: {len(cases)} cases")


if __name__ == "__main__":
    main()
