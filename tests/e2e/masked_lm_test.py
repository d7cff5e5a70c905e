"""masked_lm_test.py: a masked language model from text to a base that a classifier is trained on, and what is refused on the way."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import unittest

from support import LORA, SOURCE, PlugtuneTest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from doc_pages import command_blocks, difference, transcripts

TASK = '[task]\nkind = "masked-lm"\n'
FULL = '[strategy]\nplugin = "full"\n'
HEAD = '[strategy]\nplugin = "head"\n'
TEXT = ("--set", "data.plugin=text", "--set", f"data.path={SOURCE}/datasets/text/sample", "--set", "task={}", "--set", "data.eval_limit=0")
LINES = "이 영화는 정말 [MASK]\n[MASK] 재미없는 [MASK] 입니다\n"


class MaskedLm(PlugtuneTest):
    def train(self, name, strategy=LORA, task=TASK, sets=(), **options):
        return self.succeed("train", self.experiment(name, strategy=task + strategy, **options), *sets)

    def report(self, run):
        return json.loads((self.folder / run / "report.json").read_text())

    def test_train_eval_predict_merge_and_train_a_classifier_on_it(self):
        text = self.train("language", FULL, sets=TEXT)
        self.assertIn("masked-lm, 15 % of the tokens are guessed", text)
        self.assertRegex(text, r"step 5/60 .*loss [0-9.]+  accuracy [0-9.]+")
        report = self.report("runs/language")
        self.assertEqual(list(report["epochs"][0]["eval"]), ["loss", "accuracy", "perplexity"])
        self.assertLess(report["epochs"][-1]["eval"]["loss"], report["epochs"][0]["eval"]["loss"])
        self.assertEqual(report["best"]["metric"], "loss")
        self.assertEqual(report["trainable_fraction"], 1.0)

        metrics = json.loads(self.succeed("eval", "runs/language", "--split", "validation", "--json"))
        self.assertEqual(metrics, min((epoch["eval"] for epoch in report["epochs"]), key=lambda of: of["loss"]))  # the same masks
        self.assertIn("perplexity", self.succeed("eval", "runs/language", "--split", "validation"))
        other = json.loads(self.succeed("eval", "runs/language", "--json", "--data", f"nsmc:{SOURCE}/datasets/nsmc/sample"))
        self.assertEqual(list(other), list(metrics))  # labelled texts are texts
        self.succeed("compare", "runs/language")

        self.succeed("merge", "runs/language", "--output", "base")
        config = json.loads((self.folder / "base/config.json").read_text())
        self.assertEqual(config["architectures"], ["BertForMaskedLM"])
        classifier = self.experiment("classifier", length="steps = 4")
        text = self.succeed("train", classifier, "--set", f"model.path={self.folder}/base")
        self.assertIn("has no pooler (a masked-LM checkpoint): a new one is made and trained", text)
        self.assertIn(self.succeed("predict", "runs/classifier", stdin="재미있다\n").strip(), ("negative", "positive"))

        # What was merged guesses as the run did.
        self.train("again", HEAD, length="steps = 1", sets=("--set", "model.path=base", "--set", "train.learning_rate=0"))
        for one, two in zip(self.fillings("runs/language"), self.fillings("runs/again")):
            self.assertEqual(one["text"], two["text"])
            for mask, other in zip(one["masks"], two["masks"]):
                self.assertEqual([word["word"] for word in mask], [word["word"] for word in other])
                for word, same in zip(mask, other):
                    self.assertAlmostEqual(word["probability"], same["probability"], places=5)

    def fillings(self, run, *options):
        return [json.loads(line) for line in self.succeed("predict", run, "--format", "jsonl", *options, stdin=LINES).splitlines()]

    def test_predict_fills_masks(self):
        self.train("run", length="steps = 4")
        texts = self.succeed("predict", "runs/run", stdin=LINES).splitlines()
        fillings = self.fillings("runs/run")
        self.assertEqual([filling["text"] for filling in fillings], texts)
        self.assertEqual([len(filling["masks"]) for filling in fillings], [1, 2])
        for filling in fillings:
            self.assertNotIn("[MASK]", filling["text"])
            for mask in filling["masks"]:
                self.assertEqual(len(mask), 5)
                probabilities = [word["probability"] for word in mask]
                self.assertEqual(probabilities, sorted(probabilities, reverse=True))
                self.assertTrue(0 < sum(probabilities) <= 1)
        alone = json.loads(self.succeed("predict", "runs/run", "--format", "jsonl", stdin=LINES.splitlines()[1] + "\n"))
        self.assertEqual(alone["text"], texts[1])  # the lines beside it change nothing
        self.assertEqual([len(mask) for filling in self.fillings("runs/run", "--top", 12) for mask in filling["masks"]], [12] * 3)

        fails = self.fail_with
        fails("standard input:3: has no [MASK] to fill, got '좋다'", "predict", "runs/run", stdin=LINES + "좋다\n")
        fails("standard input:1: has 2 [MASK], of which 1 are among the 32 tokens that are read (data.max_length)",
              "predict", "runs/run", stdin="[MASK] " + "영화 " * 40 + "[MASK]\n")
        fails("predict: --top needs --format jsonl; text is the best filling alone", "predict", "runs/run", "--top", 3, stdin=LINES)
        fails("predict: --top must be a whole number of at least 1, got '0'", "predict", "runs/run", "--top", 0, "--format", "jsonl",
              stdin=LINES)
        self.train("other", length="steps = 1")
        alone = "predict: masked-lm runs fill masks one run at a time, without --average and --by-line"
        fails(alone, "predict", "runs/run", "runs/other", stdin=LINES)
        fails(alone, "predict", "runs/run", "--by-line", stdin=LINES)
        fails("eval: --average is of labels; masked-lm runs have metrics of their own only", "eval", "runs/run", "runs/other", "--average")
        rows = json.loads(self.succeed("eval", "runs/run", "runs/other", "--json"))
        self.assertEqual([row["run"] for row in rows], ["runs/run", "runs/other"])
        self.assertEqual({key: value for key, value in rows[1].items() if key != "run"},
                         json.loads(self.succeed("eval", "runs/other", "--json")))
        self.succeed("train", self.experiment("labels", length="steps = 1"))
        fails("predict: --top is of masked-lm runs alone; this one answers with labels",
              "predict", "runs/labels", "--top", 3, stdin=LINES)

    def test_killed_runs_end_with_the_bits_of_one_that_was_not(self):
        for name, strategy in (("full", FULL), ("lora", LORA)):
            self.train(f"whole-{name}", strategy)
            killed = self.experiment(f"killed-{name}", strategy=TASK + strategy)
            for step in (5, 25, 40):
                process = self.start("train", killed, "--resume")
                log = self.folder / f"runs/killed-{name}/log.jsonl"
                deadline = time.monotonic() + 120
                while process.poll() is None and time.monotonic() < deadline:
                    if log.exists() and f'"step":{step},' in log.read_text().replace(" ", ""):
                        break
                    time.sleep(0.005)
                process.kill()
                process.wait()
            self.succeed("train", killed, "--resume")
            self.assertEqual(self.delta(f"runs/killed-{name}"), self.delta(f"runs/whole-{name}"))
        self.succeed("train", "runs/whole-lora/experiment.toml", "--output", "runs/again")
        self.assertEqual(self.delta("runs/again"), self.delta("runs/whole-lora"))

    def test_what_of_the_head_trains(self):
        head = 128 * 128 + 3 * 128 + 3431
        for name, strategy, task, expected in (("lora", LORA, "", 0), ("yes", LORA, "train_head = true\n", head),
                                               ("full", FULL, "", head), ("no", FULL, "train_head = \"no\"\n", 0),
                                               ("head", HEAD, "", head)):
            self.train(name, strategy, task=TASK + task, length="steps = 1")
            self.assertEqual(self.report(f"runs/{name}")["head_parameters"], expected, name)
        self.fail_with('strategy: nothing would train; name one whose patches train, or let task.train_head be "auto"',
                       "train", self.experiment("none", strategy=TASK + 'train_head = "no"\n' + HEAD))

        bare = self.folder / "bare"  # the encoder without its head
        self.succeed("train", self.experiment("plain", strategy=HEAD, length="steps = 1"))
        self.succeed("merge", "runs/plain", "--output", "bare")
        text = self.train("new", LORA, length="steps = 1", sets=("--set", f"model.path={bare}"))
        self.assertIn(f"{bare} has no masked-LM head: a new one is made and trained", text)
        self.assertEqual(self.report("runs/new")["head_parameters"], head)

    def test_settings_change_what_is_masked(self):
        seen = set()
        for name, task in (("plain", ""), ("whole", "whole_words = true\n"), ("half", "mask_probability = 0.5\n")):
            text = self.train(name, task=TASK + task, length="steps = 3", sets=("--set", "train.precision=bf16"))
            seen.add(self.delta(f"runs/{name}"))
        self.assertEqual(len(seen), 3)
        self.assertIn("masked-lm, 50 % of the tokens are guessed", text)
        # Micro-batches change nothing but rounding: the loss is the mean over the step's chosen tokens.
        losses = []
        for tokens in (4096, 40):
            self.train(f"micro{tokens}", FULL, length="steps = 5", sets=("--set", f"train.micro_batch_tokens={tokens}",
                                                                        "--set", "eval.every=5"))
            losses.append(self.report(f"runs/micro{tokens}")["epochs"][0]["train_loss"])
        self.assertAlmostEqual(losses[0], losses[1], delta=0.5)  # dropout

    def test_texts_with_nothing_to_guess_train(self):
        lines = ["좋다", "."] * 20
        (self.folder / "train.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        shown = self.train("run", FULL, task=TASK + "mask_probability = 0.01\n", length="steps = 6",
                           sets=("--set", "data.plugin=text", "--set", f"data.path={self.folder}/train.txt",
                         "--set", "data.validation_share=0.2", "--set", "data.train_limit=0",
                         "--set", "train.batch_size=1"))
        self.assertIn("this evaluation had no token to guess: it has too few for task.mask_probability, and is never the best\n", shown)
        epochs = self.report("runs/run")["epochs"]
        self.assertEqual([(epoch["eval"]["loss"], epoch["is_best"]) for epoch in epochs], [(None, False)] * len(epochs))
        self.succeed("compare", "runs/run")
        self.succeed("report", "runs/run")

    def test_other_libraries_get_the_adapter_without_the_head(self):
        self.train("lora", LORA, length="steps = 2")
        frozen = "note  the masked-LM head is that of the base and is not in the files"
        for format in ("peft", "adapterhub"):
            self.assertIn(frozen, self.succeed("export", "runs/lora", "--format", format, "--output", format))
            self.assertFalse(any("head" in path.name for path in (self.folder / format).iterdir()))
        config = json.loads((self.folder / "peft/adapter_config.json").read_text())
        self.assertIsNone(config["task_type"])
        self.assertIsNone(config["modules_to_save"])
        self.assertIn("written", self.succeed("export", "runs/lora", "--format", "hf", "--output", "hf"))
        self.train("head", HEAD, length="steps = 2")
        self.fail_with("head: trained the masked-LM head alone, for which adapterhub files have no form; --format hf keeps it",
                       "export", "runs/head", "--format", "adapterhub", "--output", "none")
        self.train("both", LORA, task=TASK + "train_head = true\n", length="steps = 2")
        self.assertIn("note  the masked-LM head, which was trained too, is left out: peft files have no form for it; --format hf keeps it",
                      self.succeed("export", "runs/both", "--format", "peft", "--output", "both"))
        combined = self.succeed("combine", "runs/lora", "runs/both", "--output", "runs/combined")
        self.assertIn("runs/combined", combined)
        self.assertEqual(len(self.succeed("predict", "runs/combined", stdin=LINES).splitlines()), 2)

    def test_runs_of_one_task_do_not_go_on_as_another(self):
        self.train("language", length="steps = 1")
        self.fail_with("run.from: runs/language was trained for masked-lm, this task is classification",
                       "train", self.experiment("more"), "--set", "run.from=runs/language")
        self.train("more", length="steps = 1", sets=("--set", "run.from=runs/language"))
        shutil.rmtree(self.folder / "runs/language")
        self.succeed("predict", "runs/more", stdin=LINES)

    def test_the_page_on_it_can_be_typed(self):
        page = "docs/masked-language-models.md"
        self.look_like_the_repository()

        def type(script):
            result = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, text=True, timeout=600,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "2"})
            self.assertEqual(result.returncode, 0, f"{script}\n{result.stdout}")
            return result.stdout

        blocks = command_blocks(page)
        self.assertEqual(len(blocks), 3)
        for line in "".join(blocks).splitlines():
            short = "plugtune train" in line
            type(line + (" --quiet --set train.steps=3 --set eval.every=never" if short else ""))
        for command, shown in transcripts(page):
            self.assertEqual(difference(type(command), shown), "")


if __name__ == "__main__":
    unittest.main()
