"""generate_adapters.py: bottleneck adapters and AdapterFusion as the adapters library does them. (env: adapters)

The head is the library's one-layer classification head on the pooler (key heads.golden.1), with tiny's classifier
weights: the same function as BertForSequenceClassification. Adapter weights start random, so no gradient is trivial.
"""

import logging

from common import TINY, Case, be_deterministic, random_, record_pass, record_start, record_training, run

import adapters
import torch
import transformers
from adapters import BertAdapterModel, BnConfig
from adapters.composition import Fuse
from safetensors.torch import load_file

VERSIONS = {"adapters": adapters.__version__, "transformers": transformers.__version__}
HEAD = ADAPTER = "golden"

SEQ = "seq_bn"
ADAPTERS = {  # case -> (the library's name of the configuration, what differs from it)
    "adapter_pfeiffer": (SEQ, {"reduction_factor": 4}),
    "adapter_houlsby": ("double_seq_bn", {"reduction_factor": 4}),
    "adapter_parallel": ("par_bn", {}),
    "adapter_scaled_parallel": ("scaled_par_bn", {}),
    "adapter_plus": (adapters.AdapterPlusConfig, {"reduction_factor": 8, "stochastic_depth": 0.0}),
}
OPTIONS = {  # adapter_options/<variant>: one pass, no training
    "ln_before": (SEQ, {"ln_before": True}),
    "ln_after": (SEQ, {"ln_after": True}),
    "ln_after_residual_first": (SEQ, {"ln_after": True, "adapter_residual_before_ln": True}),
    "houlsby_both_norms": ("double_seq_bn", {"ln_before": True, "ln_after": True, "adapter_residual_before_ln": True,
                                             "scaling": 2.0}),
    "houlsby_original_ln_before": ("double_seq_bn", {"original_ln_before": True}),
    "attention_only": ("double_seq_bn", {"output_adapter": False}),
    "gating": (SEQ, {"use_gating": True}),
    "parallel_gating": ("par_bn", {"use_gating": True}),
    "residual_after_ln": (SEQ, {"residual_before_ln": False}),
    "residual_post_add": (SEQ, {"residual_before_ln": "post_add"}),
    "no_original_ln_after": (SEQ, {"original_ln_after": False, "residual_before_ln": False, "scaling": 0.5}),
    "no_original_ln": ("double_seq_bn", {"original_ln_after": False, "original_ln_before": False}),
    "scaling_fixed": (SEQ, {"scaling": 2.0}),
    "scaling_learned": (SEQ, {"scaling": "learned"}),
    "scaling_channel": (SEQ, {"scaling": "channel"}),
    "leave_out": (SEQ, {"leave_out": [0]}),
    "reduction_map": (SEQ, {"reduction_factor": {"0": 4, "default": 16}}),
    "width_one": (SEQ, {"reduction_factor": 96}),
    "widening": (SEQ, {"reduction_factor": 0.5}),
    "parallel_attention_norms": ("par_bn", {"mh_adapter": True, "ln_before": True, "ln_after": True}),
    "activation_gelu": (SEQ, {"non_linearity": "gelu"}),
    "activation_gelu_new": (SEQ, {"non_linearity": "gelu_new"}),
    "activation_swish": (SEQ, {"non_linearity": "swish"}),
    "activation_tanh": (SEQ, {"non_linearity": "tanh"}),
    "activation_sigmoid": (SEQ, {"non_linearity": "sigmoid"}),
    "activation_leakyrelu": (SEQ, {"non_linearity": "leakyrelu"}),
}
FUSIONS = {  # case -> (fusion configuration, members a and b); the last member's settings count, so b differs
    "fusion_static": ("static", [(SEQ, {"reduction_factor": 4}),
                                 (SEQ, {"reduction_factor": 8, "scaling": 2.0, "non_linearity": "tanh"})]),
    "fusion_dynamic": ("dynamic", [(SEQ, {"reduction_factor": 4}),
                                   (SEQ, {"reduction_factor": 8, "scaling": 2.0, "non_linearity": "tanh"})]),
    "fusion_houlsby": ("dynamic", [("double_seq_bn", {"reduction_factor": 4}),
                                   ("double_seq_bn", {"reduction_factor": 8, "scaling": 0.5})]),
    "fusion_parallel": ("dynamic", [("par_bn", {"reduction_factor": 4}), ("par_bn", {"reduction_factor": 8})]),
}


def configuration(base, changes):
    changes = {"reduction_factor": 4, **changes} if base == SEQ else changes
    return base(**changes) if isinstance(base, type) else BnConfig.load(base, **changes)


