"""sweep_test.py: a study that is killed, stopped, moved to another machine or partly fails ends with the table of one that was not."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

from support import SOURCE, PlugtuneTest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from doc_pages import difference, pieces_of_source, transcripts

KILLS = 10

STUDY = """
[study]
name = "{name}"
seeds = [1, 2]
sizes = [160]
{study}
[model]
path = "{source}/models/ko-tiny"
[data]
plugin = "nsmc"
path = "{source}/datasets/nsmc/sample"
max_length = 32
validation = 0.1
eval_limit = 100
[train]
steps = 12
batch_size = 8
log_every = 2
checkpoint_every = 3
[search]
learning_rates = [1e-4, 2e-3]
{search}
[[method]]
name = "adapter"
strategy = {{ plugin = "adapter", config = "pfeiffer", reduction_factor = 8 }}
[[method]]
name = "fusion"
strategy = {{ plugin = "adapterfusion", sources = ["{{adapter}}", "{{other}}"] }}
train = {{ learning_rate = 1e-3 }}
[[source]]
name = "other"
per = "run"
strategy = {{ plugin = "adapter", config = "pfeiffer", reduction_factor = 8 }}
train = {{ steps = 4, learning_rate = 1e-3 }}
{more}
"""


def without_times(results):
    """The JSON of a study without what differs from machine to machine."""
    for size in results["sizes"]:
        for row in size["methods"]:
            for key in ("epoch_seconds", "relative_time", "total_seconds"):
                del row[key]
            for seed in row["seeds"]:
                del seed["train_seconds"], seed["peak_memory_bytes"]
    del results["name"], results["study"]
    return results


class Sweep(PlugtuneTest):
    def run_program(self, *arguments, **options):
        """One thread: threads that wait for each other on a busy machine take minutes."""
        return super().run_program(*arguments, env={"OMP_NUM_THREADS": "1"}, **options)

    def study(self, name="s", study="", search="", more=""):
        path = self.folder / f"{name}.toml"
        path.write_text(STUDY.format(name=name, source=SOURCE, study=study, search=search, more=more), encoding="utf-8")
        return path.name

    def results(self, study):
        return without_times(json.loads(self.succeed("sweep", study, "--table", "--format", "json")))

    def reports(self, name):
        return sorted(str(path.parent.relative_to(self.folder / "studies" / name))
                      for path in (self.folder / "studies" / name).rglob("report.json"))

    def test_killed_at_random_moments_gives_the_same_table(self):
        seed = int(os.environ.get("PLUGTUNE_TEST_SEED", time.time_ns() % 10**6))
        print(f"PLUGTUNE_TEST_SEED={seed}", flush=True)
        moments = random.Random(seed)
        whole, killed = self.study("whole", "jobs = 2"), self.study("killed", "jobs = 2")
        start = time.monotonic()
        self.succeed("sweep", whole)
        seconds = time.monotonic() - start
        kills = 0
        while kills < KILLS:
            process = self.start("sweep", killed)
            try:
                process.wait(timeout=moments.uniform(0, seconds / 4))
                self.assertEqual(process.returncode, 0, (self.folder / "process.log").read_text())
                self.assertEqual(self.results(killed), self.results(whole))
                shutil.rmtree(self.folder / "studies/killed")  # it came to its end between two kills: from the start again
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
        self.succeed("sweep", killed)
        self.assertEqual(self.results(killed), self.results(whole))
        self.assertEqual(self.reports("killed"), self.reports("whole"))
        written = without_times(json.loads((self.folder / "studies/killed/study.json").read_text()))
        self.assertEqual(written, self.results(whole))

    def test_what_it_trains_and_keeps(self):
        study = self.study()
        plan = self.succeed("sweep", study, "--plan")
        self.assertIn("0 of 6 runs are finished, time not known yet\n", plan)
        self.assertIn("search/adapter-rate1e-4-seed1", plan)
        self.assertIn("0 of 6 runs are finished, about ", self.succeed("sweep", study, "--plan", "--measure"))
        self.assertFalse((self.folder / "studies").exists())
        shown = self.succeed("sweep", study)
        self.assertEqual(self.reports("s"), [
            "runs/adapter-n160-seed1", "runs/adapter-n160-seed2", "runs/fusion-n160-seed1", "runs/fusion-n160-seed2",
            "search/adapter-rate0.002-seed1", "search/adapter-rate1e-4-seed1",
            "sources/other-n160-seed1", "sources/other-n160-seed2"])
        for lines in ("adapter   2/2  0.002 ", "\nfusion    2/2 ", "6 of 6 runs are finished.",
                      "\nadapter: the largest rate tried was chosen; try larger ones\n"):
            self.assertIn(lines, shown)
        root = self.folder / "studies/s"
        # What no other run needs any more is gone; each run's experiment can be trained alone.
        self.assertEqual([str(path) for path in root.rglob("delta.safetensors")], [])
        self.assertEqual([str(path) for path in root.rglob("checkpoints")], [])
        search = json.loads((root / "search/adapter-rate0.002-seed1/report.json").read_text())
        self.assertNotIn("test", search)
        self.succeed("train", "studies/s/runs/adapter-n160-seed1.toml", "--output", "runs/alone", "--quiet")
        alone, swept = (json.loads((self.folder / run / "report.json").read_text())
                        for run in ("runs/alone", "studies/s/runs/adapter-n160-seed1"))
        self.assertEqual(alone["test"]["metrics"], swept["test"]["metrics"])
        self.assertEqual(alone["test"]["answers"]["predicted"], swept["test"]["answers"]["predicted"])

        began = self.succeed("sweep", study)
        self.assertNotIn("begins", began)  # all of it is finished
        self.assertIn("6 of 6 runs are finished", self.succeed("sweep", study, "--plan"))
        csv = self.succeed("sweep", study, "--table", "--format", "csv")
        self.assertIn("\nadapter,160,0.002,accuracy,", csv)
        self.assertTrue(self.succeed("sweep", study, "--table", "--format", "markdown").startswith("### rates: accuracy on the validation split\n"))

        # Another machine, where the small reports are and nothing else.
        expected = self.results(study)
        self.assertEqual(len(expected["sizes"][0]["pairs"]), 1)
        moved = self.folder / "moved/studies/s"
        for report in root.rglob("report.json"):
            (moved / report.relative_to(root)).parent.mkdir(parents=True)
            shutil.copy(report, moved / report.relative_to(root))
        elsewhere = subprocess.run(self.command("sweep", self.folder / study), cwd=self.folder / "moved", capture_output=True, text=True)
        self.assertEqual(elsewhere.returncode, 0, elsewhere.stderr)
        self.assertNotIn("begins", elsewhere.stdout)
        again = without_times(json.loads((moved / "study.json").read_text()))
        self.assertEqual(again, expected)

    def test_a_stop_lets_the_runs_write_checkpoints_and_says_how_to_go_on(self):
        study = self.study(study='keep = "all"')
        process = self.start("sweep", study)
        log = self.folder / "process.log"
        deadline = time.monotonic() + 60
        while "finished, accuracy" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 143)
        self.assertRegex(log.read_text(), r"studies/s: stopped, [1-5] of 6 runs are finished; go on with: plugtune sweep s.toml\n")
        self.assertIn("6 of 6 runs are finished.", self.succeed("sweep", study))
        self.assertEqual(len(list((self.folder / "studies/s").rglob("delta/delta.safetensors"))), 8)  # all are kept

    def test_a_failing_run_is_told_and_the_others_go_on(self):
        more = '[[method]]\nname = "wild"\nstrategy = { plugin = "full" }\ntrain = { learning_rate = 1e30, max_grad_norm = 0 }\n'
        result = self.run_program("sweep", self.study(more=more))
        self.assertEqual(result.returncode, 2, result.stdout)
        self.assertRegex(result.stderr, r"^studies/s/runs/wild-n160-seed1: failed: training: the \w+ is not finite at step ")
        self.assertIn("\nstudies/s/runs/wild-n160-seed2: failed: training: ", result.stderr)
        self.assertIn("6 of 8 runs are finished.", result.stdout)
        self.assertRegex(self.succeed("sweep", "s.toml", "--plan"), r"\nruns/wild-n160-seed1 .* failed ")

    def test_what_is_wrong_with_a_study_is_told_before_it_begins(self):
        study = self.study(search='metric = "acuracy"\n', more='[[method]]\nname = "x"\nstrategy = { plugin = "lora", rnak = 3 }\n'
                           ).replace(".toml", "")
        text = (self.folder / f"{study}.toml").read_text().replace("sizes = [160]", "sizes = [160, 5000]")
        (self.folder / f"{study}.toml").write_text(text)
        result = self.run_program("sweep", "s.toml")
        self.assertEqual(result.returncode, 2)
        problems = result.stderr.strip().split("\n")
        self.assertEqual(problems[:2], [
            "data.train_limit: must be between 1 and 2,155 (the examples in ratings_train.txt), got 5,000 (s.toml:5)",
            "eval.metric: a classification task has no metric 'acuracy'; did you mean 'accuracy'? metrics: loss, accuracy, precision, "
            "recall, f1, macro_f1 (s.toml:22)"])
        self.assertTrue(problems[2].startswith("method 'x': strategy.rnak: unknown key; did you mean 'rank'? keys of strategy 'lora': "))
        self.assertEqual(len(problems), 3, result.stderr)

        self.study("s")
        self.succeed("sweep", "s.toml")
        self.fail_with("study.directory: studies/s holds study 's', this one is 't'; give it another study.directory",
                       "sweep", self.study("t", 'directory = "studies/s"'))
        result = self.run_program("sweep", "s.toml", "--set", "train.steps=13")
        self.assertEqual(result.returncode, 2)
        self.assertIn("studies/s/search/adapter-rate1e-4-seed1: was run with other settings, train.steps: 12 there, 13 here; remove it, or give "
                      "the study another study.directory", result.stderr)

    def test_the_bundled_study(self):
        """configs/study/quick.toml, as docs/studies.md tells it; the other studies are read as far as their data is here."""
        self.look_like_the_repository()
        for path, piece in pieces_of_source("docs/studies.md"):
            self.assertIn(piece, (SOURCE / path).read_text(encoding="utf-8"))
        start = time.monotonic()
        shown = self.succeed("sweep", "configs/study/quick.toml")
        print(f"quick.toml: {time.monotonic() - start:.1f} s", flush=True)
        (command, expected), = transcripts("docs/studies.md")
        self.assertEqual(command, "plugtune sweep configs/study/quick.toml")
        # Times of a busy machine may spread too far to be set in relation: then there is a dash.
        self.assertEqual(difference(re.sub(r"( s +)-$", r"\g<1>1.00", shown, flags=re.MULTILINE), expected), "", shown)
        self.assertRegex(shown, r"cannot be told apart|is better than")
        for name in ("paper", "fair", "methods"):
            result = self.run_program("sweep", f"configs/study/{name}.toml", "--table", "--set", f"study.directory=studies/{name}")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("0 of ", result.stdout)
            problems = self.run_program("sweep", f"configs/study/{name}.toml", "--plan").stderr.strip().split("\n")
            # Nothing but files that are not here.
            self.assertEqual([line for line in problems if not re.search(r"data/nsmc|data/sst2|models/all-MiniLM|build/ko-mini|^  /", line)], [])


if __name__ == "__main__":
    unittest.main()
