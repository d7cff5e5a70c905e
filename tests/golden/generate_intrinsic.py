"""generate_intrinsic.py: BERT whose weights move within a random subspace, W = W_0 + s P theta. (env: hf)

No library has the method (Aghajanyan et al. 2021, arXiv:2012.13255; Li et al. 2018, arXiv:1804.08838). P is made here as what the paper
says, the product of five matrices: blocks H G Pi H B below one another, H from scipy. It is multiplied in full and in float64.
What is drawn comes from numpy's MT19937, whose stream is that of C++'s std::mt19937.
"""

import math

from common import TINY, Case, be_deterministic, random_, record_pass, record_start, record_training

import numpy
import scipy
import torch
import transformers
from scipy.linalg import hadamard
from transformers import BertForSequenceClassification

ROLES = {"query": "attention.self.query", "value": "attention.self.value", "ffn_up": "intermediate.dense"}
CASES = {  # case -> (settings, what it is)
    "intrinsic_plain": ({"dimension": 12, "structure_aware": False, "seed": 7, "targets": ["query", "value"]},
                        "12 numbers move the queries' and the values' weights"),
    "intrinsic_structure_aware": ({"dimension": 35, "structure_aware": True, "seed": 4294967295,
                                   "targets": ["query", "ffn_up"]},
                                  "33 numbers in blocks of 64, and a scale of each layer"),
    "intrinsic_one": ({"dimension": 1, "structure_aware": False, "seed": 0, "targets": ["value"]},
                      "one number: H is (1) and P signs"),
}


class Random:
    def __init__(self, seed):
        self.bits = numpy.random.MT19937()
        self.bits._legacy_seeding(seed)

    def below(self, end):
        return int(self.bits.random_raw()) * end >> 32

    def normal(self):
        u, v = ((int(self.bits.random_raw()) + 0.5) / 2**32 for _ in range(2))
        return math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)


def projection(rows, order, weights, random):
    """What of P makes one layer's weights: (rows, order)."""
    h = hadamard(order).astype(float) if order > 1 else numpy.ones((1, 1))
    blocks = []
    for _ in range(-(-rows // order)):
        b = numpy.diag([1.0 if random.below(2) == 0 else -1.0 for _ in range(order)])
        places = list(range(order))
        for i in range(order - 1, 0, -1):
            j = random.below(i + 1)
            places[i], places[j] = places[j], places[i]
        g = numpy.array([random.normal() for _ in range(order)])
        blocks.append(h @ numpy.diag(g / math.sqrt(weights * (g**2).sum())) @ numpy.eye(order)[places] @ h @ b)
    return torch.from_numpy(numpy.concatenate(blocks)[:rows])


class Intrinsic(torch.nn.Module):
    def __init__(self, base, dimension, structure_aware, seed, targets):
        super().__init__()
        self.base = base
        layers = len(base.bert.encoder.layer)
        self.names = [f"bert.encoder.layer.{layer}.{ROLES[role]}" for layer in range(layers) for role in ROLES
                      if role in targets]
        weights = sum(base.get_submodule(name).weight.numel() for name in self.names)
        self.theta = torch.nn.Parameter(torch.zeros(dimension - layers * structure_aware))
        self.scales = torch.nn.ParameterList([torch.nn.Parameter(torch.ones(1)) for _ in range(layers * structure_aware)])
        order = 2 ** math.ceil(math.log2(len(self.theta)))
        random = Random(seed)
        self.parts = [projection(base.get_submodule(name).weight.numel(), order, weights, random)[:, : len(self.theta)]
                      for name in self.names]

    def forward(self, **inputs):
        moved = {}
        for name, part in zip(self.names, self.parts):
            weight = self.base.get_submodule(name).weight
            move = (part.to(weight.dtype) @ self.theta).view_as(weight)
            scale = self.scales[int(name.split(".")[3])] if len(self.scales) else 1
            moved[f"{name}.weight"] = weight + scale * move
        return torch.func.functional_call(self.base, moved, (), inputs)

    def key(self, name):
        """By the names of our delta: what layers share is the first one's."""
        if name.startswith("base."):
            return name.removeprefix("base.")
        layer = name.removeprefix("scales.") if name.startswith("scales.") else "0"
        first = next(module for module in self.names if module.startswith(f"bert.encoder.layer.{layer}."))
        return f"{first}.intrinsic.{'theta' if name == 'theta' else 'scale'}"


def main():
    be_deterministic()
    versions = {"transformers": transformers.__version__, "scipy": scipy.__version__, "numpy": numpy.__version__}
    for name, (settings, about) in CASES.items():
        case = Case(name, about, versions, settings)
        base = BertForSequenceClassification.from_pretrained(TINY, attn_implementation="eager")
        base.requires_grad_(False)
        base.classifier.requires_grad_(True)
        model = Intrinsic(base, **settings).train()
        generator = torch.Generator().manual_seed(7)
        random_(model.theta, std=6 / math.sqrt(len(model.theta)), mean=0.0, generator=generator)  # 0.1 a weight
        for scale in model.scales:
            random_(scale, std=0.3, mean=1.0, generator=generator)
        frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
        record_start(case, model, model.key, tiny=frozen)
        record_pass(case, model, model.key, encoder="base.bert.encoder")
        record_training(case, model, model.key, encoder="base.bert.encoder")
        case.write()


if __name__ == "__main__":
    main()
