"""generate_peft_adalora.py: AdaLoRA as peft trains it, through its whole budget schedule. (env: hf)

Everything that it adds starts random. Names are those of our delta: A, B and E have no .weight in peft's file, by which the tests tell
LoRA's. Gradients are not clipped: what peft makes of an importance depends on it.
"""

import copy
import types
from unittest import mock

from common import STEPS, TINY, TRAINING, Case, be_deterministic, decay_names, forward, random_, record_pass, record_start

import peft
import torch
import transformers
from peft import AdaLoraConfig, get_peft_model
from transformers import BertForSequenceClassification, get_linear_schedule_with_warmup

WHERE = {"encoder": "base_model.model.bert.encoder"}
OPTIONS = {"target_modules": ["query", "value"], "init_r": 6, "target_r": 2, "lora_alpha": 9, "tinit": 2, "tfinal": 3, "deltaT": 2,
           "total_step": STEPS, "beta1": 0.8, "beta2": 0.7, "orth_reg_weight": 0.3}


def key(name):
    name = name.removeprefix("base_model.model.").replace("modules_to_save.default.", "")
    for part in "ABE":
        name = name.replace(f".lora_{part}.default", f".adalora.{part.lower()}")
    return name


def orthogonality(model):
    """What peft's forward() adds to a loss: here to one of zero."""
    config = model.peft_config["default"]
    zero = torch.zeros((), dtype=next(model.parameters()).dtype)
    with mock.patch.object(config, "orth_reg_weight", OPTIONS["orth_reg_weight"]), \
            mock.patch.object(model.base_model.model, "forward", lambda: types.SimpleNamespace(loss=zero)):
        return model.base_model.forward().loss


def train(case, model):
    """Ten steps as common.py's, unclipped; behind each peft allocates the budget. kept: E is not zero."""
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    decayed = decay_names(model)
    optimizer = torch.optim.AdamW(
        [{"params": [p for n, p in trained if n in decayed], "weight_decay": TRAINING["weight_decay"]},
         {"params": [p for n, p in trained if n not in decayed], "weight_decay": 0.0}],
        lr=TRAINING["learning_rate"], betas=tuple(TRAINING["betas"]), eps=TRAINING["eps"])
    schedule = get_linear_schedule_with_warmup(optimizer, TRAINING["warmup_steps"], STEPS)
    losses, norms, kept = [], [], []
    for step in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        loss = forward(case, model, case.batches["ab"[step % 2]], **WHERE)[0] + orthogonality(model)
        loss.backward()
        losses.append(loss.item())
        norms.append(torch.nn.utils.clip_grad_norm_([p for _, p in trained], float("inf")).item())
        optimizer.step()
        schedule.step()
        model.base_model.update_and_allocate(step)
        kept.append(torch.stack([p.detach().flatten() != 0 for n, p in trained if "lora_E" in n]))
    result = {"losses": torch.tensor(losses, dtype=torch.float64), "grad_norms": torch.tensor(norms, dtype=torch.float64)}
    return result | {f"final/{key(name)}": parameter.detach() for name, parameter in trained}, torch.stack(kept).long()


def main():
    be_deterministic()
    case = Case("adalora_peft", "AdaLoRA: 24 triplets in 4 layers, 8 of them at the end",
                {"transformers": transformers.__version__, "peft": peft.__version__}, OPTIONS)
    base = BertForSequenceClassification.from_pretrained(TINY, attn_implementation="eager")
    model = get_peft_model(base, AdaLoraConfig(task_type="SEQ_CLS", **OPTIONS)).train()
    model.peft_config["default"].orth_reg_weight = 0.0  # recorded apart, by orthogonality()
    generator = torch.Generator().manual_seed(7)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and "classifier" not in name:
            random_(parameter, std=0.3, mean=0.0, generator=generator)
    record_start(case, model, key, tiny={n for n, p in model.named_parameters() if not p.requires_grad})
    record_pass(case, model, key, orthogonality, **WHERE)
    merged, exact = (copy.deepcopy(which).merge_and_unload() for which in (model, copy.deepcopy(model).double()))
    with torch.no_grad():
        case.add("merged_logits", forward(case, merged, case.batches["a"])[1], forward(case, exact, case.batches["a"])[1])
    result, kept = train(case, copy.deepcopy(model))
    truth, exactly_kept = train(case, copy.deepcopy(model).double())
    assert torch.equal(kept, exactly_kept), "an allocation is decided by rounding: take other random numbers"
    for name, tensor in result.items():
        case.add(name, tensor, truth[name])
    case.add("kept", kept)
    case.about["training"] = TRAINING | {"max_grad_norm": None}
    case.write()


if __name__ == "__main__":
    main()
