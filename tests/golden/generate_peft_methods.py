"""generate_peft_methods.py: IA3, prefix tuning, prompt tuning, LayerNorm tuning, VeRA and LoHa as peft does them; BitFit, which no
library has, as transformers trains biases. (env: hf)

Everything that a method adds starts random, so no gradient is trivial.
"""

import copy

from common import TINY, Case, be_deterministic, forward, random_, record_pass, record_start, record_training

import peft
import torch
import transformers
from peft import (IA3Config, LNTuningConfig, LoHaConfig, PrefixTuningConfig, PromptTuningConfig, VeraConfig, get_peft_model,
                  get_peft_model_state_dict)
from transformers import BertForSequenceClassification

VERSIONS = {"transformers": transformers.__version__, "peft": peft.__version__}
PROMPT = "prompt_encoder.default.embedding.weight"
CASES = {  # case -> (configuration class, options, what it is, whether its ten steps are recorded)
    "ia3_peft": (IA3Config, {"target_modules": ["key", "value", "output.dense"], "feedforward_modules": ["output.dense"]},
                 "IA3 with peft's own lists for BERT: output.dense also names attention.output.dense, and there too the "
                 "input is scaled", True),
    "ia3_paper": (IA3Config, {"target_modules": r".*\.layer\.\d+\.(attention\.self\.(key|value)|output\.dense)",
                              "feedforward_modules": r".*\.layer\.\d+\.output\.dense"},
                  "IA3 as in the paper: key, value and the input of the feed-forward's second layer", False),
    "ia3_all": (IA3Config, {"target_modules": ["dense", "query", "layer.1.attention.self.value"],
                            "feedforward_modules": ["dense"]},
                "IA3 on every module called dense (the pooler too), the queries and the values of one layer", False),
    "prefix_peft": (PrefixTuningConfig, {"num_virtual_tokens": 5}, "flat prefix; real positions are shifted by 5", True),
    "prompt_peft": (PromptTuningConfig, {"num_virtual_tokens": 4},
                    "4 vectors in front of the word vectors; the head reads the first of them", True),
    "layernorm_peft": (LNTuningConfig, {"target_modules": ["LayerNorm"]}, "LayerNorm tuning of every LayerNorm", True),
    "layernorm_some": (LNTuningConfig, {"target_modules": ["attention.output.LayerNorm", "layer.1.output.LayerNorm"]},
                       "LayerNorm tuning of three of the five LayerNorms", False),
    "vera_peft": (VeraConfig, {"r": 12, "target_modules": ["query", "value", "output.dense"]},
                  "VeRA on layers of different measures, which share two random matrices", True),
    "loha_peft": (LoHaConfig, {"r": 4, "alpha": 6, "target_modules": ["query", "value", "intermediate.dense"]},
                  "LoHa: the product of two updates of rank 4", True),
    "loha_patterns": (LoHaConfig, {"r": 4, "alpha": 6, "target_modules": r".*(query|\d\.output\.dense)",
                                   "rank_pattern": {"query": 2}, "alpha_pattern": {r"layer\.1\..*": 3}},
                      "LoHa with ranks and alphas of single modules", False),
    "vera_drawn": (VeraConfig, {"r": 5, "target_modules": ["key", "intermediate.dense"], "layers_to_transform": [1],
                                "save_projection": False, "projection_prng_key": 7, "d_initial": 0.2},
                   "VeRA whose random matrices are not in its file: import_only/, for it leaves with them", False),
}
PROJECTIONS = ("vera_A", "vera_B")  # of VeRA: random, frozen, and in its file all the same


def file_key(name):
    """A parameter's name -> the key that peft's own adapter_model.safetensors gives it."""
    return "prompt_embeddings" if name == PROMPT else name.replace("modules_to_save.default.", "").replace(".default", "")


def method(name, config_class, options, about, training):
    case = Case(name, about, VERSIONS, options)
    base = BertForSequenceClassification.from_pretrained(TINY, attn_implementation="eager")
    model = get_peft_model(base, config_class(task_type="SEQ_CLS", **options)).train()
    generator = torch.Generator().manual_seed(7)
    for parameter_name, parameter in model.named_parameters():
        if parameter.requires_grad and "classifier" not in parameter_name:
            around_one = "ia3_l" in parameter_name or parameter_name.endswith("ln_tuning_layers.default.weight")
            random_(parameter, std=0.3, mean=1.0 if around_one else 0.0, generator=generator)
    if config_class is VeraConfig and options.get("save_projection", True):
        for name_ in PROJECTIONS:  # not what its key would draw, so that reading them makes a difference
            random_(getattr(model.base_model, name_)["default"], std=0.3, mean=0.0, generator=generator)
    trained = {file_key(n) for n, p in model.named_parameters() if p.requires_grad}
    fixed = {name for name in get_peft_model_state_dict(model) if name.endswith(PROJECTIONS)}
    assert trained == set(get_peft_model_state_dict(model)) - fixed, "the names are not those of peft's file"
    for name in sorted(fixed):
        case.add(f"fixed/{name}", get_peft_model_state_dict(model)[name])

    directory = case.directory / ("peft" if options.get("save_projection", True) else "import_only")
    model.save_pretrained(directory)
    (directory / "README.md").unlink()
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    is_prompt = config_class in (PrefixTuningConfig, PromptTuningConfig)
    where = {"encoder": "base_model.bert.encoder" if is_prompt else "base_model.model.bert.encoder"}
    if config_class is PromptTuningConfig:
        where["prompt_rows"] = options["num_virtual_tokens"]
    record_start(case, model, file_key, tiny=frozen)
    record_pass(case, model, file_key, **where)
    if config_class in (IA3Config, LoHaConfig, VeraConfig):
        merged = copy.deepcopy(model).merge_and_unload()
        exact = copy.deepcopy(model).double().merge_and_unload()
        with torch.no_grad():
            case.add("merged_logits", forward(case, merged, case.batches["a"])[1],
                     forward(case, exact, case.batches["a"])[1])
    if training:
        record_training(case, model, file_key, **where)
    case.write()


def bitfit():
    about = "every bias of the encoder, the pooler's too, and the classifier train; nothing else does"
    case = Case("bitfit_bias", about, {"transformers": transformers.__version__})
    model = BertForSequenceClassification.from_pretrained(TINY, attn_implementation="eager").train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.endswith(".bias") or name.startswith("classifier."))
    key = lambda name: name
    record_start(case, model, key, tiny={n for n, _ in model.named_parameters() if not n.startswith("classifier.")})
    record_pass(case, model, key)
    record_training(case, model, key)
    case.write()


def main():
    be_deterministic()
    for name, (config_class, options, about, training) in CASES.items():
        method(name, config_class, options, about, training)
    bitfit()


if __name__ == "__main__":
    main()
