"""generate_adapters_methods.py: IA3, prefix tuning, prompt tuning and ReFT as the adapters library does them. (env: adapters)

Attention is eager everywhere: under SDPA the library masks a prompt out when there is padding. Prefix adapters are saved as
`.bin`: every layer holds the pool of prefixes once more, and the library cannot write shared tensors as safetensors.
"""

import logging
import re

from common import Case, be_deterministic, random_, record_pass, record_start, record_training
from generate_adapters import ADAPTER, HEAD, VERSIONS, base_model, tiny_names

import torch
from adapters import DiReftConfig, IA3Config, LoReftConfig, NoReftConfig, PrefixTuningConfig, PromptTuningConfig, ReftConfig

CASES = {  # case -> (configuration, what it is, whether its ten steps are recorded)
    "ia3_adapters": (IA3Config(), "IA3; in the feed-forward the activation's input is scaled", True),
    "ia3_adapters_options": (IA3Config(attn_matrices=["q", "k", "v"], output_lora=True, leave_out=[0]),
                             "IA3 of queries too and of the feed-forward's output; not in layer 0", False),
    "prefix_adapters": (PrefixTuningConfig(prefix_length=5, bottleneck_size=16),
                        "prefix of 5 computed by a network; positions are not shifted", True),
    "prefix_adapters_flat": (PrefixTuningConfig(prefix_length=5, flat=True), "flat prefix of 5", True),
    "prefix_adapters_leave_out": (PrefixTuningConfig(prefix_length=3, bottleneck_size=8, non_linearity="relu",
                                                     leave_out=[0]),
                                  "prefix of 3 in layer 1 alone, relu in its network", False),
    "prompt_adapters": (PromptTuningConfig(prompt_length=4),
                        "4 vectors in front of the embeddings; the head reads the first of them", True),
    "prompt_adapters_after_bos": (PromptTuningConfig(prompt_length=4, combine="prefix_after_bos"),
                                  "4 vectors behind [CLS]", False),
    # Ten steps of LoReFT are not recorded: the library casts the signs of its reflections to whole numbers, and the first weight decay
    # makes them zero.
    "reft_loreft": (LoReftConfig(prefix_positions=3, suffix_positions=1, r=4, dropout=0.0),
                    "LoReFT at the first three rows and the last one, with weights of their own", False),
    "reft_noreft": (NoReftConfig(prefix_positions=2, suffix_positions=1, r=3, dropout=0.0, tied_weights=True),
                    "NoReFT with the same weights at both ends", True),
    "reft_direft": (DiReftConfig(prefix_positions=1, suffix_positions=1, r=2, dropout=0.0, layers=[1]),
                    "DiReFT behind layer 1 alone; of a text of one row the last one counts", True),
}


def file_key(name):
    """The first of the names under which the library files a tensor that all layers share."""
    return re.sub(r".*\.pool\.", "bert.prefix_tuning.", name)


def method(name, config, about, training):
    case = Case(name, about, VERSIONS, config.to_dict())
    model = base_model()
    model.add_adapter(ADAPTER, config=config)
    model.train_adapter(ADAPTER)
    model.active_head = HEAD
    generator = torch.Generator().manual_seed(8)
    tiny = tiny_names()
    for parameter_name, parameter in model.named_parameters():
        if parameter_name in tiny or parameter_name.startswith("heads."):
            continue
        random_(parameter, std=0.3, mean=1.0 if "lora_B" in parameter_name else 0.0, generator=generator)
        if parameter_name.endswith("weight.original"):
            parameter.data.diagonal().fill_(-1)  # signs of the reflections
    for buffer_name, buffer in model.named_buffers():
        if buffer_name.endswith("weight.0.base"):
            case.add(f"fixed/{buffer_name}", buffer)
    if not isinstance(config, ReftConfig):  # whose files are not read here
        model.save_adapter(str(case.directory / "adapterhub"), ADAPTER,
                           use_safetensors=not isinstance(config, PrefixTuningConfig))
    model.train()
    where = {"prompt_rows": config["prompt_length"]} if isinstance(config, PromptTuningConfig) else {}
    record_start(case, model, file_key, tiny=tiny)
    record_pass(case, model, file_key, **where)
    if training:
        record_training(case, model, file_key, **where)
    case.write()


def main():
    be_deterministic()
    logging.getLogger("adapters").setLevel(logging.ERROR)
    for name, (config, about, training) in CASES.items():
        method(name, config, about, training)


if __name__ == "__main__":
    main()
