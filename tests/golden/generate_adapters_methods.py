"""generate_adapters_methods.py: IA3, prefix tuning, prompt tuning and ReFT as the adapters library does them. (env: adapters)

Attention is eager everywhere: under SDPA the library masks a prompt out when there is padding. Prefix adapters are saved as
`.bin`: every layer holds the pool of prefixes once more, and the library cannot write shared tensors as safetensors. Gates see padding
there, so those cases are made one sequence at a time.
"""

import json
import logging
import re

from common import Case, be_deterministic, forward, random_, record_pass, record_start, record_training
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
    "prefix_adapters_gates": (PrefixTuningConfig(prefix_length=4, bottleneck_size=16, use_gating=True),
                              "prefix of 4 computed by a network, with a gate in each layer", True),
    "prefix_adapters_flat_gates": (PrefixTuningConfig(prefix_length=3, flat=True, use_gating=True, leave_out=[0]),
                                   "flat prefix of 3 with a gate, in layer 1 alone", False),
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
    "reft_first": (LoReftConfig(dropout=0.0),
                   "LoReFT with its defaults: at the first three rows; no row goes through the second unit", False),
}


def file_key(name):
    """The first of the names under which the library files a tensor that all layers share."""
    return re.sub(r".*\.pool\.", "bert.prefix_tuning.", name)


def empty_unused(model, config):
    """The unit that no row goes through, as plugtune writes it: nothing is lost when it does not come back as it was."""
    if config.suffix_positions or config.tied_weights:
        return
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if ".units.1." in name:
                tensor.copy_(torch.eye(len(tensor)) if name.endswith(".base") else torch.zeros_like(tensor))
            if ".units.1." in name and name.endswith("weight.original"):
                tensor.diagonal().fill_(-1)


def save_direft(case, model):
    """The library's file with the field that the library does not write. It does not read it either: it loads NoReFT."""
    directory = case.directory / "import_only"
    model.save_adapter(str(directory), ADAPTER, use_safetensors=True)
    file = directory / "adapter_config.json"
    saved = json.loads(file.read_text())
    assert "subtract_projection" not in saved["config"]
    saved["config"]["subtract_projection"] = False
    file.write_text(json.dumps(saved, indent=2, sort_keys=True))
    loaded = base_model()
    loaded.load_adapter(str(directory), set_active=True, use_safetensors=True)
    loaded.active_head = HEAD
    with torch.no_grad():
        theirs, again = (forward(case, which.eval(), case.batches["a"])[1] for which in (model, loaded))
        for unit in [unit for layer in loaded.bert.encoder.layer for reft in layer.reft_layer.refts.values()
                     for unit in reft.units]:
            unit.subtract_projection = False
        as_trained = forward(case, loaded, case.batches["a"])[1]
    assert not torch.allclose(theirs, again, atol=1e-3), "the library reads subtract_projection now"
    assert torch.allclose(theirs, as_trained, atol=1e-6)


def method(name, config, about, training):
    case = Case(name, about, VERSIONS, config.to_dict(), sequences_alone=config.get("use_gating", False))
    model = base_model()
    torch.manual_seed(8)  # of orthonormal projections, which are not drawn anew below
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
    if isinstance(config, ReftConfig):
        empty_unused(model, config)
    for buffer_name, buffer in model.named_buffers():
        if buffer_name.endswith("weight.0.base"):
            case.add(f"fixed/{buffer_name}", buffer)
    if isinstance(config, DiReftConfig):
        save_direft(case, model)
    else:
        model.save_adapter(str(case.directory / "adapterhub"), ADAPTER,
                           use_safetensors=not isinstance(config, PrefixTuningConfig))
    model.train()
    where = {"prompt_rows": config["prompt_length"]} if isinstance(config, PromptTuningConfig) else {}
    record_start(case, model, file_key, tiny=tiny)
    # The library cannot compute in float64 where an end of the text has no rows: it makes float32 ones.
    exact = not isinstance(config, ReftConfig) or config.suffix_positions > 0
    record_pass(case, model, file_key, exact=exact, **where)
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
