"""pretraining_test.py: a model made from a text alone: vocabulary, random weights, masked LM; and what is refused on the way."""

import json
import os
import pathlib
import subprocess
import sys
import unittest

from support import BUILD, SOURCE, PlugtuneTest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from doc_pages import command_blocks, difference, transcripts

SAMPLE = SOURCE / "datasets/text/sample/train.txt"


class Vocab(PlugtuneTest):
    def vocab(self, *options, text=SAMPLE):
        return self.succeed("vocab", "--text", text, *options)

    def words(self, directory):
        return (self.folder / directory / "vocab.txt").read_text(encoding="utf-8").splitlines()

    def test_the_same_text_gives_the_same_directory(self):
        shown = self.vocab("--size", 1200, "--output", "one")
        self.vocab("--size", 1200, "--output", "two")
        files = sorted(path.name for path in (self.folder / "one").iterdir())
        self.assertEqual(files, ["config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"])
        for name in files:
            self.assertEqual((self.folder / "one" / name).read_bytes(), (self.folder / "two" / name).read_bytes())
        words = self.words("one")
        self.assertEqual((len(words), words[:5]), (1200, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
        self.assertIn("one: 1,200 words; 4 layers x 256, 4 heads, 3,6", shown)
        self.assertTrue(shown.endswith('pretrain it: [model] path = "one" and init = "random"\n'), shown)

    def test_texts_of_a_data_set_are_texts(self):
        self.succeed("vocab", "--data", f"text:{SAMPLE}", "--size", 1200, "--output", "data")
        self.vocab("--size", 1200, "--output", "file")
        self.assertEqual(self.words("data"), self.words("file"))
        (self.folder / "pairs.tsv").write_text("text\tsecond\tlabel\none\ttwo\ta\none\tthree\tb\n")
        self.succeed("vocab", "--data", "table:pairs.tsv", "--size", 40, "--output", "pairs")
        self.assertIn("one", self.words("pairs"))
        # Beside files, both count.
        self.vocab("--data", f"text:{SAMPLE}", "--size", 1200, "--min-frequency", 4, "--output", "both")
        self.assertEqual(self.words("both"), self.words("file"))

    def test_options_reach_the_model(self):
        (self.folder / "latin.txt").write_text("Café CAFÉ café cafe\n" * 3, encoding="utf-8")
        shown = self.vocab("--size", 60, "--lower-case", "--layers", 3, "--hidden", 96, "--heads", 3, "--feed-forward", 200, "--positions",
                           32, "--output", "latin", text="latin.txt")
        self.assertEqual(self.words("latin")[5:], ["a", "c", "e", "f", "##a", "##e", "##f", "ca", "##fe", "cafe"])
        self.assertIn("note        no two pieces stand together 2 times any more: 15 words, not 60", shown)
        config = json.loads((self.folder / "latin/config.json").read_text())
        self.assertEqual([config[key] for key in ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size",
                                                  "max_position_embeddings", "vocab_size")], [3, 96, 3, 200, 32, 15])
        self.assertTrue(json.loads((self.folder / "latin/tokenizer_config.json").read_text())["do_lower_case"])
        shown = self.vocab("--size", 60, "--alphabet-limit", 5, "--output", "limited", text="latin.txt")
        self.assertIn("characters  9, kept are the most frequent 5; 50.00 % of the words have another one and are [UNK]", shown)

    def test_mistakes(self):
        fails = self.fail_with
        size = ("--size", 1200, "--output", "out")
        (self.folder / "empty.txt").write_text("")
        (self.folder / "dropped.txt").write_text("\u200b \u200d\n", encoding="utf-8")
        (self.folder / "latin1.txt").write_bytes("caf\xe9\n".encode("latin-1"))
        (self.folder / "there").mkdir()
        (self.folder / "there/file").write_text("")
        fails("vocab: --text FILE or --data PLUGIN:PATH is required: the text to make words of", "vocab", *size)
        fails("vocab: --output DIR is required: the model directory to make", "vocab", "--text", SAMPLE)
        fails("vocab: there exists already; choose another --output, or remove it", "vocab", "--text", SAMPLE, "--output", "there")
        fails("vocab: the text has no words; its characters are dropped, as controls are", "vocab", "--text", "dropped.txt", *size)
        fails("vocab: --size: must be at least 1187 for 5 special tokens and 658 characters, alone and behind ##, got 100; raise it, or "
              "lower --alphabet-limit", "vocab", "--text", SAMPLE, "--size", 100, "--output", "out")
        fails("vocab: --size must be a whole number of at least 1, got 'many'", "vocab", "--text", SAMPLE, "--size", "many", "--output", "out")
        fails("vocab: --layers must be a whole number of at least 1, got '0'", "vocab", "--text", SAMPLE, "--layers", 0, "--output", "out")
        fails("vocab: --hidden must be a multiple of the number of heads, 3, got 256; give --heads", "vocab", "--text", SAMPLE, "--heads", 3,
              "--output", "out")
        fails("--data: must be PLUGIN:PATH, such as table:reviews.csv, got 'reviews.csv'", "vocab", "--data", "reviews.csv", *size)
        for name in ("missing.txt", "empty.txt", "latin1.txt", "there"):
            result = self.run_program("vocab", "--text", name, *size)
            self.assertEqual((result.returncode, result.stderr.count(name) > 0), (2, True), result.stderr)
        self.assertFalse((self.folder / "out").exists())


if __name__ == "__main__":
    unittest.main()
