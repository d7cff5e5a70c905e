"""reports_test.py: the page and the TensorBoard events that training leaves in a run's directory."""

import html
import json
import os
import pathlib
import signal
import struct
import subprocess
import time
import unittest

from support import PlugtuneTest

PEERS = pathlib.Path(os.environ.get("PLUGTUNE_CACHE") or pathlib.Path.home() / ".cache/plugtune") / "peers"
TENSORBOARD = PEERS / "tensorboard/bin/python"
LOGGED = ["loss", "accuracy", "learning_rate", "grad_norm", "tokens_per_second"]


class RunFiles(PlugtuneTest):
    def page(self, run="runs/run"):
        text = (self.folder / run / "report.html").read_text(encoding="utf-8")
        for part in ("<script", " src=", " href=", "url(", "://"):  # one file, which runs and loads nothing
            self.assertNotIn(part, text)
        return text

    def report(self, run="runs/run"):
        return json.loads((self.folder / run / "report.json").read_text(encoding="utf-8"))

    def log(self, run="runs/run"):
        return [json.loads(line) for line in (self.folder / run / "log.jsonl").read_text().splitlines()]

    def wait_for_lines(self, process, run, lines):
        """Until the log has so many, or the process is over."""
        log = self.folder / run / "log.jsonl"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if log.exists() and log.read_text().count("\n") >= lines:
                return
            time.sleep(0.005)


class Reports(RunFiles):
    def test_the_page_shows_what_report_and_log_say(self):
        self.succeed("train", self.experiment("run"))
        page, report = self.page(), self.report()
        self.assertIn(f"<b>{report['test']['metrics']['accuracy']:.4f}</b>", page)
        self.assertIn(f"<b>{report['trainable_parameters']:,}</b>", page)
        for row in report["test"]["metrics"]["confusion"]:
            for count in row:
                self.assertRegex(page, f'title="{100 * count / max(1, sum(row)):.2f} % of the row">{count:,}</td>')
        steps = [line for line in self.log() if "learning_rate" in line]
        self.assertGreater(len(steps), 5)
        for step in steps:
            self.assertIn(f": training {step['loss']:.6g}</title>", page)
        for epoch in report["epochs"]:
            self.assertIn(f"(step {epoch['step']}): accuracy {epoch['eval']['accuracy']:.6g}", page)

        mistakes = report["test"]["mistakes"]
        wrong = sum(count for i, row in enumerate(report["test"]["metrics"]["confusion"]) for j, count in enumerate(row) if i != j)
        self.assertEqual(len(mistakes), min(20, wrong))
        self.assertEqual([m["confidence"] for m in mistakes], sorted((m["confidence"] for m in mistakes), reverse=True))
        answers = self.succeed("predict", "runs/run", "--format", "jsonl", stdin="".join(m["text"] + "\n" for m in mistakes)).splitlines()
        for mistake, answer in zip(mistakes, map(json.loads, answers)):
            self.assertEqual(mistake["predicted"], answer["label"])
            self.assertNotEqual(mistake["label"], mistake["predicted"])
            self.assertAlmostEqual(mistake["confidence"], max(answer["probabilities"]), places=4)
            self.assertIn(html.escape(mistake["text"] or "(empty)").replace("&#x27;", "&#39;"), page)
        self.assertEqual(report["delta_bytes"], (self.folder / "runs/run/delta/delta.safetensors").stat().st_size)

    def test_without_texts(self):
        self.succeed("train", self.experiment("run"), "--set", "eval.mistakes=0")
        self.assertNotIn("mistakes", self.report()["test"])
        self.assertNotIn("Most confident mistakes", self.page())

    def test_hostile_texts_are_texts(self):
        evil = "</p><script>alert('{}')</script>&amp;<b onclick=\"x\">"
        rows = "".join(f"{json.dumps({'text': evil.format(i), 'label': '<i>yes' if i % 2 else 'no'})}\n" for i in range(60))
        (self.folder / "rows.jsonl").write_text(rows, encoding="utf-8")
        path = self.experiment("run", length="steps = 2")
        text = (self.folder / path).read_text(encoding="utf-8")
        data = text[text.index("[data]"):text.index("[strategy]")]
        table = '[data]\nplugin = "table"\npath = "rows.jsonl"\ntext = "text"\nlabel = "label"\ntest_share = 0.3\nmax_length = 32\n'
        (self.folder / path).write_text(text.replace(data, table), encoding="utf-8")
        self.succeed("train", path)
        page = self.page()
        self.assertGreater(len(self.report()["test"]["mistakes"]), 0)
        self.assertIn("&lt;/p&gt;&lt;script&gt;alert(&#39;", page)
        self.assertNotIn("<b onclick", page)
        self.assertNotIn("<i>yes", page)

    def test_a_page_that_cannot_be_written_loses_nothing(self):
        experiment = self.experiment("run", length="steps = 60")
        process = self.start("train", experiment)
        self.wait_for_lines(process, "runs/run", 2)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 143)
        obstacle = self.folder / "runs/run/report.html"
        obstacle.mkdir()
        (obstacle / "file").write_text("")
        result = self.run_program("train", experiment, "--resume")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("runs/run/report.html", result.stderr)
        self.assertIn("the run is whole all the same; write its page with: plugtune report runs/run\n", result.stderr)
        self.assertIn("the run is in runs/run", result.stdout)
        json.loads(self.succeed("eval", "runs/run", "--json"))
        (obstacle / "file").unlink()
        obstacle.rmdir()
        self.assertEqual(self.succeed("report", "runs/run"), "runs/run/report.html\n")
        self.assertIn("<h2>Training</h2>", self.page())
        self.assertEqual(self.succeed("report", "runs/run", "--html", "page.html"), "page.html\n")
        self.assertEqual((self.folder / "page.html").read_bytes(), obstacle.read_bytes())
        self.fail_with("report: --html is of one run; without it each page goes into its run",
                       "report", "runs/run", "runs/run", "--html", "page.html")
        self.fail_with(f"runs/absent: not found (working directory {self.folder})", "report", "runs/absent")

    def test_a_fusion_shows_its_attention_and_compare_its_costs(self):
        adapter = '[strategy]\nplugin = "adapter"\nreduction_factor = 8\n'
        for name in ("one", "two"):
            self.succeed("train", self.experiment(name, strategy=adapter, length="steps = 4"))
        fusion = '[strategy]\nplugin = "adapterfusion"\nsources = ["runs/one", "runs/two"]\n'
        self.succeed("train", self.experiment("fusion", strategy=fusion, length="steps = 4"))
        page = self.page("runs/fusion")
        table = self.report("runs/fusion")["strategies"][0]["tables"][0]
        self.assertIn(f"<h4>{html.escape(table['title'])}</h4>", page)
        for row in table["values"]:
            for value in row:
                self.assertIn(f">{value:.4f}</td>", page)
        self.succeed("compare", "runs/one", "runs/two", "runs/fusion", "--html", "compare.html")
        compared = (self.folder / "compare.html").read_text(encoding="utf-8")
        for title in ("accuracy by trainable parameters", "accuracy by training time", "accuracy by epoch"):
            self.assertIn(f"<h3>{title}</h3>", compared)


