"""common.py: what every golden generator shares: the two batches, one recorded pass, ten recorded training steps.

Legend: N rows (tokens of a packed batch), B sequences, T longest sequence, H hidden, k labels. The peers need padded
batches; everything written here is packed again, so a golden file holds no padding row.
"""

import copy
import json
import os
import pathlib
import platform
import shutil

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}

import torch
from safetensors.torch import save_file

GOLDEN = pathlib.Path(__file__).resolve().parent
TINY = "tests/golden/tiny"  # relative: the peers write this name into the configurations they save

VOCABULARY_SIZE = 100
LABELS = ["negative", "neutral", "positive"]
LENGTHS = {"a": [9, 3, 14, 2, 6], "b": [5, 1, 11, 2, 8]}  # ragged; 2 is an empty text, 1 only a [CLS]
PAIRS = {"a": {0: 5, 2: 6, 4: 3}, "b": {2: 4, 4: 4}}  # sequence -> row of its first token of type 1

STEPS = 10
TRAINING = {
    "optimizer": "torch.optim.AdamW",
    "learning_rate": 1e-3,
    "betas": [0.9, 0.999],
    "eps": 1e-8,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "schedule": "linear",
    "warmup_steps": 2,
    "steps": STEPS,
    "batches": "a, b, a, b, ...",
}


def be_deterministic():
    os.chdir(GOLDEN.parents[1])
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def batch(name, task="classification"):
    """Packed inputs: ids (N), types (N), lengths (B), labels: (B) int64, (B) float (regression), (B, k) float, or mask()'s."""
    generator = torch.Generator().manual_seed({"a": 11, "b": 12}[name])
    lengths = LENGTHS[name]
    ids, types = [], []
    for index, length in enumerate(lengths):
        row = torch.randint(5, VOCABULARY_SIZE, (length,), generator=generator)
        row[0] = 2  # [CLS]
        if length > 1:
            row[-1] = 3  # [SEP]
        kind = torch.zeros(length, dtype=torch.int64)
        second = PAIRS[name].get(index)
        if second is not None:
            row[second - 1] = 3
            kind[second:] = 1
        ids.append(row)
        types.append(kind)
    count = len(lengths)
    labels = {
        "classification": torch.randint(0, len(LABELS), (count,), generator=generator),
        "masked_lm": None,
        "pretraining": None,
        "regression": torch.randn(count, generator=generator),
        "multilabel": torch.randint(0, 2, (count, len(LABELS)), generator=generator).float(),
    }[task]
    packed = {"ids": torch.cat(ids), "types": torch.cat(types), "lengths": torch.tensor(lengths), "labels": labels}
    if task == "pretraining":
        packed["next"] = torch.randint(0, 2, (count,), generator=generator)
    return mask(packed, name) if task in ("masked_lm", "pretraining") else packed


def mask(packed, name):
    """The batch for masked LM: ids as they are seen, rows (M) that are to be guessed, and the ids that stood there."""
    generator = torch.Generator().manual_seed({"a": 21, "b": 22}[name])
    ids = packed["ids"].clone()
    rows = torch.tensor([row for row in range(len(ids)) if ids[row] >= 5 and torch.rand((), generator=generator) < 0.4])
    targets = ids[rows]
    for place, row in enumerate(rows.tolist()):  # of each five: three are [MASK], one another word, one stays
        if place % 5 < 3:
            ids[row] = 4
        elif place % 5 == 3:
            ids[row] = torch.randint(5, VOCABULARY_SIZE, (), generator=generator)
    return {**packed, "ids": ids, "rows": rows, "labels": targets}


def padded(packed):
    """The same batch as the peers want it: (B, T) tensors, and the mask that packs results again."""
    lengths = packed["lengths"].tolist()
    shape = (len(lengths), max(lengths))
    ids, types, mask = (torch.zeros(shape, dtype=torch.int64) for _ in range(3))
    begin = 0
    for index, length in enumerate(lengths):
        ids[index, :length] = packed["ids"][begin : begin + length]
        types[index, :length] = packed["types"][begin : begin + length]
        mask[index, :length] = 1
        begin += length
    labels = packed["labels"]
    if "rows" in packed:
        at_rows = torch.full((len(packed["ids"]),), -100)
        at_rows[packed["rows"]] = labels
        labels = torch.full(shape, -100)
        labels[mask.bool()] = at_rows
    inputs = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask, "labels": labels}
    return inputs | ({"next_sentence_label": packed["next"]} if "next" in packed else {})


