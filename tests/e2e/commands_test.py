"""commands_test.py: what a person types, from training to a merged model, and the first mistakes that they make."""

import json
import math
import re
import shutil
import unittest

from support import LORA, SOURCE, PlugtuneTest

FULL = '[strategy]\nplugin = "full"\n'
ADAPTER = '[strategy]\nplugin = "adapter"\nreduction_factor = {factor}\n'

TABLE = """
[model]
path = "{source}/models/ko-tiny"
[data]
plugin = "table"
path = "own.csv"
text = "review"
label = "score"
task = "regression"
validation_share = 0.25
test_share = 0.25
max_length = 16
train_limit = 10
[strategy]
plugin = "head"
[train]
steps = 2
"""


class Commands(PlugtuneTest):
    def test_train_eval_predict_compare_and_merge(self):
        text = self.succeed("train", self.experiment("run"))
        self.assertIn("lora 1.0.0", text)
        run = self.folder / "runs/run"
        self.assertEqual(sorted(re.sub(r"tfevents\..*", "tfevents", path.name) for path in run.iterdir()),
                         ["checkpoints", "delta", "events.out.tfevents", "experiment.toml", "log.jsonl", "report.html", "report.json"])
        report = json.loads((run / "report.json").read_text())
        self.assertEqual(report["data"]["train_examples"] > 0, True)
        self.assertEqual([strategy["name"] for strategy in report["strategies"]], ["lora"])

        metrics = json.loads(self.succeed("eval", "runs/run", "--json"))
        self.assertEqual(list(metrics), ["loss", "accuracy", "precision", "recall", "f1", "macro_f1", "confusion"])
        lines = "정말 재미있는 영화\n\n지루하다\n"
        labels = self.succeed("predict", "runs/run", stdin=lines).splitlines()
        answers = [json.loads(line) for line in self.succeed("predict", "runs/run", "--format", "jsonl", stdin=lines).splitlines()]
        self.assertEqual([answer["label"] for answer in answers], labels)
        self.assertEqual(len(answers), 3)  # an empty line is an empty text, not a lost one
        for answer in answers:
            self.assertAlmostEqual(sum(answer["probabilities"]), 1.0, places=9)
            negative, positive = answer["logits"]
            self.assertAlmostEqual(answer["probabilities"][1], 1 / (1 + math.exp(negative - positive)), places=9)
            self.assertEqual(answer["label"], "positive" if positive > negative else "negative")

        self.succeed("train", self.experiment("other", strategy=FULL))
        compared = json.loads(self.succeed("compare", "runs/run", "runs/other", "--format", "json"))
        self.assertEqual(len(compared if isinstance(compared, list) else compared["runs"]), 2)

        self.succeed("merge", "runs/run", "--output", "merged")
        merged = self.folder / "merged"
        self.assertTrue((merged / "vocab.txt").exists())
        self.assertEqual(json.loads((merged / "config.json").read_text())["architectures"], ["BertForSequenceClassification"])
        self.expect_answers(merged, lines, answers, places=4)

        told = self.succeed("merge", "runs/run", "--precision", "fp16", "--output", "half")
        self.assertIn(", before the weights were rounded to fp16\n", told)
        half = self.folder / "half"
        self.assertLess((half / "model.safetensors").stat().st_size, 0.51 * (merged / "model.safetensors").stat().st_size)
        self.assertEqual((half / "config.json").read_text(), (merged / "config.json").read_text())
        self.expect_answers(half, lines, answers, places=1)
        self.fail_with("merge: --reversible keeps exact weights; leave --precision out",
                       "merge", "runs/run", "--reversible", "--precision", "bf16", "--output", "both")

    def expect_answers(self, model, lines, answers, places):
        """A merged directory is a model: nothing but its head trains, at rate 0, so it answers as the run does."""
        name = f"again-{model.name}"
        self.succeed("train", self.experiment(name, strategy='[strategy]\nplugin = "head"\n', length="steps = 1"),
                     "--set", f"model.path={model}", "--set", "train.learning_rate=0")
        again = [json.loads(line) for line in self.succeed("predict", f"runs/{name}", "--format", "jsonl", stdin=lines).splitlines()]
        for one, other in zip(answers, again):
            for x, y in zip(one["logits"], other["logits"]):
                self.assertAlmostEqual(x, y, places=places)

    def test_a_pooler_that_trains_whole_and_under_lora_does_not_fit_into_peft(self):
        both = LORA + 'targets = ["query", "pooler"]\n'
        self.succeed("train", self.experiment("both", strategy=both, length="steps = 2"), "--set", "task.train_pooler=yes")
        self.fail_with("both: its pooler trains whole, with the head, and is a target of its strategy too; peft saves one of "
                       'both: train with task.train_pooler = "no" or without that target, or merge',
                       "export", "runs/both", "--format", "peft", "--output", "none")
        self.succeed("train", self.experiment("one", strategy=both, length="steps = 2"), "--set", "task.train_pooler=no")
        self.succeed("export", "runs/one", "--format", "peft", "--output", "adapter")
        self.succeed("import", "adapter", "--output", "runs/back")

    def test_what_cannot_be_merged_is_told_before_the_model_runs(self):
        golden = SOURCE / "tests/golden"
        self.succeed("import", str(golden / "prefix_peft/peft"), "--model", str(golden / "tiny"), "--output", "runs/prefix")
        places = ["embeddings", "encoder.layer.0.attention.self", "encoder.layer.1.attention.self"]
        self.fail_with("\n".join(f"{place}.prefix: cannot be folded into the weights; it computes something that no weight of the "
                                 "plain model can" for place in places), "merge", "runs/prefix", "--output", "merged")
        self.assertFalse((self.folder / "merged").exists())

    def test_inspect_tells_what_a_base_is_though_there_is_nothing_to_import(self):
        text = self.succeed("inspect", str(SOURCE / "models/ko-tiny"))
        facts = dict(re.findall(r"^(\S.{11}) (.+)$", text.partition("\n\n")[0], re.MULTILINE))
        self.assertEqual({name.strip(): value for name, value in facts.items()}, {
            "format": "hf, a model without a head for labels",
            "model": "2 layers x 128, 4 heads, 3,431 words, 128 positions, gelu",
            "numbers": "869,120", "fingerprint": facts["fingerprint "], "pooler": "yes", "masked LM": "yes",
            "import": "no: there is nothing that training changed",
            "train on it": f'[model] path = "{SOURCE}/models/ko-tiny"'})
        self.assertRegex(facts["fingerprint "], "^[0-9a-f]{12}$")
        self.assertRegex(text, r"(?m)^embeddings.word_embeddings.weight +\(3431, 128\) +Float$")

    def test_bench_measures_an_experiment_and_a_strategy(self):
        experiment = self.experiment("run")
        result = json.loads(self.succeed("bench", experiment, "--steps", "3", "--warm-up", "1", "--set", "train.log_every=2",
                                         "--batches", "batches.jsonl", "--json"))
        self.assertEqual((result["strategy"], result["steps"], len(result["losses"])), ("lora", 3, 4))
        for key in ("ms_step", "us_per_token", "sentences_per_second", "first_step_seconds", "peak_memory_bytes", "matrix_peak_gflops",
                    "share_of_peak", "rows_per_step", "trainable"):
            self.assertGreater(result[key], 0, key)
        batches = [json.loads(line) for line in (self.folder / "batches.jsonl").read_text().splitlines()]
        self.assertEqual(len(batches), 4)
        rows = sum(len(ids) for batch in batches[1:] for ids in batch["ids"])
        self.assertAlmostEqual(rows / 3, result["rows_per_step"])
        self.assertEqual(len(batches[0]["ids"]), len(batches[0]["targets"]))
        self.assertFalse((self.folder / "runs/run").exists())  # nothing is saved

        text = self.succeed("bench", experiment, "--strategy", "full", "--steps", "2", "--order", "grouped")
        self.assertIn("full on ", text)
        self.assertIn("share of matrix peak", text)
        vocabulary = str(SOURCE / "models/ko-tiny/vocab.txt")
        data = "nsmc:" + str(SOURCE / "datasets/nsmc/sample")
        small = json.loads(self.succeed("bench", "--strategy", "head", "--model-size", "small", "--vocab", vocabulary, "--data", data,
                                        "--steps", "2", "--json"))
        self.assertEqual((small["model"], small["order"]), ("small", "uniform"))
        self.fail_with("bench: --data is missing; without an experiment file it is needed",
                       "bench", "--strategy", "full", "--model-size", "small", "--vocab", vocabulary)
        self.fail_with("bench: --model-size small needs --vocab FILE, a vocab.txt",
                       "bench", "--strategy", "full", "--model-size", "small", "--data", data)
        self.fail_with("--steps: must be a whole number of at least 1, got 'ten'", "bench", experiment, "--steps", "ten")

    def test_adapter_fusion_of_three_adapters_trained_on_different_data(self):
        for index, factor in enumerate((4, 8, 16)):
            self.succeed("train", self.experiment(f"member{index}", strategy=ADAPTER.format(factor=factor)),
                         "--set", f"run.seed={index}", "--set", f"data.train_limit={80 + 40 * index}")
        sources = ", ".join(f'"runs/member{index}"' for index in range(3))
        fusion = f'[strategy]\nplugin = "adapterfusion"\nsources = [{sources}]\n'
        self.succeed("train", self.experiment("fusion", strategy=fusion))
        report = json.loads((self.folder / "runs/fusion/report.json").read_text())
        table = report["strategies"][0]["tables"][0]
        self.assertEqual(table["columns"], ["member0", "member1", "member2"])
        for row in table["values"]:
            self.assertAlmostEqual(sum(row), 1.0, places=5)
        before = self.succeed("predict", "runs/fusion", "--format", "jsonl", stdin="좋아요\n")
        for index in range(3):  # the delta has all that it needs
            shutil.rmtree(self.folder / f"runs/member{index}")
        self.assertEqual(self.succeed("predict", "runs/fusion", "--format", "jsonl", stdin="좋아요\n"), before)

    def test_strategies_compose(self):
        both = '[[strategy]]\nplugin = "lora"\nrank = 2\n[[strategy]]\nplugin = "adapter"\nconfig = "parallel"\n'
        self.succeed("train", self.experiment("both", strategy=both))
        self.assertIn(self.succeed("predict", "runs/both", stdin="a\n").strip(), ("negative", "positive"))

    def test_regression_and_multi_label_tasks_on_a_table(self):
        rows = [(f"문장 {i}", i % 7 / 2, "a;b" if i % 3 == 0 else "b") for i in range(60)]
        (self.folder / "rows.csv").write_text("text,score,tags\n" + "".join(f"{t},{s},{g}\n" for t, s, g in rows), encoding="utf-8")
        for name, task in (("regression", 'task = "regression"\nlabel = "score"'),
                           ("tags", 'task = "multi-label"\nlabel = "tags"\nlabel_separator = ";"')):
            (self.folder / f"{name}.toml").write_text(
                f'[run]\nname = "{name}"\n[model]\npath = "{SOURCE}/models/ko-tiny"\n[data]\nplugin = "table"\npath = "rows.csv"\n'
                f'text = "text"\n{task}\ntest_share = 0.2\nmax_length = 16\n[strategy]\nplugin = "full"\n[train]\nepochs = 1\n', encoding="utf-8")
            self.succeed("train", f"{name}.toml")
            self.assertEqual(len(self.succeed("predict", f"runs/{name}", stdin="문장 1\n문장 2\n").splitlines()), 2)
        self.assertIn("pearson", json.loads(self.succeed("eval", "runs/regression", "--json")))

    def test_layers_that_are_computed_again_give_the_same_bits(self):
        for strategy in ('plugin = "lora"\nrank = 4\n', 'plugin = "vera"\nrank = 40\n', 'plugin = "loha"\n'):
            experiment = self.experiment("run", f"[strategy]\n{strategy}", length="steps = 4")
            self.succeed("train", experiment, "--output", "runs/kept")
            self.succeed("train", experiment, "--output", "runs/again", "--set", "train.recompute=true")
            self.assertEqual(self.delta("runs/kept"), self.delta("runs/again"), strategy)
            shutil.rmtree(self.folder / "runs")

    def test_other_data_is_read_with_the_settings_of_the_run(self):
        rows = [f"영화 {i % 5} 이다,{i % 5 / 4}" for i in range(40)]
        (self.folder / "own.csv").write_text("\n".join(["review,score", *rows]) + "\n", encoding="utf-8")
        (self.folder / "renamed.csv").write_text("\n".join(["opinion,score", *rows]) + "\n", encoding="utf-8")
        (self.folder / "run.toml").write_text(TABLE.format(source=SOURCE), encoding="utf-8")
        self.succeed("train", "run.toml")
        shares = ["--set", "data.validation_share=0.25", "--set", "data.test_share=0.25"]
        evaluate = ["eval", "runs/run", "--json"]
        own = self.succeed(*evaluate)
        self.assertEqual(self.succeed(*evaluate, "--data", "table:own.csv", *shares), own)
        self.assertEqual(self.succeed(*evaluate, "--data", "table:renamed.csv", *shares, "--set", "data.text=opinion"), own)
        whole = self.succeed(*evaluate, "--data", "table:own.csv", "--split", "train")
        self.assertEqual(self.succeed(*evaluate, "--set", "data.validation_share=0", "--set", "data.test_share=0", "--split", "train"), whole)
        self.assertNotEqual(self.succeed(*evaluate, "--set", "data.max_length=4"), own)

        lines = (self.folder / "runs/run/experiment.toml").read_text().split("\n")
        line = lines.index('text = "review"') + 1
        place = f"runs/run/experiment.toml:{line}; change it with --set data.text=VALUE"
        self.fail_with("data.text: no column 'review' in renamed.csv; its first line has: opinion, score; without a header line give "
                       f'numbers: text = "1" ({place})', *evaluate, "--data", "table:renamed.csv")
        self.fail_with("data.text: no column 'revew' in own.csv; did you mean 'review'? its first line has: review, score; without a "
                       'header line give numbers: text = "1" (--set)', *evaluate, "--set", "data.text=revew")
        self.fail_with(f"data.path: none.csv: not found (working directory {self.folder}); . has: own.csv, renamed.csv, "
                       "run.toml, runs (--data)", *evaluate, "--data", "table:none.csv")
        result = self.run_program(*evaluate, "--data", "table:own.csv")
        self.assertEqual(result.stderr, "note  there is no test split; this is of the train split\n")
        self.assertEqual(result.stdout, whole)
        result = self.run_program(*evaluate, "--data", "table:own.csv", "--split", "test")
        self.assertRegex(result.stderr, r"^dataset 'table' .*: has no test split; it has train: --split train\n$")
        for setting, problem in {
            "train.epochs=2": "must be of the data, --set data.KEY=VALUE: the rest of a finished run is settled",
            "data.plugin=text": "another data set is named with --data PLUGIN:PATH",
            "data.eval_limit=5": "is of training; all examples of the split are read",
        }.items():
            self.fail_with(f"--set {setting}: {problem}", *evaluate, "--set", setting)

    def test_only_what_has_its_final_form_is_kept_as_the_best(self):
        adalora = '[strategy]\nplugin = "adalora"\ninit_rank = 4\ntarget_rank = 1\nfinal_steps = 15\n'
        evaluations = '[eval]\nevery = 5\nkeep = "best"\npatience = 2\n'
        experiment = self.experiment("shrinks", adalora, evaluations)
        shown = self.succeed("train", experiment, "--set", "data.validation=0.25")
        self.assertNotIn("final form", shown)
        log = [json.loads(line) for line in (self.folder / "runs/shrinks/log.jsonl").read_text().splitlines()]
        best = [line["step"] for line in log if line.get("is_best")]
        # Of 4 x 4 triplets 4 are left when 12 ((45 - step) / 45)^3 is less than 1; 60 steps, 15 of them final.
        self.assertEqual(min(best), 30)
        self.assertTrue(all(line["auxiliary_loss"] > 0 for line in log if "learning_rate" in line))
        self.assertEqual(json.loads((self.folder / "runs/shrinks/report.json").read_text())["kept"], "best")

        never = ["--set", "data.validation=0.25", "--set", "strategy.interval=1000", "--set", "strategy.final_steps=0"]
        shown = self.succeed("train", experiment, "--output", "runs/never", *never)
        self.assertIn("no evaluation was of the strategy's final form: the last step is kept\n", shown)
        self.assertEqual(json.loads((self.folder / "runs/never/report.json").read_text())["kept"], "last")

    def test_bfloat16_trains(self):
        self.succeed("train", self.experiment("bf16"), "--set", "train.precision=bf16")
        metrics = json.loads(self.succeed("eval", "runs/bf16", "--json"))
        self.assertTrue(0 <= metrics["accuracy"] <= 1)


    def test_how_many_layers_are_dropped_is_chosen_after_training(self):
        self.succeed("train", self.experiment("run", strategy='[strategy]\nplugin = "adapterdrop"\n', length="steps = 20"))
        file = self.folder / "runs/run/experiment.toml"
        text = file.read_text(encoding="utf-8")
        answers = []
        for dropped in (0, 1, 0):
            file.write_text(re.sub(r"drop_at_inference = \d", f"drop_at_inference = {dropped}", text), encoding="utf-8")
            answers.append((self.succeed("predict", "runs/run", "--format", "jsonl", stdin="좋은 영화\n"),
                            json.loads(self.succeed("eval", "runs/run", "--json"))["loss"]))
        self.assertEqual(answers[0], answers[2])
        self.assertNotEqual(answers[0][0], answers[1][0])
        self.assertNotEqual(answers[0][1], answers[1][1])


