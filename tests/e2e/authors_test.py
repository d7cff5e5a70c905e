"""authors_test.py: what the author of a plugin types: new, sites, and what check tells beside pass and fail.

That what `new` makes builds, passes and trains is tests/plugins/outside_test.sh's to show.
"""

import json
import os
import re
import shutil
import unittest

from support import BUILD, SOURCE, PlugtuneTest

KO_TINY = SOURCE / "models/ko-tiny"
SOUND = BUILD / "tests/broken/sound.strategy.so"
WRONG_FOLD = BUILD / "tests/broken/wrong-fold.strategy.so"


class New(PlugtuneTest):
    def made(self, folder):
        return sorted(str(path.relative_to(self.folder / folder)) for path in (self.folder / folder).rglob("*") if path.is_file())

    def test_a_strategy_with_every_name_replaced_and_what_to_type_next(self):
        shown = self.succeed("new", "strategy", "my-method", env={"PATH": f"{BUILD}/bin:{os.environ['PATH']}"})
        self.assertEqual(shown, f"""\
my-method/CMakeLists.txt   builds my-method.strategy.so
my-method/README.md        what to type, and where to read on
my-method/experiment.toml  an experiment that trains with it
my-method/my-method.cc     the strategy; it explains itself line by line

build it and try it:
  cmake -S my-method -B my-method/build -DCMAKE_PREFIX_PATH={BUILD}
  cmake --build my-method/build
  plugtune check my-method/build/my-method.strategy.so
  plugtune train my-method/experiment.toml --plugin-path my-method/build
""")
        self.assertEqual(self.made("my-method"), ["CMakeLists.txt", "README.md", "experiment.toml", "my-method.cc"])
        source = (self.folder / "my-method/my-method.cc").read_text()
        self.assertIn("class MyMethodPatch final", source)
        self.assertIn('PLUGTUNE_STRATEGY_AND_EXCHANGE(MyMethod, MyMethodExchange, "my-method", "1.0.0", ', source)
        self.assertIn('== "MADE_UP";', source)  # whatever the plugin's name: peft may have a method of that
        for file in self.made("my-method"):
            text = (self.folder / "my-method" / file).read_text()
            self.assertNotRegex(text, "(?i)rescale")
            self.assertNotRegex(text, r"\bPREFIX\b")
        # Back with the template's name, it is the template.
        back = source.replace("my-method", "rescale").replace("MyMethod", "Rescale")
        self.assertEqual(back, (SOURCE / "sdk/template/strategy/rescale.cc").read_text())

    def test_a_dataset_in_a_folder_of_another_name(self):
        shown = self.succeed("new", "dataset", "reviews", "two words/mine/")
        self.assertIn(f"""\
two words/mine/CMakeLists.txt    builds reviews.dataset.so
two words/mine/README.md         what to type, and where to read on
two words/mine/experiment.toml   an experiment that trains with it
two words/mine/reviews.cc        the dataset; it explains itself line by line
two words/mine/sample/test.tsv   data to try it with
two words/mine/sample/train.tsv  data to try it with

build it and try it:
  cmake -S 'two words/mine' -B 'two words/mine/build' -DCMAKE_PREFIX_PATH={BUILD}
  cmake --build 'two words/mine/build'
  {BUILD}/bin/plugtune check 'two words/mine/build/reviews.dataset.so' --data 'two words/mine/sample'
  {BUILD}/bin/plugtune train 'two words/mine/experiment.toml' --plugin-path 'two words/mine/build' --set data.path='two words/mine/sample'
""", shown)
        made = self.folder / "two words/mine"
        self.assertIn("explicit Reviews(", (made / "reviews.cc").read_text())
        self.assertIn("a label and a text on each line", (made / "reviews.cc").read_text())
        self.assertEqual((made / "sample/train.tsv").read_text(), (SOURCE / "sdk/template/dataset/sample/train.tsv").read_text())

    def test_a_name_that_the_source_uses_otherwise(self):
        self.succeed("new", "strategy", "tensor")
        self.assertIn("class TensorStrategyPatch final", (self.folder / "tensor/tensor.cc").read_text())
        self.succeed("new", "dataset", "example")
        self.assertIn('PLUGTUNE_DATASET(ExampleDataset, "example", ', (self.folder / "example/example.cc").read_text())

    def test_what_is_refused(self):
        rule = "new: a plugin's name must be letters, digits, '-' and '_', a letter first, got "
        self.fail_with(rule + "'3d'; it is part of a file's name, NAME.strategy.so", "new", "strategy", "3d")
        self.fail_with(rule + "'my.method'; it is part of a file's name, NAME.dataset.so", "new", "dataset", "my.method")
        self.fail_with(rule + "''; it is part of a file's name, NAME.strategy.so", "new", "strategy", "")
        self.fail_with(rule + "'methods/mine'; the folder stands behind it: plugtune new strategy mine methods/mine",
                       "new", "strategy", "methods/mine")
        self.fail_with("new: 'Test' is a target that every CMake project has; take another name", "new", "strategy", "Test")
        self.fail_with("new: <kind> must be strategy or dataset, got 'strategie'; did you mean 'strategy'?", "new", "strategie", "mine")
        self.fail_with(f"new: there is a strategy 'lora' already, {BUILD}/lib/plugtune/lora.strategy.so; one of your own would be taken "
                       "instead of it wherever --plugin-path names its folder. Take another name", "new", "strategy", "lora", "mine")
        self.succeed("new", "dataset", "lora", "lora-data")  # another kind is another file
        (self.folder / "mine").mkdir()
        self.fail_with("new: mine exists already; name another folder: plugtune new strategy mine DIRECTORY", "new", "strategy", "mine")
        self.fail_with("/proc/mine: cannot be written: no such file or directory; nothing was left behind",
                       "new", "strategy", "mine", "/proc/mine")
        (self.folder / "file").write_text("")
        self.fail_with("file/mine: cannot be written: not a directory; nothing was left behind", "new", "strategy", "mine", "file/mine")
        self.assertEqual(self.made("mine"), [])

    def test_a_program_without_its_templates_says_where_it_looked(self):
        (self.folder / "bin").mkdir()
        shutil.copy(BUILD / "bin/plugtune", self.folder / "bin/plugtune")
        (self.folder / "lib").symlink_to(BUILD / "lib")
        self.command = lambda *arguments: [str(self.folder / "bin/plugtune"), *arguments]
        self.fail_with("new: the template of a strategy was not found: share/plugtune/template/strategy has no source. It comes with "
                       "plugtune: install all of it (cmake --install), not the program alone", "new", "strategy", "mine")
        self.assertFalse((self.folder / "mine").exists())


