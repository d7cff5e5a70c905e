"""generate_peft_combine.py: LoRA adapters combined by peft's add_weighted_adapter, each way that it knows. (env: hf)

The adapters have no modules_to_save, because the library refuses to combine those: the head is the tiny model's.
Random pruning (dare_*): torch is seeded after the new adapter is made, so the masks are those of the seed alone.
"""

import peft
import torch
import transformers
from common import TINY, Case, be_deterministic, forward, random_
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.tuners.lora import model as lora_model
from transformers import BertForSequenceClassification

VERSIONS = {"transformers": transformers.__version__, "peft": peft.__version__}
ENCODER = "base_model.model.bert.encoder"
SAME = ["0.attention.self.query", "1.output.dense", "word_embeddings"]
MEMBERS = {
    "a": {"target_modules": SAME, "r": 4, "lora_alpha": 8},
    "b": {"target_modules": SAME, "r": 4, "lora_alpha": 3, "use_rslora": True},
    "c": {"target_modules": ["0.attention.self.query", "0.attention.self.key"], "r": 2, "lora_alpha": 5},
}
COMBINATIONS = {
    "linear": {"method": "linear", "members": "ab", "weights": [0.7, 0.3]},
    "linear_negative": {"method": "linear", "members": "ab", "weights": [1.2, -0.5]},
    "cat": {"method": "cat", "members": "abc", "weights": [0.7, -0.4, 1.5]},
    "svd": {"method": "svd", "members": "abc", "weights": [0.7, 0.4, 1.5], "rank": 3},
    "svd_default_rank": {"method": "svd", "members": "ac", "weights": [1.0, 0.5]},
    "ties": {"method": "ties", "members": "ab", "weights": [0.7, 0.6], "density": 0.6},
    "ties_frequency": {"method": "ties", "members": "ab", "weights": [1.0, 1.0], "density": 0.3, "sign": "frequency"},
    "ties_svd": {"method": "ties_svd", "members": "abc", "weights": [0.7, 0.6, 1.0], "density": 0.6, "rank": 5},
    "dare_linear": {"method": "dare_linear", "members": "ab", "weights": [0.7, 0.6], "density": 0.5, "seed": 3},
    "dare_ties": {"method": "dare_ties", "members": "ab", "weights": [0.7, 0.6], "density": 0.7, "seed": 4},
    "dare_linear_svd": {"method": "dare_linear_svd", "members": "ab", "weights": [0.7, 0.6], "density": 0.5, "seed": 5},
    "dare_ties_svd": {"method": "dare_ties_svd", "members": "ab", "weights": [0.7, 0.6], "density": 0.7, "seed": 6,
                      "sign": "frequency"},
    "magnitude_prune": {"method": "magnitude_prune", "members": "ab", "weights": [0.7, 0.6], "density": 0.5},
    "magnitude_prune_svd": {"method": "magnitude_prune_svd", "members": "ab", "weights": [0.7, 0.6], "density": 0.5,
                            "rank": 6},
}


def members():
    base = BertForSequenceClassification.from_pretrained(TINY, attn_implementation="eager")
    model = get_peft_model(base, LoraConfig(**MEMBERS["a"]), adapter_name="a")
    for name in list(MEMBERS)[1:]:
        model.add_adapter(name, LoraConfig(**MEMBERS[name]))
    generator = torch.Generator().manual_seed(8)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            random_(parameter, std=0.2, mean=0.0, generator=generator)
    return model.eval()


def combine(model, options):
    """Adds the adapter "combined"."""
    freeze = lora_model._freeze_adapter

    def freeze_and_seed(*arguments):
        freeze(*arguments)
        torch.manual_seed(options.get("seed", 0))

    lora_model._freeze_adapter = freeze_and_seed
    try:
        model.add_weighted_adapter(
            list(options["members"]), options["weights"], "combined", combination_type=options["method"],
            svd_rank=options.get("rank"), density=options.get("density"),
            majority_sign_method=options.get("sign", "total"),
        )
    finally:
        lora_model._freeze_adapter = freeze
    # rsLoRA in the first adapter would be inherited and scale the result once more: the first ones here are plain.
    for module in model.modules():
        if isinstance(module, LoraLayer) and "combined" in module.scaling:
            assert module.scaling["combined"] == 1
    model.set_adapter("combined")


def main():
    be_deterministic()
    case = Case("lora_combine", "LoRA adapters combined by add_weighted_adapter; a/ b/ c/ are the adapters", VERSIONS,
                COMBINATIONS)
    for name, options in COMBINATIONS.items():
        model = members()
        if name == "linear":
            model.save_pretrained(case.directory)
            (case.directory / "README.md").unlink()
        combine(model, options)
        for key, parameter in model.named_parameters():
            if "combined" in key:
                key = key.replace(".combined", "").replace("base_model.model.bert.", "")
                case.add(f"{name}/{key}", parameter)
        with torch.no_grad():
            case.add(f"{name}/logits", forward(case, model, case.batches["a"], encoder=ENCODER)[1])
    case.write()


if __name__ == "__main__":
    main()
