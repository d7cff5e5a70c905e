"""pretraining_test.py: a model made from a text alone: vocabulary, random weights, masked LM; and what is refused on the way."""

import json
import os
import pathlib
import subprocess
import sys
import time
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


FULL = '[task]\nkind = "masked-lm"\n{}[strategy]\nplugin = "full"\n'


class Pretraining(PlugtuneTest):
    def documents(self, count=200):
        """All six lines of a document are about one thing of ten: whether a line is of the same document can mostly be told."""
        things, words = "영화 음악 책 음식 날씨 가족 학교 바다 시간 친구".split(), "정말 아주 그냥 다시 조금 오늘 어제 내일".split()
        lines = []
        for document in range(count):
            thing = things[document % 10]
            for line in range(6):
                first, second = words[(document * 7 + line * 3) % 8], words[(document * 5 + line * 5 + line * line) % 8]
                lines.append(f"{thing} {first} {thing} {second}")
            lines.append("")
        (self.folder / "documents.txt").write_text("\n".join(lines), encoding="utf-8")

    DATA = ("--set", 'data={plugin = "text", path = "documents.txt", unit = "document", validation_share = 0.2, max_length = 40}')

    def train(self, name, sets=(), strategy=FULL.format("next_sentence = true\n"), **options):
        return self.succeed("train", self.experiment(name, strategy=strategy, **options), *self.DATA, *sets)

    def start_model(self, dropout=0.1):
        self.succeed("vocab", "--text", "documents.txt", "--size", 300, "--layers", 2, "--hidden", 64, "--positions", 64, "--output", "start")
        config = self.folder / "start/config.json"
        config.write_text(config.read_text().replace("_prob\": 0.1", f"_prob\": {dropout}"))
        return ("--set", "model.path=start", "--set", "model.init=random")

    def report(self, run):
        return json.loads((self.folder / run / "report.json").read_text())

    def test_from_nothing_to_a_classifier_with_next_sentences(self):
        self.documents()
        start = self.start_model()
        shown = self.train("both", length="steps = 600", sets=(*start, "--set", "train.batch_size=16", "--set", "train.learning_rate=3e-3",
                                                               "--set", "eval.every=100"))
        self.assertIn("masked-lm, 15 % of the tokens are guessed, and whether the second text is next", shown)
        metrics = self.report("runs/both")["epochs"][-1]["eval"]
        self.assertEqual(list(metrics), ["loss", "accuracy", "perplexity", "masked_lm_loss", "next_sentence_loss", "next_sentence_accuracy"])
        self.assertAlmostEqual(metrics["loss"], metrics["masked_lm_loss"] + metrics["next_sentence_loss"], places=6)
        self.assertGreater(metrics["next_sentence_accuracy"], 0.8)
        self.assertIn("next_sentence_accuracy", self.succeed("eval", "runs/both", "--split", "validation"))
        self.assertIn("next_sentence_accuracy", self.succeed("compare", "runs/both"))
        best = self.report("runs/both")["best"]["value"]
        again = json.loads(self.succeed("eval", "runs/both", "--split", "validation", "--json"))
        self.assertEqual(again["loss"], best)
        self.succeed("predict", "runs/both", stdin="영화 [MASK]\n")

        # A directory of both heads and a pooler, read again here: it goes on where it was.
        self.succeed("merge", "runs/both", "--output", "merged")
        self.assertEqual(json.loads((self.folder / "merged/config.json").read_text())["architectures"], ["BertForPreTraining"])
        self.train("on", sets=("--set", "model.path=merged", "--set", "train.learning_rate=0", "--set", "train.steps=1"))
        self.assertAlmostEqual(self.report("runs/on")["epochs"][-1]["eval"]["loss"], best, places=5)
        text = self.succeed("train", self.experiment("classifier", length="steps = 2"), "--set", "model.path=merged", "--set",
                            "data.max_length=40")
        self.assertNotIn("has no pooler", text)

    def test_micro_batches_change_rounding_only(self):
        self.documents(40)
        start = self.start_model(dropout=0.0)
        losses = []
        for tokens in (4096, 60):
            self.train(f"micro-{tokens}", sets=start, length="steps = 6", train=f"micro_batch_tokens = {tokens}")
            losses.append(self.report(f"runs/micro-{tokens}")["epochs"][-1]["eval"]["loss"])
        self.assertAlmostEqual(losses[0], losses[1], places=4)

    def test_a_killed_run_ends_with_the_bits_of_one_that_was_not(self):
        self.documents(40)
        start = self.start_model()
        self.train("whole", sets=start, length="epochs = 8")
        killed = ("train", self.experiment("killed", strategy=FULL.format("next_sentence = true\n"), length="epochs = 8"), *self.DATA, *start,
                  "--resume")
        process = self.start(*killed)
        log = self.folder / "runs/killed/log.jsonl"
        while process.poll() is None and not (log.exists() and '"step":15,' in log.read_text().replace(" ", "")):
            time.sleep(0.005)
        process.kill()
        process.wait()
        self.succeed(*killed)
        self.assertEqual(self.delta("runs/killed"), self.delta("runs/whole"))

    def test_an_adapter_learns_both_tasks(self):
        self.documents(40)
        text = self.train("lora", strategy='[task]\nkind = "masked-lm"\nnext_sentence = true\n[strategy]\nplugin = "lora"\n', length="steps = 4")
        self.assertIn("models/ko-tiny has no next-sentence head: a new one is made and trained", text)
        # Both heads; the pooler is not new.
        self.assertEqual(self.report("runs/lora")["head_parameters"], 128 * 128 + 3 * 128 + 3431 + 2 * 128 + 2)

    def test_mistakes(self):
        self.documents(4)
        experiment = self.experiment("run", strategy=FULL.format("next_sentence = true\n"), length="steps = 1")
        self.fail_with('task.next_sentence: needs two train documents or more, of several lines each, got 24 with 24 lines; of the text data '
                       'set, data.unit = "document" makes documents, with blank lines between them', "train", experiment, "--set",
                       'data={plugin = "text", path = "documents.txt"}', "--set", "eval.every=never")


class Page(PlugtuneTest):
    """docs/pretraining.md, in a folder that looks as the repository does."""

    def setUp(self):
        super().setUp()
        self.look_like_the_repository()

    def type(self, script):
        result = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, text=True, timeout=600,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env={**os.environ, "PATH": f"{BUILD}/bin:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"})
        self.assertEqual(result.returncode, 0, f"{script}\n{result.stdout}")
        return result.stdout

    def test_what_the_page_says(self):
        page = "docs/pretraining.md"
        blocks = command_blocks(page)
        self.assertEqual(len(blocks), 3)  # the third needs data that is not here
        short = {"--set run.name=mine": "--set run.name=mine --set train.steps=3", "train.steps=20": "train.steps=3"}
        for block in blocks[:2]:
            for long, quick in short.items():
                block = block.replace(long, quick)
            self.type(block)
        self.assertTrue((self.folder / "mine/model.safetensors").exists())
        for command, expected in transcripts(page):
            printed = self.type(command)
            self.assertEqual(difference(printed, expected), "", printed)
        # The configuration of ko-mini is one, but for what is not here.
        self.succeed("config", "configs/pretrain/ko-mini.toml", "--set", f"data.path={SAMPLE}", "--set", "data.validation_share=0.1",
                     "--set", "model.path=mine")


if __name__ == "__main__":
    unittest.main()
