"""step_time.py: the time and memory of a peer's training steps, on the batches that `plugtune bench --batches FILE` wrote.

    python step_time.py --model DIR --batches FILE --strategy full    (env: hf; adapter and adapterfusion: env adapters)
    python step_time.py --model DIR --texts FILE.tsv --strategy full  from the start of the process: reads and tokenizes all, one step

The peer has what is best for it: fused AdamW, padding to the longest of a batch, its fastest attention, no logging; --compile
adds torch.compile, --bf16 autocasts, with what is frozen in bf16. Prints one JSON line with the names of `plugtune bench --json`.
"""

import argparse
import contextlib
import json
import os
import pathlib
import resource
import time

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}

import torch

LENGTH, BATCH = 128, 32


def process_seconds():
    start = int(pathlib.Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start


def with_adapters(directory, members):
    from adapters import BertAdapterModel
    from adapters.composition import Fuse
    model = BertAdapterModel.from_pretrained(directory)
    model.add_classification_head("h", num_labels=2, layers=1, use_pooler=True)
    names = [f"member_{i}" for i in range(members)]
    for name in names:
        model.add_adapter(name, config="seq_bn")
    if members == 1:
        model.train_adapter(names[0])
    else:
        model.add_adapter_fusion(names)
        model.train_adapter_fusion(Fuse(*names))
    return model


def build(options):
    if options.strategy in ("adapter", "adapterfusion"):
        return with_adapters(options.model, options.members if options.strategy == "adapterfusion" else 1)
    from transformers import BertForSequenceClassification
    model = BertForSequenceClassification.from_pretrained(options.model, num_labels=2)
    if options.strategy == "head":
        model.bert.requires_grad_(False)
    if options.strategy == "lora":
        from peft import LoraConfig, get_peft_model
        model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=options.rank, lora_alpha=options.rank,
                                                 target_modules=["query", "value"]))
    return model


def padded(ids):
    longest = max(map(len, ids))
    return (torch.tensor([row + [0] * (longest - len(row)) for row in ids]),
            torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids]))


class Training:
    def __init__(self, options):
        self.model = build(options)
        self.model.train()
        self.trainable = [p for p in self.model.parameters() if p.requires_grad]
        self.precision = contextlib.nullcontext()
        if options.bf16:
            self.precision = torch.autocast("cpu", torch.bfloat16)
            for parameter in self.model.parameters():
                if not parameter.requires_grad:
                    parameter.data = parameter.data.bfloat16()
        self.optimizer = torch.optim.AdamW(self.trainable, lr=5e-5, weight_decay=0, fused=True)
        self.forward = torch.compile(self.model, dynamic=True) if options.compile else self.model

    def step(self, ids, targets):
        words, mask = padded(ids)
        with self.precision:
            logits = self.forward(input_ids=words, attention_mask=mask).logits
        loss = torch.nn.functional.cross_entropy(logits.float(), torch.tensor(targets, dtype=torch.long))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trainable, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()


def first_step(options):
    from tokenizers import BertWordPieceTokenizer
    rows = [line.split("\t") for line in pathlib.Path(options.texts).read_text(encoding="utf-8").split("\n")[1:]]
    rows = [row for row in rows if len(row) == 3 and row[1].strip()]
    tokenizer = BertWordPieceTokenizer(str(pathlib.Path(options.model) / "vocab.txt"), lowercase=False, strip_accents=False)
    tokenizer.enable_truncation(LENGTH)
    start = time.perf_counter()
    ids = [encoding.ids for encoding in tokenizer.encode_batch([row[1] for row in rows])]
    tokenize_seconds = time.perf_counter() - start
    Training(options).step(ids[:BATCH], [int(row[2]) for row in rows[:BATCH]])
    return {"first_step_seconds": process_seconds(), "tokenize_seconds": tokenize_seconds}


def all_steps(options):
    batches = [json.loads(line) for line in pathlib.Path(options.batches).read_text().splitlines()]
    training = Training(options)
    seconds, losses = [], []
    for batch in batches:
        start = time.perf_counter()
        losses.append(training.step(batch["ids"], batch["targets"]))
        seconds.append(time.perf_counter() - start)
    measured, elapsed = batches[options.warm_up:], sum(seconds[options.warm_up:])
    tokens = sum(len(row) for batch in measured for row in batch["ids"])
    return {"trainable": sum(p.numel() for p in training.trainable), "steps": len(measured),
            "rows_per_step": tokens / len(measured), "ms_step": 1e3 * elapsed / len(measured),
            "us_per_token": 1e6 * elapsed / tokens,
            "sentences_per_second": sum(len(batch["ids"]) for batch in measured) / elapsed, "losses": losses}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--batches")
    source.add_argument("--texts")
    parser.add_argument("--strategy", choices=["full", "head", "lora", "adapter", "adapterfusion"], required=True)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--members", type=int, default=4, help="adapters that a fusion attends over")
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(1)
    result = all_steps(options) if options.batches else first_step(options)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"strategy": options.strategy, **result, "peak_memory_bytes": memory,
                      "threads": torch.get_num_threads(), "torch": torch.__version__}))


if __name__ == "__main__":
    main()
