"""tokenize_reference.py: ids of every line of a text file by the reference tokenizer, as JSON lines. (env: hf)

    python tests/golden/tokenize_reference.py --vocab vocab.txt --lower --input reviews.txt > reference.jsonl
    python tests/golden/tokenize_reference.py --model models/minilm --input reviews.txt --limit 10000

A line ends at "\\n" only and everything before it is the text, tabs and "\\r" included. Each output line is
{"ids":[..],"types":[..]}. With --pairs the first tab separates the two texts.
"""

import argparse
import json
import pathlib
import sys

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def read_vocabulary(path):
    lines = pathlib.Path(path).read_text(encoding="utf-8").split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    return {token.rstrip(): index for index, token in enumerate(lines)}


def bert_tokenizer(vocabulary, lowercase, strip_accents=None, chinese=True, special_in_text=True):
    """The three parts that make BertTokenizer; `special_in_text`: a literal [SEP] in a text is the special token."""
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer(
        clean_text=True, handle_chinese_chars=chinese, strip_accents=strip_accents, lowercase=lowercase
    )
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    if special_in_text:
        tokenizer.add_special_tokens([token for token in SPECIAL if token in vocabulary])
    return tokenizer


def truncate(tokenizer, max_length):
    if max_length:
        tokenizer.enable_truncation(max_length, strategy="longest_first")
    else:
        tokenizer.no_truncation()


def from_directory(path):
    """A Hugging Face directory: tokenizer.json wins over vocab.txt + tokenizer_config.json."""
    directory = pathlib.Path(path)
    if (directory / "tokenizer.json").exists():
        tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        tokenizer.no_padding()
        return tokenizer
    settings = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
    return bert_tokenizer(
        read_vocabulary(directory / "vocab.txt"),
        settings.get("do_lower_case", True),
        settings.get("strip_accents"),
        settings.get("tokenize_chinese_chars", True),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--vocab", help="vocab.txt")
    source.add_argument("--model", help="a Hugging Face directory")
    parser.add_argument("--lower", action="store_true", help="with --vocab: lower-case and strip accents (uncased)")
    parser.add_argument("--input", required=True, help="UTF-8 text file, one text per line")
    parser.add_argument("--pairs", action="store_true", help="the first tab of a line separates two texts")
    parser.add_argument("--max-length", type=int, default=0, help="tokens with [CLS] and [SEP]; 0 = all")
    parser.add_argument("--limit", type=int, default=0, help="lines; 0 = all")
    options = parser.parse_args()

    if options.vocab:
        tokenizer = bert_tokenizer(read_vocabulary(options.vocab), options.lower)
    else:
        tokenizer = from_directory(options.model)
    truncate(tokenizer, options.max_length)
    with open(options.input, encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines):
            if options.limit and number == options.limit:
                break
            text = line.removesuffix("\n")
            first, tab, second = text.partition("\t") if options.pairs else (text, "", "")
            encoding = tokenizer.encode(first, second) if tab else tokenizer.encode(text)
            json.dump({"ids": encoding.ids, "types": encoding.type_ids}, sys.stdout, separators=(",", ":"))
            sys.stdout.write("\n")


if __name__ == "__main__":
    main()
