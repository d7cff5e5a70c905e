"""recipes_test.py: the plugins that docs/recipes.md and docs/writing-a-data-set.md take their pieces from do what the pages say."""

import json
import pathlib
import shutil
import signal
import struct
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1] / "e2e"))
from support import BUILD, SOURCE, PlugtuneTest

RECIPES = BUILD / "tests/recipes"
STRATEGIES = ("ssf", "bottlenecks", "rows", "norms")
PATH = ("--plugin-path", RECIPES)

REGRESSION = f"""
[run]
name = "alike"
[model]
path = "{SOURCE}/models/ko-tiny"
[data]
plugin = "scored-pairs"
path = "pairs"
validation = 0.25
[strategy]
plugin = "norms"
[train]
steps = 4
batch_size = 4
"""


def tensors(file):
    """The float32 tensors of a safetensors file as tuples of numbers, by name."""
    data = file.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    found = {}
    for name, about in header.items():
        begin, end = about["data_offsets"]
        found[name] = struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin : 8 + size + end])
    return found


class Recipes(PlugtuneTest):
    def train(self, name, plugin, *arguments, settings="", length="steps = 6", train=""):
        self.succeed("train", self.experiment(name, f'[strategy]\nplugin = "{plugin}"\n{settings}', train, length), *PATH, *arguments)
        return tensors(self.folder / f"runs/{name}/delta/delta.safetensors")

    def test_each_strategy_passes_its_check(self):
        for name in STRATEGIES:
            with self.subTest(name=name):
                self.succeed("check", RECIPES / f"{name}.strategy.so", "--in-process")
        self.succeed("check", RECIPES / "ssf.strategy.so", "--in-process", "--settings", "train_scale = false")
        # From other runs it does not begin where the model was.
        others = [word for test in ("defaults", "forward", "gradients", "save-load", "fold") for word in ("--only", test)]
        self.succeed("check", RECIPES / "ssf.strategy.so", "--in-process", "--settings", 'sources = ["ssf:1", "ssf:2"]', *PATH, *others)

    def test_each_strategy_trains_and_its_delta_holds_what_it_says(self):
        for name, parts in {"ssf": {".ssf.scale", ".ssf.shift"}, "rows": {".rows.rows", ".rows.keys", ".rows.values"},
                            "norms": {"LayerNorm.weight", "LayerNorm.bias"}}.items():
            with self.subTest(name=name):
                delta = self.train(name, name)
                own = [key for key in delta if not key.startswith(("classifier.", "pooler."))]
                self.assertEqual({next((part for part in parts if key.endswith(part)), key) for key in own}, parts)

    def test_one_factor_and_a_mean_of_each_place_are_in_the_delta(self):
        delta = self.train("bottlenecks", "bottlenecks")
        factors = [key for key in delta if key.endswith(".bottleneck.factor")]
        self.assertEqual(factors, ["encoder.layer.0.attention.output.LayerNorm.bottleneck.factor"])
        self.assertNotEqual(delta[factors[0]], (1.0,))
        means = [value for key, value in delta.items() if key.endswith(".bottleneck.mean")]
        self.assertGreater(len(means), 1)
        self.assertTrue(all(any(mean) for mean in means))

    def test_the_added_loss_keeps_the_weights_small(self):
        def size(delta):
            return sum(x * x for key, value in delta.items() if key.endswith("up_weight") for x in value)

        free = self.train("free", "bottlenecks", settings="penalty = 0.0")
        held = self.train("held", "bottlenecks", settings="penalty = 100.0")
        self.assertLess(size(held), 0.5 * size(free))

    def test_a_resumed_run_has_the_bits_of_one_that_was_not_interrupted(self):
        """The chance still rises when the run is stopped: its step comes out of the checkpoint, the random numbers are torch's."""
        settings = "ramp_steps = 40\nchance = 0.5"
        self.train("whole", "bottlenecks", settings=settings, length="steps = 120")
        experiment = self.experiment("stopped", f'[strategy]\nplugin = "bottlenecks"\n{settings}', length="steps = 120")
        process = self.start("train", experiment, *PATH)
        log = self.folder / "runs/stopped/log.jsonl"
        while process.poll() is None and not (log.exists() and '"step":10' in log.read_text().replace(" ", "")):
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 143)
        self.succeed("train", experiment, "--resume", *PATH)
        self.assertEqual(self.delta("runs/stopped"), self.delta("runs/whole"))

    def test_rates_of_the_layers_differ(self):
        def moved(delta, layer):
            return max(abs(x - y) for key, value in delta.items() if f"layer.{layer}." in key for x, y in zip(value, start[key]))

        start = self.train("start", "norms", "--set", "train.learning_rate=1e-12", length="steps = 1")
        delta = self.train("norms", "norms", settings="layer_decay = 0.1")
        layers = sorted({int(key.split(".")[2]) for key in delta if key.startswith("encoder.")})
        self.assertGreater(len(layers), 1)
        self.assertLess(moved(delta, layers[0]), 0.2 * moved(delta, layers[1]))

    def test_gradients_are_seen_and_changed_and_told_in_the_report(self):
        self.train("ssf", "ssf")
        report = json.loads((self.folder / "runs/ssf/report.json").read_text())
        (table,) = report["strategies"][0]["tables"]
        self.assertEqual((table["title"], table["columns"]), ("ssf: scales", ["mean distance from 1", "last gradient"]))
        self.assertIn("encoder.layer.0.attention.self.query", table["rows"])
        self.assertTrue(all(distance > 0 and gradient > 0 for distance, gradient in table["values"]))
        still = self.train("still", "ssf", settings="gradient_factor = 0.0", train="weight_decay = 0.0")
        self.assertEqual({x for key, value in still.items() if key.endswith(".scale") for x in value}, {1.0})

    def test_a_run_starts_from_the_mean_of_finished_ones_and_merges(self):
        self.train("a", "ssf", "--set", "run.seed=1")
        self.train("b", "ssf", "--set", "run.seed=2")
        a, b = (tensors(self.folder / f"runs/{name}/delta/delta.safetensors") for name in "ab")
        mean = self.train("mean", "ssf", "--set", "train.learning_rate=1e-12", settings='sources = ["runs/a", "runs/b"]', length="steps = 1")
        for key, value in mean.items():
            if key.endswith((".scale", ".shift")):
                self.assertLess(max(abs(x - (y + z) / 2) for x, y, z in zip(value, a[key], b[key])), 1e-6, key)
        self.succeed("merge", "runs/mean", "--output", "merged", *PATH)

    def test_settings_are_refused_with_their_path(self):
        def refused(plugin, settings, message):
            experiment = self.experiment("refused", f'[strategy]\nplugin = "{plugin}"\n{settings}')
            line = (self.folder / experiment).read_text().split("\n").index(settings.split("\n")[-1]) + 1
            self.fail_with(f"strategy.{message} (refused.toml:{line})", "train", experiment, *PATH)

        refused("ssf", "train_scale = false\ngradient_factor = 0.5",
                "gradient_factor: must be 1 when train_scale is false: there are no gradients of scales")
        refused("rows", 'layers = "0,77"', "layers: must be below 2, the model's layers, got 77")

    def test_the_data_set_passes_its_check_and_is_trained_on(self):
        self.succeed("check", RECIPES / "scored-pairs.dataset.so", "--in-process", "--data", HERE / "sample")
        shutil.copytree(HERE / "sample", self.folder / "pairs")
        (self.folder / "alike.toml").write_text(REGRESSION)
        told = self.succeed("train", "alike.toml", *PATH)
        report = json.loads((self.folder / "runs/alike/report.json").read_text())
        self.assertEqual(report["data"]["train_examples"], 8, told)  # 12, of which one lacks a text and three are for validation
        self.assertIn("pearson", report["test"]["metrics"])

    def test_odd_rows_are_told_with_file_and_line(self):
        shutil.copytree(HERE / "sample", self.folder / "pairs")
        with open(self.folder / "pairs/train.tsv", "a") as file:
            file.write("She plays the violin.\tShe plays football.\t0.9\n")
        (self.folder / "alike.toml").write_text(REGRESSION.replace("validation = 0.25\n", ""))
        told = self.succeed("train", "alike.toml", *PATH)
        self.assertIn("train: 1 row without text, kept out of training\n", told)
        self.assertIn("train: 1 row with a pair of texts that stood earlier with another score, first pairs/train.tsv:5 and pairs/train.tsv:14\n", told)

    def test_the_data_set_names_files_and_lines(self):
        shutil.copytree(HERE / "sample", self.folder / "pairs")
        file = self.folder / "pairs/train.tsv"
        (self.folder / "alike.toml").write_text(REGRESSION)
        whole = file.read_text()
        columns = "first, second and score have one tab between them each"
        for damaged, message in {
            whole.replace("\t0.95", "\t9.5"): "score: must be a number from 0 to 1, got '9.5' (pairs/train.tsv:2)",
            whole.replace("\t0.05", ""): f"row: must have 3 columns, got 2 (pairs/train.tsv:3); {columns}",
            whole.replace("first\t", "one\t"):
                "header: must be 'first', 'second' and 'score' with tabs between, got 'one\\tsecond\\tscore' (pairs/train.tsv:1)",
        }.items():
            self.assertNotEqual(damaged, whole)
            file.write_text(damaged)
            self.fail_with(message, "train", "alike.toml", *PATH)
        file.unlink()
        self.fail_with("data.path: must be a folder with train.tsv; pairs has: test.tsv (alike.toml:8)", "train", "alike.toml", *PATH)


if __name__ == "__main__":
    unittest.main()
