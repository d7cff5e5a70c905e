"""pairs_test.py: the data sets of pairs, from their official files to answers: train, eval, and predict from a TSV agree.

The rows are made up, in the form of the official files; the experiments are those of configs/ with another model.
"""

import json
import statistics
import unittest

from support import SOURCE, PlugtuneTest

NOUNS = ("영화", "배우", "음악", "대사", "결말", "감독")
# What the second sentence says decides: nothing can be learned from the first alone, which is the same for every label.
HYPOTHESES = {"entailment": "{noun} 정말 재미있다", "neutral": "{noun} 아직 모르겠다", "contradiction": "{noun} 너무 지루하다"}
SCORES = {"5.000": "{noun} 정말 재미있다", "2.50": "{noun} 아직 모르겠다", "0": "{noun} 너무 지루하다"}
FULL = ["--set", f"model.path={SOURCE}/models/ko-tiny", "--set", 'strategy={ plugin = "full" }', "--set", "train.learning_rate=1e-3",
        "--set", "train.batch_size=8", "--set", "data.max_length=24"]


def pairs(sentences, count):
    """(first sentence, second sentence, what it is) in turns."""
    kinds = list(sentences.items())
    for i in range(count):
        kind, hypothesis = kinds[i % len(kinds)]
        noun = NOUNS[(i // len(kinds)) % len(NOUNS)]
        yield f"\"{noun}\" 좋다 {i // len(kinds)}", hypothesis.format(noun=noun), kind


class Pairs(PlugtuneTest):
    def write(self, name, header, rows):
        path = self.folder / "data/kornlu" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(["\t".join(header), *("\t".join(row) for row in rows)]) + "\n", encoding="utf-8")

    def write_kornli(self, name, count):
        self.write(name, ("sentence1", "sentence2", "gold_label"), pairs(HYPOTHESES, count))

    def write_korsts(self, name, count):
        self.write(name, ("genre", "filename", "year", "id", "score", "sentence1", "sentence2"),
                   (("main-news", "made-up", "2020", str(i), score, first, second)
                    for i, (first, second, score) in enumerate(pairs(SCORES, count))))

    def predict(self, run, rows):
        """The answer for each (first, second, ...) of a TSV file of pairs."""
        path = self.folder / "pairs.tsv"
        path.write_text("".join(f"{first}\t{second}\n" for first, second, _ in rows), encoding="utf-8")
        answers = [json.loads(line) for line in self.succeed("predict", run, "--format", "jsonl", "--input", "pairs.tsv").splitlines()]
        self.assertEqual(len(answers), len(rows))
        return answers

    def test_the_shipped_experiments_run_with_another_model_alone(self):
        self.write_kornli("xnli.dev.ko.tsv", 60)
        self.write_kornli("xnli.test.ko.tsv", 30)
        for name, count in (("sts-train.tsv", 60), ("sts-dev.tsv", 30), ("sts-test.tsv", 30)):
            self.write_korsts(name, count)
        development = ["--settings", 'train = ["dev"]', "--settings", "validation = 0.2"]
        for name, metric, settings in (("kornli", "accuracy", development), ("korsts", "spearman", [])):
            self.assertIn("11 passed", self.succeed("check", name, "--data", "data/kornlu", *settings))
            self.succeed("train", SOURCE / f"configs/{name}/lora.toml", "--set", f"model.path={SOURCE}/models/ko-tiny")
            self.assertIn(metric, json.loads(self.succeed("eval", f"runs/{name}-lora", "--json")))

    def test_a_fusion_attends_over_adapters_of_other_tasks(self):
        for name in ("sts-train.tsv", "sts-dev.tsv", "sts-test.tsv"):
            self.write_korsts(name, 60)
        model = ["--set", f"model.path={SOURCE}/models/ko-tiny", "--set", "train.steps=4"]
        self.succeed("train", SOURCE / "configs/nsmc/adapter.toml", *model, "--set", f"data.path={SOURCE}/datasets/nsmc/sample")
        self.succeed("train", SOURCE / "configs/korsts/adapter.toml", *model)
        self.succeed("train", SOURCE / "configs/korsts/adapterfusion.toml", *model)
        report = json.loads((self.folder / "runs/korsts-adapterfusion/report.json").read_text())
        self.assertEqual(report["strategies"][0]["tables"][0]["columns"], ["nsmc-adapter", "korsts-adapter"])
        self.assertIn("spearman", report["test"]["metrics"])

    def test_a_study_runs_on_another_task_when_its_data_is_another(self):
        self.look_like_the_repository()
        self.write_kornli("xnli.dev.ko.tsv", 90)
        self.write_kornli("xnli.test.ko.tsv", 30)
        for name, count in (("sts-train.tsv", 60), ("sts-dev.tsv", 30), ("sts-test.tsv", 30)):
            self.write_korsts(name, count)
        for split in ("train", "dev", "test"):
            rows = "".join(f"{'good' if i % 2 else 'bad'} film {i}\t{i % 2}\n" for i in range(40))
            (self.folder / f"data/{split}.tsv").write_text("sentence\tlabel\n" + rows, encoding="utf-8")
        for data, metric in (('{plugin="kornli", path="data/kornlu", train=["dev"], validation=0.2}', "accuracy"),
                             ('{plugin="korsts", path="data/kornlu"}', "spearman"), ('{plugin="sst2", path="data"}', "accuracy")):
            directory = "studies/" + data.split('"')[1]
            shown = self.succeed("sweep", "configs/study/quick.toml", "--set", f"data={data}", "--set", f'study.directory="{directory}"',
                                 "--set", "study.sizes=[0]", "--set", "search.size=0", "--set", "study.seeds=[1]", "--format", "json")
            study = json.loads(shown)
            self.assertEqual((study["metric"], study["finished"]), (metric, study["total"]))
            self.assertEqual([one["runs"] for one in study["sizes"][0]["methods"]], [1, 1, 1, 1])

    def test_inference_from_pairs_to_labels(self):
        self.write_kornli("snli_1.0_train.ko.tsv", 60)
        self.write_kornli("multinli.train.ko.tsv", 60)
        self.write_kornli("xnli.dev.ko.tsv", 30)
        self.write_kornli("xnli.test.ko.tsv", 45)
        self.succeed("train", SOURCE / "configs/kornli/lora.toml", *FULL, "--set", 'data.train=["snli", "multinli"]',
                     "--set", "data.validation=0.0", "--output", "runs/kornli")
        report = json.loads((self.folder / "runs/kornli/report.json").read_text())
        self.assertEqual(report["data"]["train_examples"], 120)
        metrics = json.loads(self.succeed("eval", "runs/kornli", "--json"))
        self.assertEqual(sum(map(sum, metrics["confusion"])), 45)
        self.assertGreater(metrics["accuracy"], 0.9)  # a third by chance
        rows = list(pairs(HYPOTHESES, 45))
        answers = self.predict("runs/kornli", rows)
        right = sum(answer["label"] == kind for answer, (_, _, kind) in zip(answers, rows))
        self.assertAlmostEqual(right / 45, metrics["accuracy"], places=12)

    def test_similarity_from_pairs_to_scores(self):
        for name, count in (("sts-train.tsv", 120), ("sts-dev.tsv", 30), ("sts-test.tsv", 45)):
            self.write_korsts(name, count)
        self.succeed("train", SOURCE / "configs/korsts/lora.toml", *FULL, "--set", "train.epochs=8", "--output", "runs/korsts")
        metrics = json.loads(self.succeed("eval", "runs/korsts", "--json"))
        self.assertGreater(metrics["pearson"], 0.9)
        self.assertGreater(metrics["spearman"], 0.9)
        rows = list(pairs(SCORES, 45))
        values = [answer["value"] for answer in self.predict("runs/korsts", rows)]
        expected = [float(score) for _, _, score in rows]
        self.assertAlmostEqual(statistics.correlation(values, expected), metrics["pearson"], places=5)
        self.assertAlmostEqual(statistics.fmean((a - b) ** 2 for a, b in zip(values, expected)), metrics["mse"], places=4)

    def test_a_line_that_is_no_pair_is_refused(self):
        for name in ("sts-train.tsv", "sts-dev.tsv", "sts-test.tsv"):
            self.write_korsts(name, 30)
        self.succeed("train", SOURCE / "configs/korsts/lora.toml", "--set", f"model.path={SOURCE}/models/ko-tiny", "--set", "train.steps=1",
                     "--output", "runs/korsts")
        no_pair = "must be two texts with a tab between, got"
        for line, got in {"한 문장": "no tab", "": "no tab", "\t": "no text", "하나\t둘\t셋": "2 tabs"}.items():
            self.fail_with(f"standard input:2: {no_pair} {got}", "predict", "runs/korsts", stdin=f"하나\t둘\n{line}\n")
        self.fail_with(f"standard input:1: {no_pair} no tab", "predict", "runs/korsts", "--by-line", stdin="runs/korsts\t하나\n")
        self.assertEqual(len(self.succeed("predict", "runs/korsts", stdin="하나\t둘\n하나\t\n").splitlines()), 2)
        (self.folder / "pairs.csv").write_text("first,second\n하나,둘\n하나,\n", encoding="utf-8")
        columns = ["--data", "table:pairs.csv", "--set", "data.text=first", "--set", "data.label="]
        self.assertEqual(self.succeed("predict", "runs/korsts", *columns, "--set", "data.text_pair=second"),
                         self.succeed("predict", "runs/korsts", stdin="하나\t둘\n하나\t\n"))
        result = self.run_program("predict", "runs/korsts", *columns)
        self.assertRegex(result.stderr, r"^dataset 'table' .*: has single texts, the run was trained on pairs\n$")
        (self.folder / "long.tsv").write_text("하나\t둘\n" * 8192 + "셋\n", encoding="utf-8")
        result = self.run_program("predict", "runs/korsts", "--input", "long.tsv")
        self.assertEqual((result.returncode, len(result.stdout.splitlines())), (2, 8192))
        self.assertIn(f"long.tsv:8193: {no_pair} no tab; lines 1 to 8192 are answered\n", result.stderr)


if __name__ == "__main__":
    unittest.main()
