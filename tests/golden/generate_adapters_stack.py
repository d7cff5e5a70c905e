"""generate_adapters_stack.py: invertible adapters, language adapters of adapter-transformers 1, and stacks. (env: adapters)

Base, batches and head as in generate_adapters.py. A stack's adapters are "a" (below) and "b" (above); `setup/`
is what save_adapter_setup() writes of it; `import_only/` one that reads exactly but cannot leave as it came.
"""

import json
import logging

from common import TINY, Case, be_deterministic, random_, record_pass, record_start, record_training
from generate_adapters import (ADAPTER, HEAD, VERSIONS, base_model, configuration, randomize, record_attention, settings,
                               tiny_names)

import torch
from adapters import BertAdapterModel
from adapters.composition import Fuse, Stack

SEQ, DOUBLE, PARALLEL = "seq_bn", "double_seq_bn", "par_bn"
SEQ_INV, DOUBLE_INV = "seq_bn_inv", "double_seq_bn_inv"
ADAPTERS = {  # case -> (configuration, what differs)
    "adapter_pfeiffer_inv": (SEQ_INV, {"reduction_factor": 4}),
    "adapter_houlsby_inv": (DOUBLE_INV, {"reduction_factor": 4, "inv_adapter_reduction_factor": 4}),
}
STACKS = {  # case -> the adapters from below to above
    "stack_pfeiffer_pfeiffer": [(SEQ, {"reduction_factor": 4}), (SEQ, {"reduction_factor": 8})],
    "stack_houlsby_over_inv": [(SEQ_INV, {"reduction_factor": 4}), (DOUBLE, {"reduction_factor": 8})],
    "stack_inv_above": [(DOUBLE, {"reduction_factor": 8}), (SEQ_INV, {"reduction_factor": 4})],
    "stack_parallel_over_pfeiffer": [(SEQ, {"reduction_factor": 4}), (PARALLEL, {"reduction_factor": 4})],
    "stack_pfeiffer_over_parallel": [(PARALLEL, {"reduction_factor": 4}), (SEQ, {"reduction_factor": 4})],
    "stack_leave_out_below": [(SEQ_INV, {"reduction_factor": 4, "leave_out": [0]}), (DOUBLE, {"reduction_factor": 8})],
    "stack_leave_out_above": [(DOUBLE, {"reduction_factor": 4}), (DOUBLE, {"reduction_factor": 8, "leave_out": [1]})],
    "stack_norms_and_residuals": [
        (SEQ, {"reduction_factor": 8, "original_ln_after": False, "residual_before_ln": False, "scaling": "channel"}),
        (SEQ, {"reduction_factor": 4, "residual_before_ln": "post_add", "ln_before": True}),
        (DOUBLE, {"reduction_factor": 8, "ln_after": True, "adapter_residual_before_ln": True}),
    ],
    # AdapterPlus, which ends without the LayerNorm, on top
    "stack_no_norm_above": [(SEQ, {"reduction_factor": 4}),
                            (SEQ, {"reduction_factor": 8, "original_ln_after": False, "residual_before_ln": False})],
}


def adapter(name, base, changes):
    config = configuration(base, changes)
    case = Case(name, f"{base} with {changes}", VERSIONS, settings(config))
    model = base_model()
    model.add_adapter(ADAPTER, config=config)
    model.train_adapter(ADAPTER)
    model.active_head = HEAD
    randomize(model, seed=4)
    model.save_adapter(str(case.directory / "adapterhub"), ADAPTER, use_safetensors=True)
    model.train()
    record_start(case, model, tiny=tiny_names())
    record_pass(case, model)
    record_training(case, model)
    case.write()


def freeze_unused(model, first):
    """Only the first adapter's invertible layer is used; training enables the others, and no gradient ever reaches them."""
    for name, layer in model.bert.invertible_adapters.items():
        if name != first:
            for parameter in layer.parameters():
                parameter.requires_grad = False


def record_stack(case, model, setup):
    """One pass of the whole stack, everything in it trains."""
    model.train_adapter(setup)
    freeze_unused(model, setup.first())
    model.active_head = HEAD
    model.train()
    record_start(case, model, tiny=tiny_names())
    record_pass(case, model)


