"""generate_peft_bin.py: adapters as peft writes them with safe_serialization=False: adapter_model.bin. (env: hf)

peft_bin_<case>/ is <case>/peft/, loaded and saved again by the library; its numbers are those of <case>/golden.safetensors.
"""

import shutil

from common import GOLDEN, TINY, be_deterministic

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import BertForSequenceClassification

CASES = ["lora_qv", "lora_dora", "ia3_peft", "prefix_peft", "prompt_peft", "layernorm_peft", "vera_peft"]


def save_as_bin(name):
    base = BertForSequenceClassification.from_pretrained(TINY, attn_implementation="eager")
    model = PeftModel.from_pretrained(base, GOLDEN / name / "peft")
    directory = GOLDEN / f"peft_bin_{name}"
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory, safe_serialization=False)
    (directory / "README.md").unlink()
    theirs = load_file(GOLDEN / name / "peft" / "adapter_model.safetensors")
    again = torch.load(directory / "adapter_model.bin")
    assert set(theirs) == set(again) and all(torch.equal(theirs[key], again[key]) for key in theirs), name
    print(f"peft_bin_{name}: {len(again)} tensors")


def main():
    be_deterministic()
    for name in CASES:
        save_as_bin(name)


if __name__ == "__main__":
    main()