class Sites(PlugtuneTest):
    def test_a_bare_model(self):
        lines = self.succeed("sites", KO_TINY).splitlines()
        self.assertEqual([re.sub("  +", "  ", line) for line in lines[:14]], [
            "site  role  kind  shape  patches  fused",
            "embeddings.word_embeddings  word_embeddings  embedding  (N) -> (N, 128)  -  -",
            "embeddings  -  trunk  (N, 128) -> (N, 128)  -  -",
            "encoder  -  encoder  (N, 128) -> (N, 128)  -  -",
            "encoder.layer.0  -  layer  (N, 128) -> (N, 128)  -  -",
            "encoder.layer.0.attention.self.query  query  linear  (N, 128) -> (N, 128)  -  with key and value",
            "encoder.layer.0.attention.self.key  key  linear  (N, 128) -> (N, 128)  -  with query and value",
            "encoder.layer.0.attention.self.value  value  linear  (N, 128) -> (N, 128)  -  with query and key",
            "encoder.layer.0.attention.self  -  attention  3 x (N, 4, 32) -> (N, 4, 32)  -  -",
            "encoder.layer.0.attention.output.dense  attention_output  linear  (N, 128) -> (N, 128)  -  -",
            "encoder.layer.0.attention.output.LayerNorm  after_attention  junction  2 x (N, 128) -> (N, 128)  -  with dropout and residual",
            "encoder.layer.0.intermediate.dense  ffn_up  linear  (N, 128) -> (N, 512)  -  with gelu",
            "encoder.layer.0.output.dense  ffn_down  linear  (N, 512) -> (N, 128)  -  -",
            "encoder.layer.0.output.LayerNorm  after_ffn  junction  2 x (N, 128) -> (N, 128)  -  with dropout and residual"])
        self.assertIn("encoder.layer.1.attention.self.query ", "\n".join(lines))
        self.assertRegex(lines[24], r"^head +- +head +\(N, 128\) -> \(B, 2\) ")
        self.assertEqual(lines[27], "")
        self.assertEqual(lines[28:30], ["sites       26, 0 patched", "last layer  the first row of each sequence alone"])
        self.assertRegex(lines[30], r"^trains      nothing of [\d,]+ parameters; --strategy names what would$")

    def test_what_an_experiment_leaves(self):
        experiment = self.experiment("run", strategy="""\
[[strategy]]
plugin = "lora"
rank = 4
targets = ["query"]
layers = "0"
[[strategy]]
plugin = "adapter"
config = "pfeiffer"
reduction_factor = 8
""")
        text = self.succeed("sites", KO_TINY, "--strategy", experiment, "--set", "data.path=nowhere")
        short = re.sub("  +", "  ", text)
        self.assertIn("layer.0.attention.self.query  query  linear  (N, 128) -> (N, 128)  lora  no: query is patched\n", short)
        self.assertIn("layer.0.attention.self.key  key  linear  (N, 128) -> (N, 128)  -  no: query is patched\n", short)
        self.assertIn("layer.1.attention.self.key  key  linear  (N, 128) -> (N, 128)  -  no: queries are of first rows only\n", short)
        self.assertIn("layer.1.output.LayerNorm  after_ffn  junction  2 x (N, 128) -> (N, 128)  adapter  no: patched: dropout comes before "
                      "the patch\n", short)
        totals = re.search(r"trains      ([\d,]+) of lora 1.0.0, ([\d,]+) of adapter 1.0.0, ([\d,]+) of the head; together ([\d,]+), "
                           r"[\d.]+ % of ([\d,]+) parameters\n$", text)
        lora, adapter, head, together, _ = (int(number.replace(",", "")) for number in totals.groups())
        self.assertEqual(lora, 2 * 4 * 128)
        self.assertEqual(adapter, 2 * (2 * 16 * 128 + 16 + 128))
        self.assertEqual(together, lora + adapter + head)
        self.assertIn("\nsites       26, 3 patched\n", text)

    def test_for_programs_and_with_a_strategy_by_its_name(self):
        listed = json.loads(self.succeed("sites", KO_TINY, "--strategy", "prefix", "--set", "strategy.prefix_length=5", "--json"))
        self.assertEqual(list(listed), ["model", "sites", "patched", "first_rows_only", "trainable", "trainable_parameters", "parameters"])
        sites = {site["path"]: site for site in listed["sites"]}
        self.assertEqual(len(sites), 26)
        self.assertEqual(sites["encoder.layer.0.attention.self"]["patches"], [{"name": "prefix", "plugin": "prefix"}])
        self.assertEqual(sites["encoder.layer.0.attention.self.value"],
                         {"path": "encoder.layer.0.attention.self.value", "role": "value", "layer": 0, "kind": "linear",
                          "shape": "(N, 128) -> (N, 128)", "patches": [], "fused": "query and key"})
        self.assertEqual(sites["encoder.layer.1.attention.self.value"]["not_fused"], "queries are of first rows only")
        self.assertEqual([entry["of"] for entry in listed["trainable"]], ["prefix 1.0.0", "the head"])
        self.assertEqual(sum(entry["parameters"] for entry in listed["trainable"]), listed["trainable_parameters"])

    def test_a_masked_language_model_has_its_own_head(self):
        listed = json.loads(self.succeed("sites", KO_TINY, "--strategy", "lora", "--set", "task.kind=masked-lm", "--json"))
        sites = {site["path"]: site for site in listed["sites"]}
        self.assertEqual(sites["cls.predictions.transform.dense"]["fused"], "gelu")
        self.assertEqual(sites["head"]["shape"], "(N, 128) -> (M, 3431)")
        self.assertFalse(listed["first_rows_only"])
        self.assertIn("last layer  all rows: the head reads all rows\n",
                      self.succeed("sites", KO_TINY, "--strategy", "lora", "--set", "task.kind=masked-lm"))

    def test_mistakes(self):
        self.fail_with("sites: --set changes what --strategy names; give --strategy too", "sites", KO_TINY, "--set", "strategy.rank=3")
        self.fail_with("sites: <MODEL> is missing; see plugtune sites --help", "sites")
        self.fail_with("strategy.rnak: unknown key; did you mean 'rank'? keys of strategy 'lora': ", "sites", KO_TINY,
                       "--strategy", "lora", "--set", "strategy.rnak=3", only_begin=True)

    def fail_with(self, message, *arguments, only_begin=False, **options):
        if not only_begin:
            return super().fail_with(message, *arguments, **options)
        result = self.run_program(*arguments, **options)
        self.assertEqual((result.returncode, result.stderr[:len(message)]), (2, message))