def settings(config):
    return {key: value for key, value in config.to_dict().items() if not any(word in key for word in ("phm", "hyper"))}


def base_model():
    model = BertAdapterModel.from_pretrained(TINY, attn_implementation="eager")
    for head in list(model.heads):
        model.delete_head(head)  # "default", which the library makes of tiny's classifier
    model.add_classification_head(HEAD, num_labels=3, layers=1, use_pooler=True)
    tiny = load_file(f"{TINY}/model.safetensors")
    with torch.no_grad():
        model.heads[HEAD][1].weight.copy_(tiny["classifier.weight"])
        model.heads[HEAD][1].bias.copy_(tiny["classifier.bias"])
    return model


def randomize(model, seed):
    """Everything that tiny does not hold, but the head."""
    generator = torch.Generator().manual_seed(seed)
    tiny = tiny_names()
    for name, parameter in model.named_parameters():
        if name in tiny or name.startswith("heads."):
            continue
        around_one = name.endswith(".scaling") or ("adapter_norm" in name and name.endswith(".weight"))
        std = 0.1 if name.endswith("bias") else 0.3 if around_one else 0.2
        random_(parameter, std=std, mean=1.0 if around_one else 0.0, generator=generator)
        if "adapter_fusion_layer" in name and name.endswith("value.weight"):
            with torch.no_grad():
                parameter.add_(torch.eye(parameter.shape[0]))


def tiny_names():
    return {name for name in load_file(f"{TINY}/model.safetensors") if not name.startswith("classifier.")}


def adapter(name, base, changes, training=True):
    config = configuration(base, changes)
    about = f"{base if isinstance(base, str) else base.__name__} with {changes or 'its defaults'}"
    case = Case(name, about, VERSIONS, settings(config), sequences_alone=config["use_gating"])
    model = base_model()
    model.add_adapter(ADAPTER, config=config)
    model.train_adapter(ADAPTER)
    model.active_head = HEAD
    randomize(model, seed=4)
    # The norm before is also the first module of adapter_down, and safetensors refuses shared tensors: .bin has both keys.
    model.save_adapter(str(case.directory / "adapterhub"), ADAPTER, use_safetensors=not config["ln_before"])
    model.train()
    record_start(case, model, tiny=tiny_names())
    record_pass(case, model)
    if training:
        record_training(case, model)
    case.write()


def fusion(name, kind, members):
    configs = [configuration(*member) for member in members]
    case = Case(name, f"{kind} fusion of a and b; members frozen, fusion and head train", VERSIONS,
                {"fusion": kind, "members": {key: settings(config) for key, config in zip("ab", configs)}})
    model = base_model()
    for member, config in zip("ab", configs):
        model.add_adapter(member, config=config)
    setup = Fuse("a", "b")
    model.add_adapter_fusion(setup, kind)
    model.train_adapter_fusion(setup)
    model.active_head = HEAD
    randomize(model, seed=5)
    (case.directory / "adapterhub").mkdir()
    for member in "ab":
        model.save_adapter(str(case.directory / "adapterhub" / member), member, with_head=False, use_safetensors=True)
    model.save_adapter_fusion(str(case.directory / "adapterhub" / "a,b"), setup, with_head=HEAD, use_safetensors=True)
    model.train()

    regularization = None
    if kind == "dynamic":
        regularization = lambda which: which.base_model.get_fusion_regularization_loss()
    record_start(case, model, tiny=tiny_names())
    record_pass(case, model, auxiliary=regularization)
    record_attention(case, model)
    record_training(case, model, auxiliary=regularization)
    case.write()


def record_attention(case, model):
    """attention/<module>: (N, members), the softmax weight of each member for every row of batch a."""
    places = {"output_adapter": "output", "attention_adapter": "attention.output", "mh_adapter": "attention.output"}
    with torch.no_grad():
        output, _, mask = run(model, case.batches["a"], output_adapter_fusion_attentions=True)
    for layer, places_of_layer in output.adapter_fusion_attentions["a,b"].items():
        for place, weights in places_of_layer.items():
            case.add(f"attention/bert.encoder.layer.{layer}.{places[place]}", torch.tensor(weights)[mask])


def main():
    be_deterministic()
    logging.getLogger("adapters").setLevel(logging.ERROR)
    for name, (base, changes) in ADAPTERS.items():
        adapter(name, base, changes)
    for variant, (base, changes) in OPTIONS.items():
        adapter(f"adapter_options/{variant}", base, changes, training=False)
    for name, (kind, members) in FUSIONS.items():
        fusion(name, kind, members)


if __name__ == "__main__":
    main()
