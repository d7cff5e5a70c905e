"""generate_adapters_exchange.py: adapters and fusions that generate_adapters.py lacks: Compacter, .bin and legacy files. (env: adapters)

Base, batches and head as in generate_adapters.py. Compacter's parameters are named as those of other adapters where there
are such (`adapter_down.0.bias` for the library's `.b`), and the rule that all places share stands under the first: key().

A directory `import_only` instead of `adapterhub` is one that reads exactly but cannot leave as it came.
"""

import json
import logging
import re

import generate_adapters as common_cases
from common import Case, be_deterministic, record_pass, record_start, record_training
from generate_adapters import ADAPTER, HEAD, VERSIONS, base_model, configuration, randomize, record_attention, tiny_names

import adapters
import torch
from adapters import BnConfig
from adapters.composition import Fuse
from safetensors.torch import load_file

PHM = ("phm_layer", "phm_dim", "phm_rank", "phm_c_init", "phm_init_range", "learn_phm")
SEQ, DOUBLE = "seq_bn", "double_seq_bn"
BOTH = {"reduction_factor": {"1": 2, "default": 8}, "leave_out": [0]}
ADAPTERS = {  # case -> (configuration, what differs, whether the library writes safetensors)
    "adapter_compacter": ("compacter", {"reduction_factor": 4}, True),
    "adapter_compacter_plus": ("compacter++", {"reduction_factor": 4, "phm_dim": 2, "phm_rank": 2,
                                               "scaling": "learned"}, False),
    "adapter_options/compacter_parallel": ("par_bn", {"phm_layer": True, "init_weights": "bert", "ln_before": True}, False),
    "adapter_options/compacter_fixed_rule": ("compacter++", {"reduction_factor": 4, "learn_phm": False}, True),
    "adapter_options/map_and_leave_out": (DOUBLE, BOTH, False),
    "adapter_options/all_own_parts": (SEQ, {"ln_before": True, "ln_after": True, "use_gating": True,
                                            "scaling": "channel", "non_linearity": "leakyrelu"}, False),
}
FUSIONS = {  # case -> (fusion configuration, members); all files .bin, as the library writes by default
    "fusion_compacter": ("static", [("compacter", {"reduction_factor": 4}), (DOUBLE, {"reduction_factor": 8})]),
    "fusion_leave_out": ("dynamic", [(SEQ, {"leave_out": [0]}), (SEQ, {"leave_out": [0], "reduction_factor": 8})]),
}


def settings(config):
    """The options of ours: names and values are the library's, PHM's own only where there are PHM layers."""
    values = common_cases.settings(config)
    if config["phm_layer"]:
        values |= {key: config[key] for key in PHM}
    return values


def key(first_places):
    """The library's parameter name -> the name in golden.safetensors. first_places: adapter -> its first sub-layer."""

    def rename(name):
        if match := re.fullmatch(r"bert\.shared_parameters\.(\w+)\.phm_rule", name):
            return f"bert.{first_places[match[1]]}.adapters.{match[1]}.phm_rule"
        name = re.sub(r"(adapter_down\.[01]|adapter_up)\.W_(left|right)$", r"\1.\2", name)
        return re.sub(r"(adapter_down\.[01]|adapter_up)\.b$", r"\1.bias", name)

    return rename


def first_place(config):
    return "encoder.layer.0.attention.output" if config["mh_adapter"] else "encoder.layer.0.output"


def randomize_rule(model):
    # The generator's weights have deviation 0.2; two factors and a rule of that size would leave an update near 0.
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith((".W_left", ".W_right", ".phm_rule")):
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))


def freeze_fixed_rule(model):
    for name, parameter in model.named_parameters():
        if name.endswith("phm_rule"):
            parameter.requires_grad = False  # train_adapter() lets it train, whatever learn_phm says


def adapter(name, base, changes, safetensors):
    config = configuration(base, changes)
    case = Case(name, f"{base} with {changes}", VERSIONS, settings(config), sequences_alone=config["use_gating"])
    model = base_model()
    model.add_adapter(ADAPTER, config=config)
    model.train_adapter(ADAPTER)
    model.active_head = HEAD
    if not config["learn_phm"]:
        freeze_fixed_rule(model)
    randomize(model, seed=4)
    randomize_rule(model)
    model.save_adapter(str(case.directory / "adapterhub"), ADAPTER, use_safetensors=safetensors)
    model.train()
    names = key({ADAPTER: first_place(config)})
    record_start(case, model, key=names, tiny=tiny_names())
    record_pass(case, model, key=names)
    if "/" not in name:
        record_training(case, model, key=names)
    case.write()


