"""compositions_test.py: the compositions of docs/compositions.md, by their files in configs/nsmc, and mixtures of finished runs."""

import json
import re
import shutil
import unittest

from support import SOURCE, PlugtuneTest

SHORT = ("--quiet", "--set", "train.steps=60", "--set", "eval.every=never")
TEXTS = "배우들 연기가 훌륭하고 이야기도 감동적이에요\n지루하다\n또 보고 싶은 영화\n"
# What AdapterHub's library calls them (tests/golden/generate_adapters_union.py). Of UniPELT's LoRA it does not use its alpha of 2.
LIBRARY = json.loads((SOURCE / "tests/golden/compositions.json").read_text(encoding="utf-8"))
LIBRARY["unipelt"]["configs"][2]["alpha"] = 8


def prefix(layers, hidden, rows, inner):
    return rows * hidden + inner * (hidden + 1) + 2 * layers * hidden * (inner + 1)


def bottleneck(layers, hidden, width):
    return layers * (2 * hidden * width + width + hidden)


def lora(layers, hidden, rank):
    return layers * 2 * (2 * hidden * rank)


def gates(hidden, count):
    return count * (hidden + 1)


PARAMETERS = {  # of L layers of H
    "mam": lambda L, H: prefix(L, H, 30, 800) + bottleneck(L, H, H // 2),
    "unipelt": lambda L, H: prefix(L, H, 10, 512) + bottleneck(L, H, H // 16) + lora(L, H, 8) + gates(H, 4 * L),
    "lora-and-adapter": lambda L, H: lora(L, H, 8) + bottleneck(L, H, H // 16),
    "on-language-adapter": lambda L, H: bottleneck(L, H, H // 2),
}


class Compositions(PlugtuneTest):
    def setUp(self):
        super().setUp()
        self.look_like_the_repository()

    def train(self, file):
        self.succeed("train", f"configs/{file}.toml", *SHORT)

    def report(self, run):
        return json.loads((self.folder / run / "report.json").read_text(encoding="utf-8"))

    def logits(self, run):
        lines = self.succeed("predict", run, "--format", "jsonl", stdin=TEXTS).splitlines()
        return [value for line in lines for value in json.loads(line)["logits"]]

    def expect_there_and_back(self, run):
        """Out to AdapterHub's library and in again, it answers the same."""
        self.succeed("export", run, "--format", "adapterhub", "--output", "hub")
        self.succeed("import", "hub", "--output", "runs/back")
        for ours, again in zip(self.logits(run), self.logits("runs/back"), strict=True):
            self.assertAlmostEqual(ours, again, places=4)

    def expect_learned(self, run):
        self.assertGreater(json.loads(self.succeed("eval", run, "--split", "test", "--json"))["accuracy"], 0.8)

    def test_each_file_trains_and_is_what_the_library_calls_so(self):
        for name, config in LIBRARY.items():
            with self.subTest(name):
                self.train(f"nsmc/{name}")
                self.expect_learned(f"runs/{name}")
                self.expect_there_and_back(f"runs/{name}")
                written = json.loads((self.folder / "hub/adapter_config.json").read_text(encoding="utf-8"))
                self.assertEqual(written["config"], config)
                shutil.rmtree(self.folder / "hub")
                shutil.rmtree(self.folder / "runs/back")

    def test_mad_x_is_a_stack_on_a_language_adapter_with_its_invertible_layer(self):
        self.train("text/language-adapter")
        self.train("nsmc/on-language-adapter")
        self.expect_learned("runs/sentiment-on-language")
        self.expect_there_and_back("runs/sentiment-on-language")
        setup = json.loads((self.folder / "hub/adapter_setup.json").read_text(encoding="utf-8"))["adapter_setup"]
        self.assertEqual(setup["type"], "Stack")
        language, task = [self.folder / "hub" / child["children"][0] / "adapter_config.json" for child in setup["children"]]
        self.assertEqual(json.loads(language.read_text())["config"]["inv_adapter"], "nice")
        self.assertIsNone(json.loads(task.read_text())["config"]["inv_adapter"])

    def test_the_page_counts_their_parameters(self):
        page = (SOURCE / "docs/compositions.md").read_text(encoding="utf-8")
        counts = {}
        for row in re.findall(r"^\| [^|]+\| [^|]+\| `configs/nsmc/([^`]+)\.toml` \| ([\d,]+) \| ([\d,]+) \|$", page, re.MULTILINE):
            counts[row[0]] = [int(number.replace(",", "")) for number in row[1:]]
        self.assertEqual(counts, {name: [count(2, 128), count(12, 768)] for name, count in PARAMETERS.items()})
        self.train("text/language-adapter")
        for name, (tiny, _) in counts.items():
            with self.subTest(name):
                self.succeed("train", f"configs/nsmc/{name}.toml", "--output", f"runs/{name}", "--quiet", "--set", "train.steps=1",
                             "--set", "eval.every=never")
                trained = sum(strategy["trainable"] for strategy in self.report(f"runs/{name}")["strategies"])
                self.assertEqual(trained, tiny)


class Mixtures(PlugtuneTest):
    LORA = '[strategy]\nplugin = "lora"\nrank = 4\n'

    def mixture_of(self, *runs):
        taken = "".join(f'[[strategy]]\nfrom = "runs/{run}"\n' for run in runs)
        return taken + '[[strategy]]\nplugin = "mixture"\nwidth = 8\n'

    def train(self, name, strategy, train=""):
        self.succeed("train", self.experiment(name, strategy=strategy, length="steps = 12", train=train))

    def evaluate(self, run):
        return json.loads(self.succeed("eval", run, "--split", "test", "--json"))

    def test_of_lora_runs_outlives_them_and_shows_whom_it_listens_to(self):
        self.train("a", self.LORA)
        self.train("b", self.LORA + 'targets = ["query", "ffn_up"]\nalpha = 8\n')
        for precision in ("fp32", "bf16"):
            self.train(precision, self.mixture_of("a", "b"), train=f'precision = "{precision}"')
        page = (self.folder / "runs/fp32/report.html").read_text(encoding="utf-8")
        self.assertIn("Mixture: mean attention to each method", page)
        self.assert_columns_are_patches("runs/fp32")
        before = self.evaluate("runs/fp32")
        shutil.rmtree(self.folder / "runs/a")
        shutil.rmtree(self.folder / "runs/b")
        self.assertEqual(self.evaluate("runs/fp32"), before)
        result = self.run_program("merge", "runs/fp32", "--output", "merged")
        self.assertEqual(result.returncode, 2)
        self.assertIn("cannot be folded into the weights", result.stderr)

    def assert_columns_are_patches(self, run):
        """A layer of both runs has lora and lora_2, in the order of `from`; the only one of a layer is lora."""
        report = json.loads((self.folder / run / "report.json").read_text(encoding="utf-8"))
        table, = report["strategies"][-1]["tables"]
        self.assertEqual(table["columns"], ["lora", "lora_2"])
        for path, shares in zip(table["rows"], table["values"], strict=True):
            self.assertAlmostEqual(sum(shares), 1, places=5)
            self.assertEqual(shares[1] == 0, not path.endswith("query"), path)

    def test_of_runs_of_any_methods_that_are_on_linear_layers(self):
        self.train("lora", self.LORA)
        self.train("ia3", '[strategy]\nplugin = "ia3"\n')
        self.train("both", self.mixture_of("lora", "ia3"))
        before = self.evaluate("runs/both")
        for run in ("lora", "ia3"):
            mine, theirs = self.values("runs/both"), self.values(f"runs/{run}")
            keys = [key for key in theirs if f".{run}." in key]
            self.assertTrue(keys)
            for key in keys:
                self.assertEqual(mine[key], theirs[key], key)
            shutil.rmtree(self.folder / "runs" / run)
        self.assertEqual(self.evaluate("runs/both"), before)

    def test_answers_beside_other_runs_what_it_answers_alone(self):
        self.train("a", self.LORA)
        self.train("b", self.LORA + "alpha = 8\n")
        self.train("mixed", self.mixture_of("a", "b"))
        alone = self.succeed("predict", "runs/mixed", "--format", "jsonl", stdin="정말 재미있는 영화\n지루하다\n").splitlines()
        together = self.succeed("predict", "runs/a", "runs/mixed", "--by-line", "--format", "jsonl",
                                stdin="runs/a\t좋다\nruns/mixed\t정말 재미있는 영화\nruns/mixed\t지루하다\n").splitlines()[1:]
        for one, other in zip(alone, together, strict=True):
            for left, right in zip(json.loads(one)["logits"], json.loads(other)["logits"], strict=True):
                self.assertAlmostEqual(left, right, places=4)

    def test_wants_something_to_mix(self):
        self.train("adapter", '[strategy]\nplugin = "adapter"\nreduction_factor = 8\n')
        for runs in ((), ("adapter",)):
            self.fail_with("strategy 'mixture': there is nothing to mix: no strategy in front of it is on a linear layer; write "
                           '[[strategy]] from = "RUN" in front of it for each finished run',
                           "train", self.experiment("mixed", strategy=self.mixture_of(*runs), length="steps = 12"))


if __name__ == "__main__":
    unittest.main()
