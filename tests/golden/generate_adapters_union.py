"""generate_adapters_union.py: adapters of several methods (ConfigUnion), and stacks of different methods. (env: adapters)

Base, batches and head as in generate_adapters.py; what tiny does not hold is random. One pass each. A union is one adapter,
`adapterhub/`; a stack is `setup/`, which save_adapter_setup() writes. Files are .bin, because the library cannot write a prefix
as safetensors. Gates see padding there, so UniPELT is made one sequence at a time.

`compositions.json` has what the library's own names for compositions stand for, against which configs/nsmc are tested.
"""

import json
import logging

from common import GOLDEN, Case, be_deterministic, random_, record_pass, record_start
from generate_adapters import ADAPTER, HEAD, VERSIONS, base_model, configuration, tiny_names
from generate_adapters_methods import file_key

import torch
from adapters import (ConfigUnion, IA3Config, LoRAConfig, MAMConfig, PrefixTuningConfig, PromptTuningConfig, SeqBnConfig,
                      UniPELTConfig)
from adapters.composition import Stack

PREFIX = PrefixTuningConfig(prefix_length=4, bottleneck_size=16)
FLAT = PrefixTuningConfig(prefix_length=3, flat=True)
PARALLEL = configuration("par_bn", {"reduction_factor": 4})
SEQUENTIAL = configuration("seq_bn", {"reduction_factor": 4})
LORA = LoRAConfig(r=4, alpha=8)
UNIONS = {
    "union_mam": ("a prefix and a parallel adapter: Mix-and-Match", MAMConfig(PREFIX, PARALLEL).configs),
    "union_unipelt": ("a prefix, a Pfeiffer adapter and LoRA, each with a gate: UniPELT",
                      UniPELTConfig(PREFIX, SEQUENTIAL, LoRAConfig(r=4, alpha=4)).configs),
    "union_lora_adapter": ("LoRA of queries and values and a Pfeiffer adapter", [LORA, SEQUENTIAL]),
    "union_ia3_prefix": ("IA3 and a flat prefix", [IA3Config(), FLAT]),
    "union_prompt_adapter": ("a prompt and a Pfeiffer adapter", [PromptTuningConfig(prompt_length=4), SEQUENTIAL]),
    "union_two_bottlenecks": ("two bottlenecks that share no place: their settings differ",
                              [configuration("double_seq_bn", {"output_adapter": False, "reduction_factor": 8}),
                               configuration("par_bn", {"reduction_factor": 4})]),
    "union_three": ("LoRA, a flat prefix and a Pfeiffer adapter", [LORA, FLAT, SEQUENTIAL]),
}
STACKS = {  # from below to above
    "stack_mam_over_pfeiffer": ("a union on an adapter: MAM on a language adapter", [SEQUENTIAL, ConfigUnion(PREFIX, PARALLEL)]),
    "stack_lora_over_pfeiffer": ("different methods", [SEQUENTIAL, LORA]),
    "stack_ia3_ia3": ("factors multiply", [IA3Config(), IA3Config()]),
    "stack_prefix_prefix": ("one prefix in front of the other", [FLAT, PREFIX]),
    "stack_lora_apart": ("LoRA of queries, and LoRA of values", [LoRAConfig(r=4, alpha=8, attn_matrices=["q"]),
                                                               LoRAConfig(r=2, alpha=8, attn_matrices=["v"])]),
}


def randomize(model):
    generator = torch.Generator().manual_seed(11)
    tiny = tiny_names()
    for name, parameter in model.named_parameters():
        if name not in tiny and not name.startswith("heads."):
            is_factor = name.endswith("lora_B") and parameter.shape[-1] == 1
            random_(parameter, std=0.25, mean=1.0 if is_factor else 0.0, generator=generator)


def record(case, model, configs):
    prompt = sum(config["prompt_length"] for config in configs if isinstance(config, PromptTuningConfig))
    model.active_head = HEAD
    model.train()
    record_start(case, model, file_key, tiny=tiny_names())
    record_pass(case, model, file_key, **({"prompt_rows": prompt} if prompt else {}))
    case.write()


def union(name, about, configs):
    gated = any(config.get("use_gating", False) for config in configs)
    case = Case(name, about, VERSIONS, ConfigUnion(*configs).to_dict(), sequences_alone=gated)
    model = base_model()
    model.add_adapter(ADAPTER, config=ConfigUnion(*configs))
    model.train_adapter(ADAPTER)
    model.active_head = HEAD
    randomize(model)
    model.save_adapter(str(case.directory / "adapterhub"), ADAPTER)
    record(case, model, configs)


def stack(name, about, configs):
    members = dict(zip("ab", configs))
    case = Case(name, f"Stack({', '.join(members)}): {about}", VERSIONS,
                {"members": {key: config.to_dict() for key, config in members.items()}})
    model = base_model()
    for key, config in members.items():
        model.add_adapter(key, config=config)
    setup = Stack(*members)
    model.train_adapter(setup)
    model.active_head = HEAD
    randomize(model)
    model.save_adapter_setup(str(case.directory / "setup"), setup, head_setup=HEAD)
    record(case, model, [])


def compositions():
    named = {"mam": MAMConfig(), "unipelt": UniPELTConfig(), "lora-and-adapter": ConfigUnion(LoRAConfig(), SeqBnConfig())}
    text = json.dumps({name: config.to_dict() for name, config in named.items()}, indent=2, sort_keys=True)
    (GOLDEN / "compositions.json").write_text(text + "\n")


def main():
    be_deterministic()
    logging.getLogger("adapters").setLevel(logging.ERROR)
    compositions()
    for name, (about, configs) in UNIONS.items():
        union(name, about, configs)
    for name, (about, configs) in STACKS.items():
        stack(name, about, configs)


if __name__ == "__main__":
    main()