def fusion(name, kind, members):
    configs = [configuration(*member) for member in members]
    case = Case(name, f"{kind} fusion of a and b", VERSIONS,
                {"fusion": kind, "members": {member: settings(config) for member, config in zip("ab", configs)}})
    model = base_model()
    for member, config in zip("ab", configs):
        model.add_adapter(member, config=config)
    setup = Fuse("a", "b")
    model.add_adapter_fusion(setup, kind)
    model.train_adapter_fusion(setup)
    model.active_head = HEAD
    randomize(model, seed=5)
    randomize_rule(model)
    if configs[0]["leave_out"]:
        # Fusion layers that are never used, and the configurations' hashes: what only the library can know.
        directory = case.directory / "import_only"
        model.save_all_adapters(str(directory))
    else:
        directory = case.directory / "adapterhub"
        directory.mkdir()
        for member in "ab":
            model.save_adapter(str(directory / member), member, with_head=False)
    model.save_adapter_fusion(str(directory / "a,b"), setup, with_head=HEAD)
    # In left out layers the library makes fusion layers that it never uses: no gradient, so no trainable here either.
    for layer in configs[0]["leave_out"]:
        for parameter in model.bert.encoder.layer[layer].output.adapter_fusion_layer.parameters():
            parameter.requires_grad = False
    model.train()
    regularization = None
    if kind == "dynamic":
        regularization = lambda which: which.base_model.get_fusion_regularization_loss()
    names = key({member: first_place(config) for member, config in zip("ab", configs)})
    record_start(case, model, key=names, tiny=tiny_names())
    record_pass(case, model, key=names, auxiliary=regularization)
    record_attention(case, model)
    case.write()


def legacy(name):
    """A task adapter as adapter-transformers 1.0 wrote it, read by the real library of today.

    The file is made here from a new one: containers and fields of that time, no version, "gelu" for today's gelu_new, and
    an invertible adapter that the configuration names although task adapters have none.
    """
    case = Case(name, "adapter_config.json and pytorch_adapter.bin of adapter-transformers 1.0", VERSIONS)
    model = base_model()
    config = BnConfig.load(DOUBLE, reduction_factor=4, non_linearity="gelu_new")
    model.add_adapter(ADAPTER, config=config)
    randomize(model, seed=4)
    directory = case.directory / "import_only"
    model.save_adapter(str(directory), ADAPTER, with_head=False)
    weights = torch.load(directory / "pytorch_adapter.bin")
    weights = {k.replace(".attention.output.adapters.", ".attention.output.attention_text_task_adapters.")
                .replace(".output.adapters.", ".output.layer_text_task_adapters."): v for k, v in weights.items()}
    torch.save(weights, directory / "pytorch_adapter.bin")
    fields = ("adapter_residual_before_ln", "ln_after", "ln_before", "mh_adapter", "original_ln_after",
              "original_ln_before", "output_adapter", "reduction_factor", "residual_before_ln")
    old = {field: config[field] for field in fields} | {
        "non_linearity": "gelu",
        "attention_type": "sent-lvl-dynamic",
        "new_attention_norm": False,
        "invertible_adapter": {"block_type": "nice", "non_linearity": "relu", "reduction_factor": 2},
    }
    description = {"config": old, "hidden_size": 32, "model_class": "BertModelWithHeads", "model_type": "bert",
                   "model_name": "tests/golden/tiny", "name": ADAPTER, "type": "text_task"}
    (directory / "adapter_config.json").write_text(json.dumps(description, indent=2, sort_keys=True))

    again = base_model()
    loaded = again.load_adapter(str(directory), set_active=True)
    assert loaded == ADAPTER and again.adapters_config.get(ADAPTER)["non_linearity"] == "gelu_new"
    again.active_head = HEAD
    again.train_adapter(ADAPTER)
    case.about["settings"] = settings(again.adapters_config.get(ADAPTER))
    record_start(case, again, tiny=tiny_names())
    record_pass(case, again)
    case.write()


def main():
    be_deterministic()
    logging.getLogger("adapters").setLevel(logging.ERROR)
    for name, (base, changes, safetensors) in ADAPTERS.items():
        adapter(name, base, changes, safetensors)
    for name, (kind, members) in FUSIONS.items():
        fusion(name, kind, members)
    legacy("adapter_legacy")


if __name__ == "__main__":
    main()