def stack(name, members):
    configs = {key: configuration(*member) for key, member in zip("abc", members)}
    case = Case(name, f"Stack({', '.join(configs)})", VERSIONS,
                {"members": {key: settings(config) for key, config in configs.items()}})
    model = base_model()
    for key, config in configs.items():
        model.add_adapter(key, config=config)
    setup = Stack(*configs)
    randomize(model, seed=7)
    # An invertible layer that the library keeps and does not use is left out when the set-up comes in.
    directory = "import_only" if any(config["inv_adapter"] for config in list(configs.values())[1:]) else "setup"
    model.save_adapter_setup(str(case.directory / directory), setup, head_setup=HEAD)
    record_stack(case, model, setup)
    case.write()


def stack_fusion(name):
    """A fusion of task adapters on a language adapter: the set-up of MAD-X with AdapterFusion."""
    members = {"a": (SEQ_INV, {"reduction_factor": 4}), "b": (SEQ, {"reduction_factor": 8}), "c": (SEQ, {"reduction_factor": 4})}
    configs = {key: configuration(*member) for key, member in members.items()}
    case = Case(name, "Stack(a, Fuse(b, c)); the fusion and the head train", VERSIONS,
                {"members": {key: settings(config) for key, config in configs.items()}, "fusion": "static"})
    model = base_model()
    for key, config in configs.items():
        model.add_adapter(key, config=config)
    fuse = Fuse("b", "c")
    model.add_adapter_fusion(fuse, "static")
    setup = Stack("a", fuse)
    model.train_adapter_fusion(fuse)
    model.set_active_adapters(setup)
    model.active_head = HEAD
    randomize(model, seed=8)
    model.save_adapter_setup(str(case.directory / "setup"), setup, head_setup=HEAD)
    model.train()
    record_start(case, model, tiny=tiny_names())
    record_pass(case, model)
    case.write()


def fusion(name, members):
    configs = {key: configuration(*member) for key, member in zip("ab", members)}
    case = Case(name, "dynamic fusion of a and b; of their invertible layers only the first is used", VERSIONS,
                {"fusion": "dynamic", "members": {key: settings(config) for key, config in configs.items()}})
    model = base_model()
    for key, config in configs.items():
        model.add_adapter(key, config=config)
    setup = Fuse("a", "b")
    model.add_adapter_fusion(setup, "dynamic")
    model.train_adapter_fusion(setup)
    model.active_head = HEAD
    randomize(model, seed=5)
    directory = case.directory / "adapterhub"
    directory.mkdir()
    for member in "ab":
        model.save_adapter(str(directory / member), member, with_head=False, use_safetensors=True)
    model.save_adapter_fusion(str(directory / "a,b"), setup, with_head=HEAD, use_safetensors=True)
    model.train()
    record_start(case, model, tiny=tiny_names())
    record_pass(case, model, auxiliary=lambda which: which.base_model.get_fusion_regularization_loss())
    record_attention(case, model)
    case.write()


OLD_FIELDS = ("adapter_residual_before_ln", "ln_after", "ln_before", "mh_adapter", "original_ln_after",
              "original_ln_before", "output_adapter", "reduction_factor", "residual_before_ln", "non_linearity")


def write_legacy(model, name, directory, kind, nested):
    """adapter_config.json and pytorch_adapter.bin as adapter-transformers 1 wrote them; the weights are the model's.

    @param kind    text_lang or text_task
    @param nested  the configuration's invertible_adapter
    """
    model.save_adapter(str(directory), name, with_head=False)
    weights = torch.load(directory / "pytorch_adapter.bin")
    old = {}
    for key, tensor in weights.items():
        key = key.replace(".attention.output.adapters.", f".attention.output.attention_{kind}_adapters.")
        key = key.replace(".output.adapters.", f".output.layer_{kind}_adapters.")
        old[key.replace("invertible_adapters.", "invertible_lang_adapters.")] = tensor
    torch.save(old, directory / "pytorch_adapter.bin")
    config = model.adapters_config.get(name)
    fields = {field: config[field] for field in OLD_FIELDS}
    fields |= {"attention_type": "sent-lvl-dynamic", "new_attention_norm": False, "invertible_adapter": nested}
    description = {"config": fields, "hidden_size": 32, "model_class": "BertModel", "model_type": "bert",
                   "model_name": "tests/golden/tiny", "name": name, "type": kind}
    (directory / "adapter_config.json").write_text(json.dumps(description, indent=2, sort_keys=True))


NICE = {"block_type": "nice", "non_linearity": "relu", "reduction_factor": 2}