def events_of(file):
    """(step, [(tag, value)]) of each event with scalars: as much protobuf as these files hold."""
    def varint(data, at):
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value, at

    def fields(data):
        at = 0
        while at < len(data):
            key, at = varint(data, at)
            if key & 7 == 2:
                size, at = varint(data, at)
                yield key >> 3, data[at:at + size]
                at += size
            elif key & 7 == 0:
                value, at = varint(data, at)
                yield key >> 3, value
            else:
                size = 8 if key & 7 == 1 else 4
                yield key >> 3, struct.unpack("<d" if size == 8 else "<f", data[at:at + size])[0]
                at += size

    data, at = file.read_bytes(), 0
    while at < len(data):
        size, = struct.unpack_from("<Q", data, at)
        event = dict(fields(data[at + 12:at + 12 + size]))
        at += 12 + size + 4
        if 5 in event:
            yield event.get(2, 0), [tuple(dict(fields(value)).values()) for _, value in fields(event[5])]


class Events(RunFiles):
    def scalars(self, run):
        """{tag: [[step, value]]} over all files, as they lie there."""
        found = {}
        for file in sorted((self.folder / run).glob("events.out.tfevents.*")):
            for step, values in events_of(file):
                for tag, value in values:
                    found.setdefault(tag.decode(), []).append([step, value])
        return found

    def expected(self, run):
        """The same of log.jsonl, in fp32."""
        def as_float(value):
            return struct.unpack("<f", struct.pack("<f", value))[0]

        found = {}
        for line in self.log(run):
            values = {f"train/{key}": line[key] for key in LOGGED} if "learning_rate" in line else \
                {f"eval/{key}": value for key, value in line["eval"].items() if key != "confusion"}
            for tag, value in values.items():
                found.setdefault(tag, []).append([line["step"], as_float(value)])
        return found

    def check_events(self, run):
        self.assertEqual(self.scalars(run), self.expected(run))
        if not TENSORBOARD.exists():
            print("TensorBoard itself did not read them: scripts/peers.sh tensorboard installs it", flush=True)
            return
        script = pathlib.Path(__file__).with_name("read_events.py")
        result = subprocess.run([TENSORBOARD, script, self.folder / run], capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout), self.expected(run))

    def test_tensorboard_reads_the_numbers_of_the_log(self):
        self.succeed("train", self.experiment("run"))
        self.check_events("runs/run")
        self.assertEqual(len(list((self.folder / "runs/run").glob("events.out.tfevents.*"))), 1)

    def test_no_step_is_doubled_by_a_resumed_run(self):
        experiment = self.experiment("run", length="steps = 120")
        for _ in range(2):
            process = self.start("train", experiment, "--resume")
            before = len(self.log()) if (self.folder / "runs/run/log.jsonl").exists() else 0
            self.wait_for_lines(process, "runs/run", before + 4)
            process.kill()  # between two checkpoints: steps after the newest are said again
            process.wait()
        self.succeed("train", experiment, "--resume")
        self.assertEqual([step for step, _ in self.expected("runs/run")["train/loss"]], list(range(5, 121, 5)))
        self.check_events("runs/run")


if __name__ == "__main__":
    unittest.main()
