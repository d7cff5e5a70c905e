"""generate_peft_variants.py: LoRA as peft writes it in every way that its configuration can say. (env: hf)

Every case is trained a few steps and saved by the library itself, so nothing in its file is an initial value. Where the
initialisation changes the base weights (PiSSA, OLoRA), logits are those of the changed base with the trained A and B.
"""

from common import TINY, Case, be_deterministic, forward, random_, record_pass

import peft
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import BertForSequenceClassification

VERSIONS = {"transformers": transformers.__version__, "peft": peft.__version__}
ENCODER = "base_model.model.bert.encoder"
QV = ["query", "value"]
STEPS, RATE = 5, 1e-2
CASES = {
    "lora_all_linear": {"target_modules": "all-linear", "r": 2},
    "lora_regex": {"target_modules": r".*\.layer\.\d+\.(attention\.self\.(query|key)|output\.dense)"},
    "lora_regex_from_root": {"target_modules": r"bert\.encoder\.layer\.0\..*(key|dense)", "lora_alpha": 3},
    "lora_patterns": {
        "target_modules": ["query", "value", "intermediate.dense", "pooler.dense"],
        "rank_pattern": {r"layer\.0\.attention\.self\.(query|value)": 2, "intermediate.dense": 6},
        "alpha_pattern": {"encoder.layer.1.attention.self.value": 5, "query": 16},
    },
    "lora_rslora_patterns": {"target_modules": QV, "use_rslora": True, "rank_pattern": {"value": 9}},
    "lora_layers": {"target_modules": ["query", "dense"], "layers_to_transform": [1],
                    "exclude_modules": ["attention.output.dense"]},
    "lora_gaussian": {"target_modules": QV, "init_lora_weights": "gaussian", "lora_dropout": 0.25},
    "lora_dora": {"target_modules": ["query", "output.dense"], "use_dora": True},
    "lora_dora_rslora": {"target_modules": ["key"], "use_dora": True, "use_rslora": True, "bias": "lora_only"},
    "lora_dora_words": {"target_modules": ["word_embeddings", "value"], "use_dora": True},
    "lora_bias_all": {"target_modules": QV, "bias": "all"},
    "lora_bias_only": {"target_modules": ["value", "intermediate.dense"], "bias": "lora_only"},
    "lora_words": {"target_modules": ["key", "word_embeddings"], "r": 3},
    "lora_pissa": {"target_modules": ["query", "output.dense"], "init_lora_weights": "pissa"},
    "lora_pissa_rslora": {"target_modules": QV, "init_lora_weights": "pissa", "use_rslora": True, "lora_alpha": 6},
    "lora_olora": {"target_modules": QV, "init_lora_weights": "olora", "rank_pattern": {"value": 2},
                   "alpha_pattern": {"query": 12}},
    "lora_pissa_dora": {"target_modules": ["value"], "init_lora_weights": "pissa", "use_dora": True},
    "lora_pooler": {"target_modules": QV, "modules_to_save": ["pooler"]},
}


def file_key(name):
    """A parameter's name -> the key that peft's own adapter_model.safetensors gives it."""
    name = name.replace("modules_to_save.default.", "").replace(".default", "")
    return name.removesuffix(".weight") if "lora_magnitude_vector" in name else name


def made(options):
    base = BertForSequenceClassification.from_pretrained(TINY, attn_implementation="eager")
    return get_peft_model(base, LoraConfig(task_type="SEQ_CLS", **options))


def train(case, model):
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE)
    for step in range(STEPS):
        optimizer.zero_grad()
        forward(case, model, case.batches["ab"[step % 2]], encoder=ENCODER)[0].backward()
        optimizer.step()


def save(case, model):
    model.save_pretrained(case.directory / "peft")
    (case.directory / "peft" / "README.md").unlink()


def check_reload(case, model):
    """What the file says is what was recorded: the library itself agrees after loading it again."""
    base = BertForSequenceClassification.from_pretrained(TINY, attn_implementation="eager")
    loaded = PeftModel.from_pretrained(base, case.directory / "peft").eval()
    with torch.no_grad():
        logits = forward(case, loaded, case.batches["a"], encoder=ENCODER)[1]
    assert torch.allclose(logits, case.tensors["logits"], atol=1e-5), case.name


def variant(name, options):
    settings = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "bias": "none", **options}
    case = Case(name, "LoRA after a few steps of training, as peft saves it", VERSIONS, settings)
    torch.manual_seed(6)
    model = made(settings)
    generator = torch.Generator().manual_seed(6)
    for parameter_name, parameter in model.named_parameters():
        if ("lora_B" in parameter_name or "lora_embedding" in parameter_name) and not settings.get("init_lora_weights"):
            random_(parameter, std=0.1, mean=0.0, generator=generator)
    train(case, model.train())
    save(case, model.eval())
    record_pass(case, model, file_key, encoder=ENCODER)
    check_reload(case, model)
    case.write()


def main():
    be_deterministic()
    for name, options in CASES.items():
        variant(name, options)


if __name__ == "__main__":
    main()
