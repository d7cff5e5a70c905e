"""generate_peft_merge.py: what peft's merge_and_unload makes of several adapters at once, and of bases of 16 bits. (env: hf)

The adapters differ in targets, ranks (patterns) and scale; merged in an order of their own. `exact` is the float64 sum.
"""

import peft
import torch
import transformers
from common import TINY, Case, be_deterministic, forward, random_
from peft import LoraConfig, get_peft_model
from transformers import BertForSequenceClassification

VERSIONS = {"transformers": transformers.__version__, "peft": peft.__version__}
MEMBERS = {
    "a": {"target_modules": ["query", "intermediate.dense", "word_embeddings"], "r": 4, "lora_alpha": 8,
          "rank_pattern": {r"layer\.0\.attention\.self\.query": 2, "word_embeddings": 3},
          "alpha_pattern": {"encoder.layer.1.attention.self.query": 5}},
    "b": {"target_modules": ["query", "value", "word_embeddings"], "r": 3, "lora_alpha": 4, "use_rslora": True,
          "rank_pattern": {"value": 5}},
    "c": {"target_modules": ["0.attention.self.query", "1.output.dense"], "r": 2, "lora_alpha": 7},
}
MERGES = {
    "all": {"members": "abc", "base": "float32"},
    "two": {"members": "ca", "base": "float32"},
    "bfloat16": {"members": "a", "base": "bfloat16"},
    "float16": {"members": "b", "base": "float16"},
}


def adapted(dtype):
    base = BertForSequenceClassification.from_pretrained(TINY, attn_implementation="eager").to(dtype)
    model = get_peft_model(base, LoraConfig(**MEMBERS["a"]), adapter_name="a")
    for name in list(MEMBERS)[1:]:
        model.add_adapter(name, LoraConfig(**MEMBERS[name]))
    generator = torch.Generator().manual_seed(9)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            assert parameter.dtype == torch.float32, "peft keeps the adapters of a small base in float32"
            random_(parameter, std=0.1, mean=0.0, generator=generator)
    return model.eval()


def main():
    be_deterministic()
    case = Case("lora_merge", "LoRA adapters merged by merge_and_unload; a/ b/ c/ are the adapters", VERSIONS, MERGES)
    adapted(torch.float32).save_pretrained(case.directory)
    (case.directory / "README.md").unlink()
    for name, options in MERGES.items():
        dtype, members = getattr(torch, options["base"]), list(options["members"])
        merged = adapted(dtype).merge_and_unload(safe_merge=True, adapter_names=members)
        exact = adapted(dtype).double().merge_and_unload(adapter_names=members)
        base = BertForSequenceClassification.from_pretrained(TINY, attn_implementation="eager").to(dtype)
        before = dict(base.named_parameters())
        truth = dict(exact.named_parameters())
        for key, parameter in merged.named_parameters():
            assert parameter.dtype == dtype, key
            if not torch.equal(parameter, before[key]):
                case.add(f"{name}/{key.removeprefix('bert.')}", parameter, truth[key])
        if dtype == torch.float32:
            with torch.no_grad():
                case.add(f"{name}/logits", forward(case, merged, case.batches["a"])[1],
                         forward(case, exact, case.batches["a"])[1])
    case.write()


if __name__ == "__main__":
    main()
