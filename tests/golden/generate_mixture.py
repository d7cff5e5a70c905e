"""generate_mixture.py: a mixture of finished LoRA runs as its formula says it, for no library has it. (env: hf)

    y = W x + b,  u_i = s_i B_i A_i x,  score_i = (W_q x + b_q) . (W_k u_i),  p = softmax(score),  y + v * sum_i p_i u_i

written term by term around transformers' layers, with torch's autograd, in float64 and in float32 (`rounding`). W_q, b_q, W_k, v and the
classifier train; run a is at queries, values and the feed-forward's output, run b at queries and values alone: where one run is, p is 1.
"""

from common import TINY, Case, be_deterministic, random_, record_pass, record_start, record_training
from generate_transformers import VERSIONS

import torch
from transformers import BertForSequenceClassification

WIDTH = 5
RUNS = {  # as the runs' own settings say it
    "a": {"targets": ["query", "value", "ffn_down"], "rank": 4, "alpha": 8, "rank_stabilized": False, "alphas": {"value": 2}},
    "b": {"targets": ["query", "value"], "rank": 2, "alpha": 3, "rank_stabilized": True, "alphas": {}},
}
PLACES = {"query": "attention.self.query", "value": "attention.self.value", "ffn_down": "output.dense"}


class Member(torch.nn.Module):
    def __init__(self, layer, run, target):
        super().__init__()
        rank = run["rank"]
        self.lora_A = torch.nn.Parameter(torch.empty(rank, layer.in_features), requires_grad=False)
        self.lora_B = torch.nn.Parameter(torch.empty(layer.out_features, rank), requires_grad=False)
        self.scale = run["alphas"].get(target, run["alpha"]) / (rank**0.5 if run["rank_stabilized"] else rank)

    def forward(self, x):
        return self.scale * (x @ self.lora_A.T) @ self.lora_B.T


class Attention(torch.nn.Module):
    def __init__(self, layer, members):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.empty(layer.out_features))
        if members > 1:
            self.query_weight = torch.nn.Parameter(torch.empty(WIDTH, layer.in_features))
            self.query_bias = torch.nn.Parameter(torch.empty(WIDTH))
            self.key_weight = torch.nn.Parameter(torch.empty(WIDTH, layer.out_features))

    def forward(self, x, updates):
        if len(updates) == 1:
            return self.scale * updates[0]
        query = x @ self.query_weight.T + self.query_bias
        scores = torch.stack([(query * (update @ self.key_weight.T)).sum(-1) for update in updates], dim=-1)
        return self.scale * sum(p.unsqueeze(-1) * u for p, u in zip(scores.softmax(-1).unbind(-1), updates))


class Mixed(torch.nn.Linear):
    """Keeps the names of the layer's own weight and bias."""

    def __init__(self, layer, target):
        super().__init__(layer.in_features, layer.out_features)
        self.load_state_dict(layer.state_dict())
        self.requires_grad_(False)
        self.members = torch.nn.ModuleDict({name: Member(layer, run, target) for name, run in RUNS.items()
                                            if target in run["targets"]})
        self.mixture = Attention(layer, len(self.members))

    def forward(self, x):
        return super().forward(x) + self.mixture(x, [member(x) for member in self.members.values()])


def model_with_mixtures():
    model = BertForSequenceClassification.from_pretrained(TINY, attn_implementation="eager").requires_grad_(False)
    model.classifier.requires_grad_(True)
    generator = torch.Generator().manual_seed(13)
    for layer in model.bert.encoder.layer:
        for target, path in PLACES.items():
            parent, _, name = path.rpartition(".")
            mixed = Mixed(layer.get_submodule(path), target)
            for key, parameter in mixed.named_parameters():
                if "." in key:
                    random_(parameter, std=0.3, mean=1.0 if key == "mixture.scale" else 0.0, generator=generator)
            setattr(layer.get_submodule(parent), name, mixed)
    return model


def main():
    be_deterministic()
    case = Case("mixture_loras", "a mixture of two LoRA runs by its formula", VERSIONS,
                {"width": WIDTH, "runs": RUNS})
    model = model_with_mixtures().train()
    known = {name for name, parameter in model.named_parameters()
             if not parameter.requires_grad and ".members." not in name}
    record_start(case, model, tiny=known)
    record_pass(case, model)
    record_training(case, model)
    case.write()


if __name__ == "__main__":
    main()
