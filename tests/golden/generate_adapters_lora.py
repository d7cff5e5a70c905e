"""generate_adapters_lora.py: LoRA as the adapters library does it. Head and batches as in generate_adapters.py. (env: adapters)

Gates look at padding there, so those cases are made one sequence at a time. Beside a gate the library leaves the scale alpha / r
out: a file with another alpha than r is in `import_only/`, since it leaves with alpha = r.
"""

import logging

from common import Case, be_deterministic, record_pass, record_start, record_training
from generate_adapters import ADAPTER, HEAD, VERSIONS, base_model, randomize, tiny_names

from adapters import LoRAConfig

CASES = {
    "lora_hub_qkv": {"attn_matrices": ["q", "k", "v"], "r": 4, "alpha": 16},
    "lora_hub_feed_forward": {"selfattn_lora": False, "intermediate_lora": True, "output_lora": True, "r": 3,
                              "dropout": 0.1},
    "lora_hub_leave_out": {"leave_out": [0], "intermediate_lora": True, "r": 2, "alpha": 3},
}
GATED = {"attn_matrices": ["q", "k", "v"], "intermediate_lora": True, "output_lora": True, "r": 4, "use_gating": True}


def lora(name, options, directory="adapterhub", training=False):
    config = LoRAConfig(**options)
    case = Case(name, f"LoRA with {options}", VERSIONS, config.to_dict(), sequences_alone=config.use_gating)
    model = base_model()
    model.add_adapter(ADAPTER, config=config)
    model.train_adapter(ADAPTER)
    model.active_head = HEAD
    randomize(model, seed=7)
    model.save_adapter(str(case.directory / directory), ADAPTER, use_safetensors=True)
    model.eval()
    if training:
        model.train()
        record_start(case, model, tiny=tiny_names())
    record_pass(case, model)
    if training:
        record_training(case, model)
    case.write()


def main():
    be_deterministic()
    logging.getLogger("adapters").setLevel(logging.ERROR)
    for name, options in CASES.items():
        lora(name, options)
    lora("lora_hub_gates", {**GATED, "alpha": 4}, training=True)
    lora("lora_hub_gates_alpha", {**GATED, "alpha": 2}, directory="import_only")


if __name__ == "__main__":
    main()
