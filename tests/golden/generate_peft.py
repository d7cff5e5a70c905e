"""generate_peft.py: LoRA as peft does it. A and B start random, so the gradient of A is not zero. (env: hf)"""

import copy
import functools
import shutil

from common import TINY, TRAINING, Case, be_deterministic, forward, random_, record_pass, record_start, record_training

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from peft.optimizers import create_loraplus_optimizer
from transformers import BertForSequenceClassification

VERSIONS = {"transformers": transformers.__version__, "peft": peft.__version__}
ENCODER = "base_model.model.bert.encoder"
ALL_LINEAR = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]
CASES = {
    "lora_qv": {"target_modules": ["query", "value"]},
    "lora_rslora": {"target_modules": ["query", "value"], "use_rslora": True},
    "lora_all": {"target_modules": ALL_LINEAR},
    "lora_embedding": {"target_modules": ["word_embeddings", "query"]},
    "lora_plus": {"target_modules": ["query", "value"], "rate_ratio": 16},
}


def file_key(name):
    """A parameter's name -> the key that peft's own adapter_model.safetensors gives it."""
    return name.replace("modules_to_save.default.", "").replace(".default", "")


def lora(name, options):
    settings = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "bias": "none", **options}
    case = Case(name, "LoRA; the classifier trains, the pooler does not", VERSIONS, settings)
    ratio = options.get("rate_ratio")
    settings = {option: value for option, value in settings.items() if option != "rate_ratio"}
    base = BertForSequenceClassification.from_pretrained(TINY, attn_implementation="eager")
    model = get_peft_model(base, LoraConfig(task_type="SEQ_CLS", **settings)).train()
    generator = torch.Generator().manual_seed(2)
    for parameter_name, parameter in model.named_parameters():
        if "lora_" in parameter_name:
            random_(parameter, std=0.2, mean=0.0, generator=generator)
    trained = {file_key(n) for n, p in model.named_parameters() if p.requires_grad}
    optimizer = None
    if ratio:  # peft gives it to every vector too, of which plugtune's rate_ratio leaves the classifier's bias alone
        model.base_model.model.classifier.modules_to_save.default.bias.requires_grad_(False)
        optimizer = functools.partial(create_loraplus_optimizer, loraplus_lr_ratio=ratio,
                                      loraplus_weight_decay=TRAINING["weight_decay"])
    assert trained == set(get_peft_model_state_dict(model)), "the names are not those of peft's file"

    model.save_pretrained(case.directory / "peft")
    (case.directory / "peft" / "README.md").unlink()
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    record_start(case, model, file_key, tiny=frozen)
    record_pass(case, model, file_key, encoder=ENCODER)
    merged = copy.deepcopy(model).merge_and_unload()
    exact = copy.deepcopy(model).double().merge_and_unload()
    with torch.no_grad():
        case.add("merged_logits", forward(case, merged, case.batches["a"])[1],
                 forward(case, exact, case.batches["a"])[1])
    record_training(case, model, file_key, make_optimizer=optimizer, encoder=ENCODER)
    case.write()


def main():
    be_deterministic()
    for name, options in CASES.items():
        lora(name, options)


if __name__ == "__main__":
    main()