class Check(PlugtuneTest):
    def test_every_test_is_listed_and_explained(self):
        listed = self.succeed("check", "--explain")
        tests = re.findall(r"^(\S+)  ", listed, re.MULTILINE)
        for test in ("stamp", "packed", "finite-differences", "speed", "same-order"):
            self.assertIn(test, tests)
        for test in set(tests) - {"of", "plugtune"}:
            text = self.succeed("check", "--explain", test)
            self.assertRegex(text, rf"^{test}: .+\n\n  what    \S(.|\n)*\n  why     \S(.|\n)*\n  repair  \S")
            self.assertLessEqual(max(map(len, text.splitlines()[2:])), 100)
        explained = json.loads(self.succeed("check", "--explain", "--json"))
        self.assertEqual(len({entry["test"] for entry in explained}), len(explained))
        self.assertEqual(json.loads(self.succeed("check", "--explain", "fold", "--json"))[0]["test"], "fold")
        result = self.run_program("check", "--explain", "folds")
        self.assertEqual(result.returncode, 2)
        self.assertTrue(result.stderr.startswith("--explain: there is no test 'folds'; did you mean 'fold'? tests: stamp, load, "), result.stderr)
        self.fail_with("check: <plugin.so> is missing; see plugtune check --help", "check")

    def test_behind_strategies_that_are_tuned_and_frozen(self):
        def results(*arguments):
            shown = json.loads(self.succeed("check", *arguments, "--json"))
            return {result["test"]: (result["status"], result["message"]) for result in shown["results"]}

        self.assertEqual(results("mixture", "--only", "forward")["forward"],
                         ("skip", "cannot be tried with defaults alone; give --settings 'key = value' or --in-front 'strategy'"))
        # Of two at the queries an attention of 32 x (32 + 32) + 32 and v, of one at the values v, in two layers: nothing of theirs.
        in_front = ("--in-front", "lora", "--in-front", 'lora targets = ["query"], rank = 4')
        behind = results("mixture", *in_front, "--only", "defaults", "--only", "forward", "--only", "gradients")
        self.assertEqual(behind["defaults"], ("pass", "settings: width, name"))
        self.assertEqual(behind["forward"], ("pass", "4,288 trainable numbers in 10 tensors"))
        self.assertEqual(behind["gradients"][0], "pass")
        above = results(SOUND, "--in-front", "lora", "--only", "forward", "--only", "identity", "--only", "exchange", "--only", "fold")
        self.assertEqual([status for status, _ in above.values()], ["pass", "pass", "skip", "pass"], above)

    def test_what_cannot_stand_in_front(self):
        def refused(what, file=SOUND):
            result = self.run_program("check", file, "--in-front", what, "--only", "forward")
            self.assertEqual(result.returncode, 2)
            return result.stderr.removeprefix("plugtune: ").strip() or result.stdout

        self.assertEqual(refused("lora rank 4"), "--in-front: must be a strategy and what it is set to, 'NAME key = value, key = value', "
                                                 "got 'lora rank 4'")
        self.assertRegex(refused("lora rnak = 4"), r"^--in-front: lora\.rnak: unknown key; did you mean 'rank'\? keys of strategy 'lora': ")
        self.assertRegex(refused("lroa"), "^plugin 'lroa': not found")
        self.assertRegex(refused("bitfit"), r"  fail   forward +--in-front: strategy 'bitfit' .* trains weights of the base, and only "
                                            r"patches stand in front")
        self.assertEqual(refused("lora", BUILD / "lib/plugtune/nsmc.dataset.so"),
                         f"check: --in-front is of strategies, and {BUILD}/lib/plugtune/nsmc.dataset.so is a dataset")

    def test_what_fails_says_where_to_read_on(self):
        result = self.run_program("check", WRONG_FOLD, "--only", "fold", "--only", "forward")
        self.assertEqual(result.returncode, 2)
        forward, fold = result.stdout.splitlines()[1:3]
        self.assertRegex(forward, r"^  pass   forward             [\d,]+ trainable numbers in \d tensors$")
        self.assertRegex(fold, r"^  fail   fold                encoder.layer.0.attention.self.query: the folded weights .* is allowed "
                               r"\(see plugtune check --explain fold\)$")

    def test_seed_and_speed_for_programs(self):
        def checked(*arguments):
            return json.loads(self.succeed("check", SOUND, "--only", "loss-falls", "--only", "speed", "--json", *arguments))

        first, again, other = checked("--seed", "4"), checked("--seed", "4", "--in-process"), checked()
        self.assertEqual((first["seed"], other["seed"]), (4, 0))
        losses = [result["results"][0]["message"] for result in (first, again, other)]
        self.assertEqual(losses[0], losses[1])
        self.assertNotEqual(losses[0], losses[2])
        speed = first["results"][1]
        self.assertEqual((speed["test"], speed["status"]), ("speed", "note"))
        self.assertEqual(sorted(speed["numbers"]), ["full_step_ms", "head_step_ms", "step_ms"])
        self.assertTrue(all(ms > 0 for ms in speed["numbers"].values()))
        shown = self.succeed("check", SOUND, "--only", "speed")
        self.assertRegex(shown.splitlines()[1], r"^  note   speed               a training step takes [\d.]+ ms; [\d.]+ ms when everything "
                                                r"trains, [\d.]+ ms for the head alone$")
        self.assertRegex(shown.splitlines()[2], r"^nothing judged in [\d.]+ s$")
        self.fail_with("check: --seed must be a whole number of at least 0, got 'x'", "check", SOUND, "--seed", "x")


if __name__ == "__main__":
    unittest.main()