def alone(packed):
    """The batch cut into batches of one sequence: for peers whose numbers depend on the padding (gates)."""
    begin = 0
    for index, length in enumerate(packed["lengths"].tolist()):
        yield {
            "ids": packed["ids"][begin : begin + length],
            "types": packed["types"][begin : begin + length],
            "lengths": torch.tensor([length]),
            "labels": packed["labels"][index : index + 1],
        }
        begin += length


def random_(parameter, std, mean, generator):
    with torch.no_grad():
        parameter.copy_(mean + std * torch.randn(parameter.shape, generator=generator))


class Case:
    """One folder of goldens: golden.safetensors and the case.json that says what lies in it."""

    def __init__(self, name, about, versions, settings=None, task="classification", sequences_alone=False):
        self.name, self.task, self.sequences_alone = name, task, sequences_alone
        self.directory = GOLDEN / name
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.tensors, self.rounding = {}, {}
        self.about = {
            "case": name,
            "about": about,
            "versions": {"python": platform.python_version(), "torch": torch.__version__.split("+")[0], **versions},
            "task": task,
            "settings": settings or {},
        }
        if sequences_alone:
            self.about["sequences_alone"] = "every sequence was a batch of one; loss is the mean over the five"
        self.batches = {key: batch(key, task) for key in ("a", "b")}
        for key, packed in self.batches.items():
            for field, tensor in packed.items():
                self.add(f"{key}/{field}", tensor)

    def add(self, name, tensor, exact=None):
        """`exact`: the same quantity from a float64 copy; its distance goes to case.json as `rounding`."""
        tensor = tensor.detach()
        self.tensors[name] = tensor.float().contiguous() if tensor.is_floating_point() else tensor.contiguous()
        if exact is not None:
            self.rounding[name] = float((tensor.double() - exact.double()).abs().max()) if tensor.numel() else 0.0

    def write(self):
        save_file(self.tensors, self.directory / "golden.safetensors", metadata={"format": "pt"})
        names = sorted(self.tensors)
        dtypes = {torch.float32: "F32", torch.int64: "I64"}
        self.about["tensors"] = {
            name: {"dtype": dtypes[self.tensors[name].dtype], "shape": list(self.tensors[name].shape)}
            | ({"rounding": float(f"{self.rounding[name]:.2g}")} if name in self.rounding else {})
            for name in names
        }
        (self.directory / "case.json").write_text(dump(self.about) + "\n")
        total = sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values())
        print(f"{self.name}: {len(names)} tensors, {total / 1024:.0f} KB")


