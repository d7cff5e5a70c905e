"""predict.py: the labels of a file's lines by transformers (env: hf) or ONNX Runtime (env: onnx), in the fastest way that they offer.

    $P/hf/bin/python   tests/bench/peers/predict.py transformers --model DIR --input reviews.txt --output answers.jsonl --batch 64
    $P/hf/bin/python   tests/bench/peers/predict.py export       --model DIR --onnx DIR/model.onnx
    $P/onnx/bin/python tests/bench/peers/predict.py onnxruntime  --model DIR --onnx DIR/model.onnx --input reviews.txt --output answers.jsonl

Both read all lines, tokenize them with the `tokenizers` library on all cores, sort by length, pad each batch to its longest, and write
the answers in the file's order, one {"label", "logits"} a line. `export` fuses attention, LayerNorm and GELU as ONNX Runtime's own
optimizer does for BERT.
"""

import argparse
import json
import os
import pathlib
import sys
import time


def tokenizer_of(model):
    from tokenizers import Tokenizer
    from tokenizers.implementations import BertWordPieceTokenizer
    if (model / "tokenizer.json").exists():
        tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    else:
        config = json.loads((model / "tokenizer_config.json").read_text())
        tokenizer = BertWordPieceTokenizer(str(model / "vocab.txt"), lowercase=config["do_lower_case"],
                                           strip_accents=config["strip_accents"])._tokenizer
    tokenizer.no_padding()
    tokenizer.enable_truncation(128)
    return tokenizer


def batches_of(options):
    """Lists of (line, ids), the longest first."""
    lines = options.input.read_text(encoding="utf-8").split("\n")
    if lines[-1] == "":
        lines.pop()
    ids = [encoding.ids for encoding in tokenizer_of(options.model).encode_batch(lines)]
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    return len(ids), [[(i, ids[i]) for i in order[at:at + options.batch]] for at in range(0, len(order), options.batch)]


def padded(batch):
    import numpy as np
    words = np.zeros((len(batch), len(batch[0][1])), dtype=np.int64)
    mask = np.zeros_like(words)
    for row, (_, ids) in enumerate(batch):
        words[row, :len(ids)] = ids
        mask[row, :len(ids)] = 1
    return words, mask


def transformers_answers(options):
    import torch
    from transformers import BertForSequenceClassification
    torch.set_num_threads(options.threads)
    model = BertForSequenceClassification.from_pretrained(options.model).eval()
    if options.bf16:
        model = model.bfloat16()

    def answer(words, mask):
        with torch.inference_mode():
            return model(input_ids=torch.from_numpy(words), attention_mask=torch.from_numpy(mask)).logits.float().numpy()
    return answer


def onnx_answers(options):
    import onnxruntime
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(str(options.onnx), settings, providers=["CPUExecutionProvider"])
    return lambda words, mask: session.run(["logits"], {"input_ids": words, "attention_mask": mask})[0]


def export(options):
    # The package onnx is in the other environment; this one's packages come first.
    onnx = pathlib.Path(sys.prefix).parent / "onnx/lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    sys.path.append(str(onnx))
    import torch
    from transformers import BertForSequenceClassification
    model = BertForSequenceClassification.from_pretrained(options.model, attn_implementation="eager").eval()

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = model

        def forward(self, input_ids, attention_mask):
            return self.bert(input_ids=input_ids, attention_mask=attention_mask).logits

    words = torch.randint(5, 100, (2, 7))
    plain = options.onnx.with_suffix(".plain.onnx")
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(Logits(), (words, torch.ones_like(words)), str(plain), input_names=["input_ids", "attention_mask"],
                      output_names=["logits"], dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
                      opset_version=17, dynamo=False)
    from onnxruntime.transformers import optimizer
    fused = optimizer.optimize_model(str(plain), model_type="bert", num_heads=model.config.num_attention_heads,
                                     hidden_size=model.config.hidden_size)
    fused.save_model_to_file(str(options.onnx))
    plain.unlink()
    print(json.dumps({"fused": {key: value for key, value in fused.get_fused_operator_statistics().items() if value}}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("engine", choices=["transformers", "onnxruntime", "export"])
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--onnx", type=pathlib.Path)
    parser.add_argument("--input", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--bf16", action="store_true")
    options = parser.parse_args()
    if options.engine == "export":
        export(options)
        return
    labels = json.loads((options.model / "config.json").read_text()).get("id2label", {})
    answer = (transformers_answers if options.engine == "transformers" else onnx_answers)(options)
    count, batches = batches_of(options)
    start = time.perf_counter()
    answers = [None] * count
    for batch in batches:
        for (line, _), logits in zip(batch, answer(*padded(batch))):
            answers[line] = logits
    seconds = time.perf_counter() - start
    with options.output.open("w") as file:
        for logits in answers:
            file.write(json.dumps({"label": labels.get(str(int(logits.argmax())), int(logits.argmax())), "logits": logits.tolist()}) + "\n")
    print(json.dumps({"predict_seconds": seconds}))


if __name__ == "__main__":
    main()
