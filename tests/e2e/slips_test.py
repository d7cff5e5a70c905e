"""slips_test.py: what people type in their first hour, and what they are told."""

import json
import shutil
import unittest

from support import BUILD, LORA, SOURCE, PlugtuneTest

REVIEWS = """[run]
name = "reviews"
[model]
path = "{source}/models/ko-tiny"
[data]
plugin = "table"
path = "reviews.csv"
validation_share = 0.25
max_length = 16
[strategy]
plugin = "lora"
rank = 2
[train]
epochs = 2
batch_size = 16
"""
NAMES = ("good", "bad", "so-so")


class Slips(PlugtuneTest):
    def reviews(self):
        rows = [f"영화 {i} 번,{NAMES[i % 3]}" for i in range(60)]
        (self.folder / "reviews.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
        (self.folder / "reviews.toml").write_text(REVIEWS.format(source=SOURCE), encoding="utf-8")

    def fail_with(self, message, *arguments):
        result = self.run_program(*arguments)
        self.assertEqual(result.returncode, 2, result.stdout)
        self.assertEqual(result.stderr, message + "\n")

    def test_eval_takes_the_split_that_there_is_and_rows_without_all_labels(self):
        self.reviews()
        shown = self.succeed("train", "reviews.toml")
        self.assertIn("6 steps of 16 sequences, 2 epochs;", shown)  # though 3 steps of 16 are more than its 45 rows
        result = self.run_program("eval", "runs/reviews", "--json")
        self.assertEqual(result.stderr, "note  there is no test split; this is of the validation split\n")
        self.assertEqual(json.loads(result.stdout), json.loads(self.succeed("eval", "runs/reviews", "--json", "--split", "validation")))
        (self.folder / "few.csv").write_text("text,label\n영화,good\n재미,good\n", encoding="utf-8")
        metrics = json.loads(self.succeed("eval", "runs/reviews", "--data", "table:few.csv", "--json"))
        self.assertEqual([sum(row) for row in metrics["confusion"]], [0, 2, 0])  # bad, good, so-so
        (self.folder / "new.csv").write_text("text,label\n영화,great\n", encoding="utf-8")
        self.fail_with("label: must be in labels, bad, good, so-so, got 'great' (new.csv:2)", "eval", "runs/reviews", "--data", "table:new.csv")

    def test_predict_says_that_columns_are_not_read_and_where_texts_come_from(self):
        self.reviews()
        self.succeed("train", "reviews.toml", "--set", "train.epochs=1")
        result = self.run_program("predict", "runs/reviews", "--input", "reviews.csv")
        self.assertEqual(result.stderr, "note  reviews.csv: each line is taken for a text, as it stands: headers, quotes and other columns "
                         "too; columns are read with --data table:reviews.csv\n")
        self.assertEqual(len(result.stdout.splitlines()), 61)
        result = self.run_program("predict", "runs/reviews", "정말 재미있는 영화")
        self.assertTrue(result.stderr.endswith("; predict takes runs, and the texts from --input FILE or standard input\n"), result.stderr)
        self.fail_with("reviews.csv: is a file, not a run; texts are read with --input reviews.csv", "predict", "runs/reviews", "reviews.csv")

    def test_predict_answers_the_rows_of_a_table_without_labels(self):
        self.reviews()
        self.succeed("train", "reviews.toml")
        (self.folder / "new.csv").write_text('id,review\n1,"영화, 재미"\n2,\n3,지루하다\n', encoding="utf-8")
        (self.folder / "new.txt").write_text("영화, 재미\n\n지루하다\n", encoding="utf-8")
        predict = ["predict", "runs/reviews", "--format", "jsonl"]
        rows = [*predict, "--data", "table:new.csv", "--set", "data.text=review"]
        by_line = self.succeed(*predict, "--input", "new.txt")
        self.assertEqual(self.succeed(*rows, "--set", "data.label="), by_line)
        self.assertEqual(len(by_line.splitlines()), 3)
        refused = self.run_program(*rows)
        self.assertRegex(refused.stderr, r"^data.label: no column 'label' in new.csv; its first line has: id, review; .*; where there are none: "
                                         r'label = "" \(.*; change it with --set data.label=VALUE\)\n$')
        self.fail_with("table (new.csv): new.csv:2 has no label",
                       "eval", "runs/reviews", "--split", "train", *rows[-4:], "--set", "data.label=")
        result = self.run_program("train", "reviews.toml", "--output", "runs/none", "--set", "data.label=")
        self.assertIn("data.plugin: data set 'table' gives no labels, and a classification task needs them (reviews.toml:", result.stderr)

        self.succeed("train", self.experiment("other", length="steps = 1"))  # of other labels, read by another plugin
        texts = ["--data", "table:new.csv", "--set", "data.text=review", "--set", "data.label="]
        self.assertEqual(self.succeed("predict", "runs/other", *texts), self.succeed("predict", "runs/other", "--input", "new.txt"))
        self.succeed("predict", "runs/other", "--data", "table:reviews.csv")  # whatever its labels
        result = self.run_program("eval", "runs/other", "--data", "table:reviews.csv")
        self.assertTrue(result.stderr.endswith(": has labels bad, good, so-so, the run was trained with labels negative, positive\n"), result.stderr)

        labelled = self.run_program("predict", "runs/reviews", "--data", "table:reviews.csv")
        self.assertEqual(labelled.stderr, "note  there is no test split; this is of the train split\n")
        texts = "".join(f"{line.split(',')[0]}\n" for line in (self.folder / "reviews.csv").read_text().splitlines()[1:])
        self.assertEqual(labelled.stdout, self.succeed("predict", "runs/reviews", stdin=texts))
        (self.folder / "gap.csv").write_text("text,label\n영화,good\n,\n지루,bad\n", encoding="utf-8")
        result = self.run_program("predict", "runs/reviews", "--data", "table:gap.csv", "--split", "train")
        self.assertEqual(result.stderr, "note  a row of gap.csv without text: left out, they have no answer\n")
        self.assertEqual(len(result.stdout.splitlines()), 2)
        for arguments, problem in {
            ("--data", "table:new.csv", "--input", "new.txt"): "--input and --data exclude each other: texts come from one of them",
            ("--data", "table:new.csv", "--by-line"): "--by-line is of lines; rows of a data set name no run",
            ("--split", "train"): "--split and --set are of the data set that --data names",
        }.items():
            self.fail_with(f"predict: {problem}", "predict", "runs/reviews", *arguments)

    def test_resume_looks_at_the_experiment_and_finds_the_run_of_an_experiment_file(self):
        experiment = self.experiment("run", LORA, length="epochs = 1")
        self.succeed("train", experiment)
        self.assertEqual(self.succeed("train", experiment, "--resume"), "runs/run is finished; plugtune compare runs/run shows it\n")
        self.fail_with("runs/run/experiment.toml: cannot be resumed with other settings, train.epochs: 1.0 there, 2.0 here; "
                       "resume with: plugtune train runs/run/experiment.toml --output runs/run --resume",
                       "train", experiment, "--resume", "--set", "train.epochs=2")
        result = self.run_program("train", experiment, "--resume", "--output", "runs/nope")
        self.assertEqual((result.returncode, result.stderr), (0, "note  runs/nope: there is nothing to resume, training begins\n"))
        shutil.move(self.folder / "runs/nope", self.folder / "moved")
        (self.folder / "moved/report.json").unlink()
        self.assertIn("the run is in moved\n", self.succeed("train", "moved/experiment.toml", "--resume"))

    def test_a_reporter_that_fails_costs_its_tables_alone(self):
        plugin = BUILD / "tests/broken/wrong-report.strategy.so"
        experiment = self.experiment("run", f'[strategy]\nplugin = "{plugin}"\n', length="steps = 2")
        result = self.run_program("train", experiment)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("report_end(): the values of table 'scales' must have shape (1, 2), as its rows and columns, got (5, 5)", result.stderr)
        report = json.loads((self.folder / "runs/run/report.json").read_text())
        self.assertIn("accuracy", report["test"]["metrics"])
        self.assertNotIn("scales", json.dumps(report))

    def test_a_base_that_was_drawn_has_no_name_to_export(self):
        self.succeed("train", self.experiment("run", length="steps = 1"), "--set", "model.init=random")
        self.fail_with("run: its base was drawn, not read, and the files would name another one; --format hf writes a model of its own",
                       "export", "runs/run", "--format", "peft", "--output", "adapter")
        self.succeed("export", "runs/run", "--format", "hf", "--output", "model")

    def test_pairs_need_two_token_types(self):
        self.reviews()
        shutil.copytree(SOURCE / "models/ko-tiny", self.folder / "one")
        config = json.loads((self.folder / "one/config.json").read_text())
        (self.folder / "one/config.json").write_text(json.dumps({**config, "type_vocab_size": 1}))
        self.fail_with("one: has 1 token type (type_vocab_size), pairs of texts need 2",
                       "train", "reviews.toml", "--set", "model.path=one", "--set", "model.init=random", "--set", "data.text_pair=text")

    def test_config_looks_at_the_model(self):
        experiment = self.experiment()
        self.assertIn("model 'models/nowhere': not found. Looked in\n", self.run_program("config", experiment, "--set", "model.path=models/nowhere").stderr)
        self.fail_with(f"data.max_length: must be at most 128 (the positions of {SOURCE}/models/ko-tiny), got 512",
                       "config", experiment, "--set", "data.max_length=512")

    def test_names_of_other_libraries_and_files_of_another_kind(self):
        experiment = self.experiment()
        for setting, hint in {"strategy.r=8": "did you mean 'rank'?", "strategy.lora_rank=4": "did you mean 'rank'?",
                              "strategy.target_modules=query": "did you mean 'targets'?", "train.lr=1e-3": "did you mean 'learning_rate'?",
                              "strategy.plugin=LoRA": "did you mean 'lora'?"}.items():
            self.assertIn(hint, self.run_program("config", experiment, "--set", setting).stderr)
        (self.folder / "study.toml").write_text('[study]\nname = "s"\n[[method]]\nname = "m"\n')
        self.assertIn("this is a study: plugtune sweep", self.run_program("train", "study.toml").stderr)
        self.assertIn("this is an experiment: plugtune train", self.run_program("sweep", experiment).stderr)
        self.reviews()
        self.assertIn("a .toml file is expected here, which names its data under [data]", self.run_program("train", "reviews.csv").stderr)

    def test_slips_of_labels_are_told(self):
        self.reviews()
        rows = [f"영화 {i} 번,{'Good' if i % 10 == 0 else NAMES[i % 2]}" for i in range(140)]
        (self.folder / "reviews.csv").write_text("\n".join(["text,label", *rows, "하나,neutral"]) + "\n", encoding="utf-8")
        shown = self.succeed("train", "reviews.toml", "--set", "train.steps=1", "--set", "data.validation_share=0", "--set", "eval.every=never")
        self.assertIn("note        train: labels 'Good' and 'good' differ in capitals alone\n", shown)
        self.assertIn("note        train: one row alone has the label 'neutral'\n", shown)


if __name__ == "__main__":
    unittest.main()