class Mistakes(PlugtuneTest):
    def test_several_mistakes_of_one_file_are_told_together(self):
        name = self.experiment("bad", strategy='[strategy]\nplugin = "lora"\nrnak = 4\nalpha = "x"\n', length="epohs = 3")
        result = self.run_program("train", name)
        self.assertEqual(result.returncode, 2)
        subjects = [line.split(":")[0] for line in result.stderr.splitlines()]
        for subject in ("train.epohs", "strategy.rnak", "strategy.alpha"):
            self.assertIn(subject, subjects)

    def test_a_delta_is_refused_on_another_base(self):
        self.succeed("train", self.experiment("run"))
        self.succeed("merge", "runs/run", "--output", "merged")
        result = self.run_program("predict", "runs/run", "--model", "merged", stdin="a\n")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r"runs/run: was trained on another base: merged has fingerprint [0-9a-f]{12}, the delta names "
                                        r"[0-9a-f]{12}; a delta belongs to exactly the weights that it was trained on")

    def test_test_reviews_that_cannot_be_computed_do_not_lose_the_run(self):
        sample = SOURCE / "datasets/nsmc/sample"
        (self.folder / "data").mkdir()
        short = [line for line in (sample / "ratings_train.txt").read_text(encoding="utf-8").split("\n")[:200] if len(line) < 60]
        (self.folder / "data/ratings_train.txt").write_text("\n".join(short) + "\n", encoding="utf-8")
        (self.folder / "data/ratings_test.txt").write_text(short[0] + "\n1\t" + "영화 " * 200 + "\t1\n", encoding="utf-8")
        prompt = '[strategy]\nplugin = "prompt"\nprompt_length = 20\nplace = "words"\n'
        experiment = self.experiment("run", strategy=prompt, length="steps = 2")
        data = ["--set", "data.path=data", "--set", "data.max_length=128", "--set", "data.train_limit=0", "--set", "data.validation=0.2"]
        result = self.run_program("train", experiment, *data)
        self.assertEqual(result.returncode, 2)
        problem, fate = result.stderr.splitlines()[-2:]
        self.assertIn("are more than the model's 128; lower data.max_length or prompt_length", problem)
        self.assertEqual(fate, "runs/run is finished all the same, without metrics of the test split")
        report = json.loads((self.folder / "runs/run/report.json").read_text())
        self.assertNotIn("test", report)
        self.assertEqual(len(self.succeed("predict", "runs/run", stdin="좋은 영화\n").splitlines()), 1)

    def test_a_run_whose_base_lies_elsewhere(self):
        shutil.copytree(SOURCE / "models/ko-tiny", self.folder / "tiny")
        experiment = self.experiment("run")
        for name in ("run", "other"):
            self.succeed("train", experiment, "--set", "model.path=tiny", "--output", f"runs/{name}", "--set", f"run.seed={len(name)}")
        answers = self.succeed("predict", "runs/run", stdin="좋은 영화\n")
        metrics = self.succeed("eval", "runs/run")
        for run in ("run", "other"):  # what a run needs of its directory
            for file in (self.folder / "runs" / run).iterdir():
                if file.name not in ("experiment.toml", "report.json", "delta"):
                    shutil.rmtree(file) if file.is_dir() else file.unlink()
        (self.folder / "tiny").rename(self.folder / "moved")
        places = (f"runs/run: its base model 'tiny' was not found; name it with --model BASE. Looked in\n"
                  f"  tiny: no such directory (working directory {self.folder})\n")
        for command in (["predict", "runs/run"], ["eval", "runs/run"], ["merge", "runs/run", "--output", "merged"],
                        ["export", "runs/run", "--format", "peft", "--output", "peft"],
                        ["combine", "runs/run", "runs/other", "--output", "runs/both"]):
            result = self.run_program(*command, stdin="좋은 영화\n")
            self.assertEqual(result.returncode, 2)
            self.assertTrue(result.stderr.startswith(places), result.stderr)
            shown = self.succeed(*command, "--model", "moved", stdin="좋은 영화\n")
            self.assertEqual(shown, {"predict": answers, "eval": metrics}.get(command[0], shown))
        self.succeed("predict", "runs/both", stdin="좋은 영화\n")

    def test_an_adapter_cannot_be_merged_and_says_so(self):
        self.succeed("train", self.experiment("run", strategy=ADAPTER.format(factor=8)))
        result = self.run_program("merge", "runs/run", "--output", "merged")
        self.assertEqual(result.returncode, 2)
        self.assertIn("encoder.layer.0.output.LayerNorm.adapter: cannot be folded into the weights; it computes something that no "
                      "weight of the plain model can", result.stderr)
        self.assertFalse((self.folder / "merged").exists())

    def test_a_number_that_is_not_finite_names_the_step_and_the_layer(self):
        result = self.run_program("train", self.experiment("run", strategy=FULL), "--set", "train.learning_rate=1e30",
                                  "--set", "train.warmup_ratio=0", "--set", "train.max_grad_norm=0")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r"training: the (loss|gradient) is not finite at step \d+: .*; lower train.learning_rate, or set "
                                        r"train.max_grad_norm")

    def test_a_finished_run_is_not_overwritten(self):
        experiment = self.experiment("run")
        self.succeed("train", experiment)
        before = self.delta("runs/run")
        result = self.run_program("train", experiment)
        self.assertEqual(result.returncode, 2)
        self.assertIn("runs/run", result.stderr)
        self.assertEqual(self.delta("runs/run"), before)

    def test_a_file_of_texts_that_is_not_there(self):
        self.succeed("train", self.experiment("run", length="steps = 1"))
        self.fail_with(f"texts.txt: not found (working directory {self.folder})", "predict", "runs/run", "--input", "texts.txt")

    def test_what_cannot_be_predicted_is_named_with_its_place(self):
        self.succeed("train", self.experiment("run", length="steps = 1"))
        (self.folder / "texts.txt").write_bytes("재미있다\n지루 ".encode() + b"\xc0\xcc\n")
        self.fail_with("texts.txt:2: must be UTF-8, got byte 0xC0 at position 7", "predict", "runs/run", "--input", "texts.txt")
        self.fail_with("runs: is a directory; --input takes a file with a text in each line", "predict", "runs/run", "--input", "runs")

    def test_a_text_that_is_not_utf8_names_row_and_byte(self):
        data = self.folder / "data"
        shutil.copytree(SOURCE / "datasets/nsmc/sample", data)
        path = data / "ratings_train.txt"
        path.write_bytes(path.read_bytes() + b"1\tgood \xff film\t1\n")
        result = self.run_program("train", self.experiment("run"), "--set", f"data.path={data}")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r"must be UTF-8, got byte 0xFF at position [0-9,]+ .*ratings_train.txt:2402")

    def test_every_command_has_an_example(self):
        for command in ("train", "eval", "predict", "merge", "unmerge", "compare", "plugins", "new", "sites", "check", "config"):
            self.assertIn(f"plugtune {command}", self.succeed(command, "--help"))


if __name__ == "__main__":
    unittest.main()