def dump(value, depth=0):
    """JSON with one line per leaf table: readable in a diff."""
    indent = "  " * (depth + 1)
    if isinstance(value, dict) and value and (depth < 2 and any(isinstance(v, (dict, list)) for v in value.values())):
        lines = [f"{indent}{json.dumps(k)}: {dump(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + "  " * depth + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        lines = [f"{indent}{json.dumps(v)}" for v in value]
        return "[\n" + ",\n".join(lines) + "\n" + "  " * depth + "]"
    return json.dumps(value)


def run(model, packed, **options):
    """One forward pass. Returns the peer's output, the last hidden rows (N, H), and the mask that packs rows.

    @param prompt_rows  rows that a prompt adds to each sequence: the first row (which the head reads) and the real tokens
                        behind it are kept, whether the prompt stands in front of [CLS] or behind it
    """
    caught = {}
    prompt_rows = options.pop("prompt_rows", 0)
    hook = model.get_submodule(options.pop("encoder", "bert.encoder")).register_forward_hook(
        lambda module, inputs, output: caught.update(h=output[0])
    )
    inputs = padded(packed)
    dtype = next(model.parameters()).dtype
    if inputs["labels"].is_floating_point():
        inputs["labels"] = inputs["labels"].to(dtype)
    output = model(**inputs, **options)
    hook.remove()
    mask = inputs["attention_mask"].bool()
    hidden = torch.cat([caught["h"][:, :1], caught["h"][:, 1 + prompt_rows :]], dim=1)
    return output, hidden[mask], mask


def forward(case, model, packed, **options):
    """(loss, logits (B, k) or of masked LM (M, V), hidden (N, H)), in one padded batch or, when the case says so, sequence by sequence."""
    if not case.sequences_alone:
        output, hidden, mask = run(model, packed, **options)
        logits = output.logits[mask][packed["rows"]] if "rows" in packed else output.logits
        return output.loss, logits, hidden
    parts = [run(model, one, **options) for one in alone(packed)]
    return (
        torch.stack([output.loss for output, _, _ in parts]).mean(),
        torch.cat([output.logits for output, _, _ in parts]),
        torch.cat([hidden for _, hidden, _ in parts]),
    )


def trainables(model, key):
    return {key(name): parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def record_pass(case, model, key=lambda name: name, auxiliary=None, exact=True, **options):
    """logits, loss, hidden and grad/<key> on batch a; start/<key> of every trainable that tiny does not hold.

    @param key        the peer's parameter name -> the name under which its own files hold it
    @param auxiliary  model -> a loss that is added (recorded apart as regularization_loss)
    """

    def compute(which):
        which.zero_grad(set_to_none=True)
        loss, logits, hidden = forward(case, which, case.batches["a"], **options)
        extra = auxiliary(which) if auxiliary else None
        (loss if extra is None else loss + extra).backward()
        result = {"logits": logits, "loss": loss, "hidden": hidden}
        if extra is not None:
            result["regularization_loss"] = extra
        for name, parameter in trainables(which, key).items():
            result[f"grad/{name}"] = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        return {name: tensor.detach().clone() for name, tensor in result.items()}

    truth = compute(copy.deepcopy(model).double()) if exact else {}
    for name, tensor in compute(model).items():
        case.add(name, tensor, truth.get(name))


def record_start(case, model, key=lambda name: name, tiny=()):
    """start/<key>: trainables that are not in tiny/; fixed/<key>: frozen parameters that are not in tiny/."""
    for name, parameter in model.named_parameters():
        if name in tiny:
            continue
        case.add(f"{'start' if parameter.requires_grad else 'fixed'}/{key(name)}", parameter)


def record_training(case, model, key=lambda name: name, auxiliary=None, make_optimizer=None, **options):
    """Ten AdamW steps over a, b, a, ...: losses, grad_norms, final/<key>, and case.json's steps and trainable list.

    make_optimizer(model, class, **settings) is a library's own, which groups the parameters itself.

    What a file holds as a bias does not decay, also where the library's own parameter has another name: Compacter's `b`,
    which Trainer therefore decays (docs/decisions/010-compacter-bias.md).
    """
    decayed = {name for name in decay_names(model) if "bias" not in key(name)}
    result, truth = (_train(case, copy.deepcopy(which), decayed, key, auxiliary, make_optimizer, options)
                     for which in (model, copy.deepcopy(model).double()))
    for name, tensor in result.items():
        case.add(name, tensor, truth[name])
    case.about["training"] = TRAINING
    case.about["trainable"] = [
        {"name": key(name), "shape": list(parameter.shape), "decay": name in decayed}
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    ]
    case.about["steps"] = [
        {
            "step": step,
            "batch": "ab"[step % 2],
            "learning_rate": result["learning_rates"][step].item(),
            "loss": result["losses"][step].item(),
            "grad_norm": result["grad_norms"][step].item(),
        }
        for step in range(STEPS)
    ]


def _train(case, model, decayed, key, auxiliary, make_optimizer, options):
    from transformers import get_linear_schedule_with_warmup

    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for n, p in trained if n in decayed], "weight_decay": TRAINING["weight_decay"]},
        {"params": [p for n, p in trained if n not in decayed], "weight_decay": 0.0},
    ]
    settings = {"lr": TRAINING["learning_rate"], "betas": tuple(TRAINING["betas"]), "eps": TRAINING["eps"]}
    optimizer = make_optimizer(model, torch.optim.AdamW, **settings) if make_optimizer else torch.optim.AdamW(groups, **settings)
    schedule = get_linear_schedule_with_warmup(optimizer, TRAINING["warmup_steps"], STEPS)
    log = {"losses": [], "grad_norms": [], "learning_rates": []}
    if auxiliary:
        log |= {"task_losses": [], "regularization_losses": []}
    for step in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        loss, _, _ = forward(case, model, case.batches["ab"[step % 2]], **options)
        total = loss
        if auxiliary:
            extra = auxiliary(model)
            total = loss + extra
            log["task_losses"].append(loss.item())
            log["regularization_losses"].append(extra.item())
        total.backward()
        log["losses"].append(total.item())
        norm = torch.nn.utils.clip_grad_norm_([p for _, p in trained], TRAINING["max_grad_norm"])
        log["grad_norms"].append(norm.item())
        log["learning_rates"].append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    result = {name: torch.tensor(values, dtype=torch.float64) for name, values in log.items()}
    return result | {f"final/{key(name)}": parameter.detach() for name, parameter in trained}


def decay_names(model):
    """Trainer's rule, asked of the library itself: no decay of biases and LayerNorm."""
    from transformers import Trainer

    return set(Trainer.get_decay_parameter_names(None, model))
