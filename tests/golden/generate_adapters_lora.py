"""generate_adapters_lora.py: LoRA as the adapters library does it. Head and batches as in generate_adapters.py. (env: adapters)"""

import logging

from common import Case, be_deterministic, record_pass
from generate_adapters import ADAPTER, HEAD, VERSIONS, base_model, randomize

from adapters import LoRAConfig

CASES = {
    "lora_hub_qkv": {"attn_matrices": ["q", "k", "v"], "r": 4, "alpha": 16},
    "lora_hub_feed_forward": {"selfattn_lora": False, "intermediate_lora": True, "output_lora": True, "r": 3,
                              "dropout": 0.1},
    "lora_hub_leave_out": {"leave_out": [0], "intermediate_lora": True, "r": 2, "alpha": 3},
}


def lora(name, options):
    config = LoRAConfig(**options)
    case = Case(name, f"LoRA with {options}", VERSIONS, config.to_dict())
    model = base_model()
    model.add_adapter(ADAPTER, config=config)
    model.train_adapter(ADAPTER)
    model.active_head = HEAD
    randomize(model, seed=7)
    model.save_adapter(str(case.directory / "adapterhub"), ADAPTER, use_safetensors=True)
    record_pass(case, model.eval())
    case.write()


def main():
    be_deterministic()
    logging.getLogger("adapters").setLevel(logging.ERROR)
    for name, options in CASES.items():
        lora(name, options)


if __name__ == "__main__":
    main()
