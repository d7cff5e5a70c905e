"""generate_transformers.py: full fine-tuning as transformers does it: every task, activation, and bfloat16. (env: hf)"""

from common import TINY, Case, be_deterministic, record_pass, record_start, record_training

import torch
import transformers
from transformers import BertForSequenceClassification

VERSIONS = {"transformers": transformers.__version__}
KINDS = {
    "classification": "single_label_classification",
    "multilabel": "multi_label_classification",
    "regression": "regression",
}


def load(**changes):
    return BertForSequenceClassification.from_pretrained(TINY, attn_implementation="eager", **changes).train()


def load_for(task):
    """tiny with the head of the task; the one label of regression takes tiny's first row."""
    source = load()
    if task != "regression":
        source.config.problem_type = KINDS[task]
        return source
    model = load(num_labels=1, problem_type=KINDS[task], ignore_mismatched_sizes=True)
    with torch.no_grad():
        model.classifier.weight.copy_(source.classifier.weight[:1])
        model.classifier.bias.copy_(source.classifier.bias[:1])
    return model


def encoder_names(model):
    return {name for name, _ in model.named_parameters() if not name.startswith("classifier.")}


def full(task, about):
    case = Case(f"full_{task}", about, VERSIONS, {"problem_type": KINDS[task]}, task=task)
    model = load_for(task)
    record_start(case, model, tiny=encoder_names(model))
    record_pass(case, model)
    record_training(case, model)
    case.write()


def activations():
    watched = "bert.encoder.layer.0.intermediate.dense.weight"
    kinds = ["gelu", "gelu_new", "relu", "silu", "swish", "tanh"]
    case = Case("full_activations", f"tiny with another hidden_act; gradient of {watched} only", VERSIONS,
                {"hidden_act": kinds})
    for kind in kinds:
        model = load(hidden_act=kind)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name == watched)
        part = Part(case, kind)
        record_pass(part, model)
    case.write()


class Part:
    """Records under `<prefix>/` of a case."""

    def __init__(self, case, prefix):
        self.case, self.prefix = case, prefix
        self.batches, self.sequences_alone = case.batches, case.sequences_alone

    def add(self, name, tensor, exact=None):
        self.case.add(f"{self.prefix}/{name}", tensor, exact)


def bf16():
    case = Case("full_bf16", "full_classification with model.to(bfloat16): values are bfloat16, stored as float32",
                VERSIONS, {"dtype": "bfloat16"})
    model = load().to(torch.bfloat16)
    record_pass(case, model)
    case.write()


def main():
    be_deterministic()
    full("classification", "cross-entropy over three labels, everything trains")
    full("multilabel", "binary cross-entropy with logits, mean over B x k")
    full("regression", "mean squared error, one label")
    activations()
    bf16()


if __name__ == "__main__":
    main()