def legacy_language(name):
    """A language adapter of the Hub (pfeiffer, reduction 2, NICE), read by the library of today."""
    case = Case(name, "adapter_config.json and pytorch_adapter.bin of a language adapter of adapter-transformers 1", VERSIONS)
    model = base_model()
    model.add_adapter(ADAPTER, config=configuration(SEQ_INV, {"reduction_factor": 2}))
    randomize(model, seed=4)
    directory = case.directory / "import_only"
    write_legacy(model, ADAPTER, directory, "text_lang", NICE)

    again = base_model()
    information = {}
    assert again.load_adapter(str(directory), set_active=True, loading_info=information) == ADAPTER
    assert not information["missing_keys"] and not information["unexpected_keys"], information
    assert ADAPTER in again.bert.invertible_adapters
    again.active_head = HEAD
    again.train_adapter(ADAPTER)
    case.about["settings"] = settings(again.adapters_config.get(ADAPTER))
    record_start(case, again, tiny=tiny_names())
    record_pass(case, again)
    case.write()


def legacy_stack(name):
    """A task adapter on a language adapter, both as the Hub has them: the task's configuration names an invertible layer that
    it does not have."""
    case = Case(name, "Stack(a, b): a language and a task adapter of adapter-transformers 1", VERSIONS)
    model = base_model()
    model.add_adapter("a", config=configuration(SEQ_INV, {"reduction_factor": 2}))
    model.add_adapter("b", config=configuration(SEQ, {"reduction_factor": 16}))
    randomize(model, seed=7)
    setup = Stack("a", "b")
    directory = case.directory / "import_only"
    model.save_adapter_setup(str(directory), setup, head_setup=HEAD)
    write_legacy(model, "a", directory / "a", "text_lang", NICE)
    write_legacy(model, "b", directory / "b", "text_task", NICE)

    again = base_model()
    for member in "ab":
        again.load_adapter(str(directory / member))
    assert list(again.bert.invertible_adapters) == ["a"]
    case.about["settings"] = {"members": {key: settings(again.adapters_config.get(key)) for key in "ab"}}
    record_stack(case, again, setup)
    case.write()


LANGUAGE_HEAD = {f"heads.{HEAD}.0.": "cls.predictions.transform.dense.", f"heads.{HEAD}.2.": "cls.predictions.transform.LayerNorm.",
                 f"heads.{HEAD}.3.": "cls.predictions.decoder."}


def language_name(name):
    """The flexible head's parameters as those of BertForMaskedLM."""
    for theirs, bert in LANGUAGE_HEAD.items():
        if name.startswith(theirs):
            return bert + name[len(theirs):]
    return name


def masked_lm(name):
    """The flexible masked-LM head, in front of whose decoder the inverse runs. (BertForMaskedLM's never runs it.)"""
    config = configuration(SEQ_INV, {"reduction_factor": 4})
    case = Case(name, "masked LM with a flexible head; adapter, invertible layer and head train, the decoder's weight is tied",
                VERSIONS, settings(config), task="masked_lm")
    model = BertAdapterModel.from_pretrained(TINY, attn_implementation="eager")
    for head in list(model.heads):
        model.delete_head(head)
    model.add_masked_lm_head(HEAD)
    assert model.heads[HEAD][3].weight is model.bert.embeddings.word_embeddings.weight
    model.add_adapter(ADAPTER, config=config)
    model.train_adapter(ADAPTER)
    model.active_head = HEAD
    randomize(model, seed=9)
    generator = torch.Generator().manual_seed(2)
    for key, parameter in model.heads[HEAD].named_parameters():
        if key != "3.weight":
            random_(parameter, std=0.2, mean=1.0 if key == "2.weight" else 0.0, generator=generator)
    model.train()
    record_start(case, model, key=language_name, tiny=tiny_names())
    record_pass(case, model, key=language_name)
    case.write()


def main():
    be_deterministic()
    logging.getLogger("adapters").setLevel(logging.ERROR)
    for name, (base, changes) in ADAPTERS.items():
        adapter(name, base, changes)
    for name, members in STACKS.items():
        stack(name, members)
    legacy_language("adapter_legacy_lang")
    legacy_stack("stack_legacy")
    masked_lm("masked_lm_inv")
    stack_fusion("stack_fusion")
    fusion("fusion_inv", [(SEQ_INV, {"reduction_factor": 4}), (SEQ_INV, {"reduction_factor": 8})])


if __name__ == "__main__":
    main()
