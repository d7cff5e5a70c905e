"""profile_test.py: what `plugtune bench --profile` and `--trace` tell of an experiment."""

import json
import re
import unittest

from support import BUILD, PlugtuneTest

STEPS = 3


class Profile(PlugtuneTest):
    def bench(self, *arguments):
        return self.succeed("bench", self.experiment("run"), "--steps", str(STEPS), "--warm-up", "1", *arguments)

    def test_the_table_names_the_sites_the_patches_and_the_parts_of_a_step(self):
        text = self.bench("--profile")
        self.assertRegex(text, r"(?m)^span +forward ms +backward ms +ms +of the step +GFLOP +floor ms +of its floor$")
        spans = re.findall(r"^(\S+)  .* %(?: .*)?$", text, re.MULTILINE)
        for span in ("encoder.layer.*.attention.self.query", "encoder.layer.*.attention.self.query.lora", "encoder.layer.*.attention.self",
                     "encoder.layer.*.intermediate.dense", "encoder.layer.*.intermediate.activation", "encoder.layer.*.output.LayerNorm",
                     "embeddings.word_embeddings", "embeddings", "classifier", "loss", "optimizer.step", "batch", "backward", "rest"):
            self.assertEqual(spans.count(span), 1, f"{span}\n{text}")
        self.assertRegex(text, r"(?m)^a step +[\d.]+ +[\d.]+ +[\d.]+ +100\.0 % +[\d.]+ +[\d.]+ +\d+ %$")
        self.assertRegex(text, r"(?m)^floor: at \d+ GFLOP/s and [\d.]+ GB/s, whichever takes longer$")
        self.assertRegex(text, r"(?m)^profiling: \d+ spans a step, [\d.]+ ms of it \([\d.]+ %\)$")

        layers = self.bench("--profile", "--each-layer")
        self.assertIn("encoder.layer.1.attention.self.query.lora  ", layers)
        self.assertNotIn("encoder.layer.*", layers)

    def test_json_has_the_same_numbers_and_the_trace_has_every_step(self):
        result = json.loads(self.bench("--json", "--trace", "trace.json"))
        profile = result["profile"]
        spans = {span["span"]: span for span in profile["spans"]}
        self.assertAlmostEqual(sum(span["share"] for span in profile["spans"]), 1, places=9)
        self.assertAlmostEqual(sum(span["forward_ms"] + span["backward_ms"] for span in profile["spans"]), profile["ms_step"], places=6)
        # As many products as the nominal arithmetic of a step counts, less what first rows save.
        self.assertGreater(spans["encoder.layer.*.intermediate.dense"]["gigaflop"], 0)
        rows = result["rows_per_step"] + result["batch_size"]  # two layers, the last with first rows only
        self.assertAlmostEqual(spans["encoder.layer.*.intermediate.dense"]["gigaflop"], 2 * 2 * 128 * 512 * rows / 1e9, places=9)
        self.assertEqual(spans["encoder.layer.*.attention.self.query.lora"]["calls"], 2)

        events = [event for event in json.loads((self.folder / "trace.json").read_text())["traceEvents"] if event["ph"] == "X"]
        steps = sorted((event["ts"], event["ts"] + event["dur"]) for event in events if event["name"] == "step")
        self.assertEqual(len(steps), STEPS)
        for (_, end), (begin, _) in zip(steps, steps[1:]):
            self.assertLessEqual(end, begin)
        for event in events:
            self.assertGreaterEqual(event["dur"], 0)
            self.assertIn(event["cat"], ("forward", "backward"))
            inside = [step for step in steps if step[0] - 1e-3 <= event["ts"] and event["ts"] + event["dur"] <= step[1] + 1e-3]
            self.assertEqual(len(inside), 1, event)
        self.assertTrue(any(event["cat"] == "backward" and event["name"] == "encoder.layer.1.attention.self.query.lora" for event in events))

    def test_a_patch_that_does_nothing_is_a_span_of_its_own(self):
        both = '[[strategy]]\nplugin = "full"\n[[strategy]]\nplugin = "no-op"\ntargets = ["query"]\nlayers = "1"\n'
        text = self.succeed("bench", self.experiment("run", strategy=both), "--steps", "2", "--profile", "--each-layer",
                            "--plugin-path", str(BUILD / "tests/no-op"))
        self.assertEqual(re.findall(r"^(encoder\S+no-op) ", text, re.MULTILINE), ["encoder.layer.1.attention.self.query.no-op"])
        self.assertIn("encoder.layer.0.attention.self.{query,key,value}  ", text)  # bare neighbours are computed as one

    def test_without_the_option_there_is_no_profile(self):
        self.assertNotIn("profile", json.loads(self.bench("--json")))
        self.assertNotIn("forward ms", self.bench())

    def test_mistakes_are_told_before_the_steps(self):
        self.fail_with("no/where.json: cannot be written: no such file or directory; nothing was measured",
                       "bench", self.experiment("run"), "--trace", "no/where.json")
        self.fail_with("bench: --each-layer is of --profile; give both", "bench", self.experiment("run"), "--each-layer")


if __name__ == "__main__":
    unittest.main()
