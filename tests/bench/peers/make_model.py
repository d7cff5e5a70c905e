"""make_model.py: a randomly initialised BERT: config.json, a WordPiece vocabulary, and weights if they are wanted. (env: hf)

    python tests/bench/peers/make_model.py --text data/nsmc/ratings_train.txt --output models/ko-random-4x256

The text is a file of lines, or of NSMC's TSV (its second column is taken). Deterministic. Without --weights it is
trained with `init = "random"`.
"""

import argparse
import json
import pathlib

from tokenizers import BertWordPieceTokenizer


def texts(path):
    lines = pathlib.Path(path).read_text(encoding="utf-8").split("\n")
    if lines[0] == "id\tdocument\tlabel":
        return [line.split("\t")[1] for line in lines[1:] if line.count("\t") == 2]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--text", required=True)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--words", type=int, default=8000)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--rows", type=int, default=0, help="of the word embedding, when it is to have more than the vocabulary")
    parser.add_argument("--weights", action="store_true", help="random ones, with a head of two labels")
    options = parser.parse_args()
    tokenizer = BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    tokenizer.train_from_iterator(texts(options.text), vocab_size=options.words, limit_alphabet=2500, show_progress=False)
    options.output.mkdir(parents=True, exist_ok=True)
    tokenizer.save_model(str(options.output))
    config = {"model_type": "bert", "architectures": ["BertModel"], "vocab_size": max(options.rows, tokenizer.get_vocab_size()),
              "hidden_size": options.hidden, "num_hidden_layers": options.layers, "num_attention_heads": options.hidden // 64,
              "intermediate_size": 4 * options.hidden, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
              "attention_probs_dropout_prob": 0.1, "max_position_embeddings": 512, "type_vocab_size": 2,
              "initializer_range": 0.02, "layer_norm_eps": 1e-12, "pad_token_id": 0}
    (options.output / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (options.output / "tokenizer_config.json").write_text(json.dumps(
        {"do_lower_case": False, "strip_accents": False, "tokenize_chinese_chars": True}, indent=2) + "\n")
    if options.weights:
        import torch
        from transformers import BertConfig, BertForSequenceClassification
        torch.manual_seed(1)
        BertForSequenceClassification(BertConfig.from_pretrained(options.output, num_labels=2)).save_pretrained(options.output)
    print(f"{options.output}: {tokenizer.get_vocab_size()} words, {options.layers} x {options.hidden}")


if __name__ == "__main__":
    main()
