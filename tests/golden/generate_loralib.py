"""generate_loralib.py: the three layers of loralib, before merging, merged, and unmerged again. (env: hf)"""

import importlib.metadata

import loralib
import torch

from common import Case, be_deterministic, random_

LAYERS = {
    "linear": (lambda: loralib.Linear(6, 10, r=3, lora_alpha=6), lambda g: torch.randn(7, 6, generator=g)),
    "linear_one_rank": (lambda: loralib.Linear(5, 4, r=1, lora_alpha=3, bias=False),
                        lambda g: torch.randn(7, 5, generator=g)),
    "embedding": (lambda: loralib.Embedding(20, 6, r=3, lora_alpha=9),
                  lambda g: torch.randint(0, 20, (8,), generator=g)),
    "conv2d": (lambda: loralib.Conv2d(4, 6, 3, r=2, lora_alpha=4, padding=1),
               lambda g: torch.randn(2, 4, 5, 7, generator=g)),
    "conv2d_groups": (lambda: loralib.Conv2d(4, 6, 3, r=2, lora_alpha=8, stride=2, groups=2),
                      lambda g: torch.randn(2, 4, 7, 9, generator=g)),
}
SETTINGS = {
    "linear": {"in": 6, "out": 10, "r": 3, "alpha": 6, "bias": True},
    "linear_one_rank": {"in": 5, "out": 4, "r": 1, "alpha": 3, "bias": False},
    "embedding": {"words": 20, "hidden": 6, "r": 3, "alpha": 9},
    "conv2d": {"in": 4, "out": 6, "kernel": 3, "r": 2, "alpha": 4, "padding": 1, "stride": 1, "groups": 1},
    "conv2d_groups": {"in": 4, "out": 6, "kernel": 3, "r": 2, "alpha": 8, "padding": 0, "stride": 2, "groups": 2},
}


def record(case, name, make, make_input):
    generator = torch.Generator().manual_seed(3)
    layer = make()
    for parameter in layer.parameters():
        random_(parameter, std=0.5, mean=0.0, generator=generator)
    inner = getattr(layer, "conv", layer)
    x = make_input(generator)

    case.add(f"{name}/input", x)
    case.add(f"{name}/weight", inner.weight.clone())
    if getattr(inner, "bias", None) is not None:
        case.add(f"{name}/bias", inner.bias.clone())
    case.add(f"{name}/lora_A", layer.lora_A.clone())
    case.add(f"{name}/lora_B", layer.lora_B.clone())

    layer.train()
    output = layer(x)
    grad_output = torch.randn(output.shape, generator=generator)
    output.backward(grad_output)
    case.add(f"{name}/output", output)
    case.add(f"{name}/grad_output", grad_output)
    case.add(f"{name}/grad/lora_A", layer.lora_A.grad)
    case.add(f"{name}/grad/lora_B", layer.lora_B.grad)

    with torch.no_grad():
        layer.eval()  # merges
        case.add(f"{name}/merged_weight", inner.weight.clone())
        case.add(f"{name}/merged_output", layer(x))
        layer.train()  # takes the update out again
        case.add(f"{name}/unmerged_weight", inner.weight.clone())
        case.add(f"{name}/unmerged_output", layer(x))


def main():
    be_deterministic()
    case = Case("loralib_layers", "x -> layer -> output; gradients of A and B for grad_output; weights before, merged, unmerged",
                {"loralib": importlib.metadata.version("loralib")}, SETTINGS)
    case.tensors.clear()
    for name, (make, make_input) in LAYERS.items():
        record(case, name, make, make_input)
    case.write()


if __name__ == "__main__":
    main()
