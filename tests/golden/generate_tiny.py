"""generate_tiny.py: tests/golden/tiny, a two-layer BERT whose weights are large enough for errors to show. (env: hf)"""

import json
import shutil

from common import GOLDEN, LABELS, VOCABULARY_SIZE, be_deterministic, random_

import torch
from transformers import BertConfig, BertForSequenceClassification

WORDS = "so love hate the a movie film was is not very good bad great boring i it and 영화 정말 좋 아요 싫 ##ing ##ed ##s ##ly ##less ##ful ##어요 ##았 ##다".split()


def vocabulary():
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [letter for letter in letters if letter not in WORDS]
    tokens += ["##" + letter for letter in letters if "##" + letter not in WORDS]
    tokens += WORDS + list(".,!?0123456789")
    return tokens


def main():
    be_deterministic()
    directory = GOLDEN / "tiny"
    shutil.rmtree(directory, ignore_errors=True)
    tokens = vocabulary()
    assert len(tokens) == len(set(tokens)) == VOCABULARY_SIZE
    config = BertConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )
    model = BertForSequenceClassification(config)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        is_scale = name.endswith("LayerNorm.weight")
        random_(parameter, std=0.2, mean=1.0 if is_scale else 0.0, generator=generator)
    model.save_pretrained(directory)
    (directory / "vocab.txt").write_text("".join(token + "\n" for token in tokens), encoding="utf-8")
    settings = {"do_lower_case": False, "tokenize_chinese_chars": True, "strip_accents": None}
    (directory / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", **settings}, indent=2) + "\n"
    )
    print(f"tiny: {sum(parameter.numel() for parameter in model.parameters())} parameters")


if __name__ == "__main__":
    main()
