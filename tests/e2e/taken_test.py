"""taken_test.py: strategies that come frozen from finished runs ([[strategy]] from), and runs that outlive their sources."""

import json
import shutil
import time
import unittest

from support import SOURCE, PlugtuneTest

ADAPTER = '[strategy]\nplugin = "adapter"\nreduction_factor = 8\n'
STACK = '[[strategy]]\nfrom = "runs/lang"\n[[strategy]]\nplugin = "adapter"\nreduction_factor = 4\n'
SHORT = "steps = 12"


class Taken(PlugtuneTest):
    def train(self, name, strategy, length=SHORT, train=""):
        self.succeed("train", self.experiment(name, strategy=strategy, length=length, train=train))

    def evaluate(self, run):
        return json.loads(self.succeed("eval", run, "--split", "test", "--json"))

    def assert_taken(self, run, source, name, was="adapter"):
        """Patches of `run` called `name` are those of `source`, bit for bit."""
        mine, theirs = self.values(run), self.values(source)
        keys = [key for key in theirs if f".{was}." in key]
        self.assertTrue(keys)
        for key in keys:
            self.assertEqual(mine[key.replace(f".{was}.", f".{name}.")], theirs[key], key)

    def test_a_stack_outlives_the_run_that_it_stands_on(self):
        self.train("lang", ADAPTER)
        out = self.succeed("train", self.experiment("task", strategy=STACK, length=SHORT))
        self.assertRegex(out, r"adapter 1\.0\.0 +0 +0.*adapter\.strategy\.so, frozen, of runs/lang")
        self.assert_taken("runs/task", "runs/lang", "adapter")
        names = {key.split(".LayerNorm.")[1].split(".")[0] for key in self.values("runs/task") if ".LayerNorm." in key}
        self.assertEqual(names, {"adapter", "adapter_2"})
        info = json.loads((self.folder / "runs/task/delta/delta.json").read_text())
        self.assertEqual([method["name"] for method in info["strategies"]], ["adapter", "adapter"])
        self.assertEqual([source["path"] for source in info["sources"]], ["runs/lang"])
        self.assertIn('[[strategy]]\nfrom = "runs/lang"\nfreeze = true\n',
                      (self.folder / "runs/task/experiment.toml").read_text())

        # Training it again from what the run directory says gives the same bits.
        self.succeed("train", "runs/task/experiment.toml", "--output", "again")
        self.assertEqual(self.delta("again"), self.delta("runs/task"))

        before = self.evaluate("runs/task")
        shutil.rmtree(self.folder / "runs/lang")
        self.assertEqual(self.evaluate("runs/task"), before)
        self.assertIn("label", self.succeed("predict", "runs/task", "--format", "jsonl", stdin="좋다\n"))
        # An adapter is no weight: a stack of them cannot be merged, with or without its source.
        result = self.run_program("merge", "runs/task", "--output", "merged")
        self.assertEqual(result.returncode, 2)
        self.assertIn("cannot be folded into the weights", result.stderr)
        # It is gone on from, and what was frozen still is.
        self.succeed("train", self.experiment("on", strategy="", length=SHORT), "--set", "run.from=runs/task")
        mine, theirs = self.values("runs/on"), self.values("runs/task")
        for key in theirs:
            if ".adapter." in key:
                self.assertEqual(mine[key], theirs[key], key)
            if ".adapter_2." in key and key.endswith("up_weight"):
                self.assertNotEqual(mine[key], theirs[key], key)
        self.assertEqual(self.fail_to_train_anew(), "runs/lang")

    def fail_to_train_anew(self):
        """What a training that needs the deleted source says is missing."""
        result = self.run_program("train", self.experiment("task2", strategy=STACK, length=SHORT))
        self.assertEqual(result.returncode, 2)
        self.assertTrue(result.stderr.startswith("strategy[0].from: "), result.stderr)
        self.assertFalse((self.folder / "runs/task2").exists())
        return result.stderr.split(": ")[1]

    def test_all_strategies_of_a_run_are_taken_in_order_also_those_that_it_took_itself(self):
        self.train("lang", ADAPTER)
        self.train("task", STACK)
        self.train("third", STACK.replace("runs/lang", "runs/task"))
        shutil.rmtree(self.folder / "runs/lang")
        self.assert_taken("runs/third", "runs/task", "adapter")
        self.assert_taken("runs/third", "runs/task", "adapter_2", was="adapter_2")
        self.assertTrue(any(".adapter_3." in key for key in self.values("runs/third")))
        info = json.loads((self.folder / "runs/third/delta/delta.json").read_text())
        self.assertEqual(len(info["strategies"]), 3)
        self.assertEqual([source["path"] for source in info["sources"][0]["sources"]], ["runs/lang"])
        self.evaluate("runs/third")

    def test_a_killed_run_with_a_frozen_part_resumes_to_the_same_bits(self):
        self.train("lang", ADAPTER)
        for precision in ("fp32", "bf16"):
            settings = f'precision = "{precision}"'
            self.train(f"whole-{precision}", STACK, length="steps = 40", train=settings)
            experiment = self.experiment(f"killed-{precision}", strategy=STACK, length="steps = 40", train=settings)
            process = self.start("train", experiment)
            checkpoints = self.folder / "runs" / f"killed-{precision}" / "checkpoints"
            deadline = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < deadline and not any(checkpoints.glob("step-*")):
                time.sleep(0.005)
            process.kill()
            process.wait()
            self.succeed("train", experiment, "--resume")
            self.assertEqual(self.delta(f"runs/killed-{precision}"), self.delta(f"runs/whole-{precision}"))
            self.assert_taken(f"runs/killed-{precision}", "runs/lang", "adapter")

    def test_two_loras_are_merged_and_one_that_is_not_frozen_trains_on(self):
        lora = '[strategy]\nplugin = "lora"\nrank = 4\n'
        self.train("first", lora)
        stack = '[[strategy]]\nfrom = "runs/first"\nfreeze = {}\n[[strategy]]\nplugin = "lora"\nrank = 2\n'
        self.train("frozen", stack.format("true"))
        self.assert_taken("runs/frozen", "runs/first", "lora", was="lora")
        self.train("thawed", stack.format("false"))
        mine, theirs = self.values("runs/thawed"), self.values("runs/first")
        self.assertTrue(all(mine[key] != theirs[key] for key in theirs if ".lora." in key))
        shutil.rmtree(self.folder / "runs/first")
        out = self.succeed("merge", "runs/frozen", "--output", "merged")
        difference = float(out.split("by at most ")[1].split(" ")[0])
        self.assertLess(difference, 1e-4)

    def test_what_cannot_be_taken_is_told_in_one_sentence(self):
        self.train("lang", ADAPTER)
        self.train("biases", '[strategy]\nplugin = "lora"\nrank = 2\nbias = "lora_only"\n')
        shutil.copytree(SOURCE / "models/ko-tiny", self.folder / "other")
        config = json.loads((self.folder / "other/config.json").read_text())
        (self.folder / "other/config.json").write_text(json.dumps({**config, "layer_norm_eps": 1e-6}))
        experiment = self.experiment("task", strategy=STACK, length=SHORT)
        result = self.run_program("train", experiment, "--set", "model.path=other")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r"^strategy\[0\]\.from: runs/lang was trained on another base: its "
                         r"delta belongs to fingerprint [0-9a-f]{12} \(.*/models/ko-tiny\), other has [0-9a-f]{12} "
                         r"\(task\.toml:\d+\)\n$")
        result = self.run_program("train", experiment, "--set", "strategy[0].from=runs/biases")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r"^strategy\[0\]\.from: runs/biases trained weights of the base itself "
                         r"\(.*\), and only patches can be taken; plugtune merge runs/biases makes a base of it\n$")
        self.assertFalse((self.folder / "runs/task").exists())

    def test_a_language_adapter_of_masked_lm_stands_under_a_classifier(self):
        """MAD-X, by the files in configs/: of the language run's head, and of its adapter's inverse there, nothing is taken."""
        def train(file, data):
            self.succeed("train", SOURCE / "configs" / file, "--set", f"model.path={SOURCE}/models/ko-tiny",
                         "--set", f"data.path={SOURCE}/datasets/{data}/sample", "--set", "train.steps=6")

        train("text/language-adapter.toml", "text")
        train("nsmc/on-language-adapter.toml", "nsmc")
        mine, theirs = self.values("runs/sentiment-on-language"), self.values("runs/language")
        taken = [key for key in theirs if key in mine]
        self.assertTrue(any(".adapter." in key for key in taken))
        self.assertTrue(any(key.startswith("encoder.") and ".LayerNorm." not in key for key in taken), taken)
        for key in taken:
            if not key.startswith("pooler."):
                self.assertEqual(mine[key], theirs[key], key)
        self.assertFalse([key for key in mine if key.startswith("cls.")])
        shutil.rmtree(self.folder / "runs/language")
        self.evaluate("runs/sentiment-on-language")

    def test_config_shows_what_is_taken(self):
        self.train("lang", ADAPTER)
        out = self.succeed("config", self.experiment("task", strategy=STACK))
        self.assertRegex(out, r'\[\[strategy\]\]\nfrom = "runs/lang" +# task.toml:\d+\nfreeze = true +# default\n')


if __name__ == "__main__":
    unittest.main()
