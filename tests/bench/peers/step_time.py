"""step_time.py: milliseconds per training step of the peers, same model, data, order and batch as plugtune's.

    python step_time.py --model models/ko-random-4x256 --data data/nsmc/ratings_train.txt --strategy full   (env: hf; adapter: env adapters)

Random weights, dropout 0.1, AdamW (fused), clip 1.0, uniformly shuffled batches padded to their longest, or --grouped.
Prints one JSON line.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import time

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}

import torch
from tokenizers import BertWordPieceTokenizer


def build(options):
    strategy, directory = options.strategy, options.model
    if strategy in ("adapter", "fusion"):
        import adapters
        from adapters import AdapterConfig, BertAdapterModel
        from adapters.composition import Fuse
        from transformers import BertConfig
        model = BertAdapterModel(BertConfig.from_pretrained(directory))
        model.add_classification_head("h", num_labels=2, layers=1, use_pooler=True)
        names = ["a"] if strategy == "adapter" else ["a", "b", "c", "d"]
        for name in names:
            model.add_adapter(name, config="seq_bn")
        if strategy == "adapter":
            model.train_adapter("a")
        else:
            model.add_adapter_fusion(names)
            model.train_adapter_fusion(Fuse(*names))
        return model
    from transformers import BertConfig, BertForSequenceClassification
    model = BertForSequenceClassification(BertConfig.from_pretrained(directory, num_labels=2))
    if strategy == "head":
        model.bert.requires_grad_(False)
    if strategy == "lora":
        from peft import LoraConfig, get_peft_model
        model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=options.rank, lora_alpha=16, target_modules=["query", "value"]))
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--strategy", choices=["full", "head", "lora", "adapter", "fusion"], required=True)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--grouped", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(1)
    rows = [line.split("\t") for line in pathlib.Path(options.data).read_text(encoding="utf-8").split("\n")[1:] if line.count("\t") == 2]
    random.Random(1).shuffle(rows)
    rows = [row for row in rows if row[1].strip()][: options.steps * 32]
    tokenizer = BertWordPieceTokenizer(str(pathlib.Path(options.model) / "vocab.txt"), lowercase=False, strip_accents=False)
    tokenizer.enable_truncation(128)
    examples = [(encoding.ids, int(row[2])) for encoding, row in zip(tokenizer.encode_batch([row[1] for row in rows]), rows)]
    if options.grouped:
        examples.sort(key=lambda example: len(example[0]))
    batches = [examples[i : i + 32] for i in range(0, len(examples), 32)]
    random.Random(2).shuffle(batches)

    model = build(options)
    model.train()
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=5e-5, fused=True)
    seconds, tokens = [], 0
    for batch in batches:
        start = time.perf_counter()
        longest = max(len(ids) for ids, _ in batch)
        ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in batch])
        mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in batch])
        logits = model(input_ids=ids, attention_mask=mask).logits
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([label for _, label in batch]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
        tokens += sum(len(ids) for ids, _ in batch)
    measured = seconds[5:]
    print(json.dumps({"strategy": options.strategy, "order": "grouped" if options.grouped else "uniform",
                      "trainable": sum(p.numel() for p in trainable), "ms_step": round(1000 * statistics.mean(measured), 2),
                      "us_per_token": round(1e6 * sum(seconds) / tokens, 1), "steps": len(measured), "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
