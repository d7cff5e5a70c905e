"""unmerge_test.py: a run is merged and taken out again: the base's own bits, whatever they were stored in, or a refusal."""

import json
import random
import resource
import shutil
import signal
import struct
import subprocess
import time
import unittest

from support import LORA, SOURCE, PlugtuneTest

BASE = SOURCE / "models/ko-tiny"
FULL = '[strategy]\nplugin = "full"\n'
STRATEGIES = {
    "lora": '[strategy]\nplugin = "lora"\ntargets = ["all-linear", "word_embeddings"]\n',
    "dora": '[strategy]\nplugin = "lora"\ndora = true\n',
    "ia3": '[strategy]\nplugin = "ia3"\n',
    "bitfit": '[strategy]\nplugin = "bitfit"\n',
    "full": FULL,
    "head": '[strategy]\nplugin = "head"\n',
    "several": '[[strategy]]\nplugin = "lora"\n[[strategy]]\nplugin = "ia3"\n[[strategy]]\nplugin = "bitfit"\n',
}


def read_tensors(path):
    """{name: (type, shape, bytes)} of a safetensors file, and its metadata."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__", {})
    begin = 8 + size
    return {name: (entry["dtype"], entry["shape"], data[begin + entry["data_offsets"][0]:begin + entry["data_offsets"][1]])
            for name, entry in header.items()}, metadata


def write_tensors(path, tensors, metadata=None):
    header, offset = {"__metadata__": metadata} if metadata else {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def stored_as(tensors, dtype):
    """F16 tensors, as the bundled model has, as BF16 (cut) or F32."""
    result = {}
    for name, (kind, shape, data) in tensors.items():
        assert kind == "F16", name
        numbers = struct.unpack(f"<{len(data) // 2}e", data)
        wide = struct.pack(f"<{len(numbers)}f", *numbers)
        if dtype == "BF16":
            narrow = bytearray(len(wide) // 2)
            narrow[0::2], narrow[1::2] = wide[2::4], wide[3::4]
            wide = bytes(narrow)
        result[name] = (dtype, shape, wide)
    return result


class Unmerge(PlugtuneTest):
    def merged(self, name="run", output="merged", base=BASE, strategy=LORA):
        self.succeed("train", self.experiment(name, strategy=strategy, length="steps = 4"), "--set", f"model.path={base}")
        return self.succeed("merge", f"runs/{name}", "--reversible", "--output", output)

    def base_copy(self, name="base"):
        """A base whose weights are still to be written."""
        base = self.folder / name
        shutil.copytree(BASE, base)
        tensors, _ = read_tensors(base / "model.safetensors")
        (base / "model.safetensors").unlink()
        return base, tensors

    def assert_same_base(self, output="out", base=BASE):
        """The files that a base has, byte for byte."""
        names = sorted(path.name for path in (self.folder / output).iterdir())
        self.assertEqual(names, sorted(path.name for path in base.iterdir() if path.name != "README.md"))
        for name in names:
            self.assertTrue((self.folder / output / name).read_bytes() == (base / name).read_bytes(), name)

    def test_every_method_is_taken_out_and_the_file_is_the_one_that_was(self):
        for name, strategy in STRATEGIES.items():
            with self.subTest(name):
                self.merged(name, f"merged-{name}", strategy=strategy)
                self.succeed("unmerge", f"merged-{name}", "--output", f"out-{name}")
                self.assert_same_base(f"out-{name}")

    def test_what_is_said_and_what_the_base_is_good_for(self):
        said = self.merged()
        merged, _ = read_tensors(self.folder / "merged/model.safetensors")
        base, _ = read_tensors(BASE / "model.safetensors")
        # Query and value of two layers; the masked-LM head, which a classifier has no place for.
        kept, _ = read_tensors(self.folder / "merged/unmerge/kept.safetensors")
        head = [name for name in base if name.startswith("cls.")]
        self.assertEqual(sorted(kept), sorted(head + [f"bert.encoder.layer.{layer}.attention.self.{name}.weight"
                                                      for layer in range(2) for name in ("query", "value")]))
        self.assertRegex(said, rf"^merged: written; logits differ from the run's by at most \d\.\de-\d\d on 32 random sequences\n"
                               rf"can be unmerged: {len(kept)} of the base's {len(base)} tensors are kept in merged/unmerge, [\d.]+ kB\n$")
        self.assertNotEqual(merged, base)

        said = self.succeed("unmerge", "merged", "--output", "out")
        fingerprint = json.loads((self.folder / "runs/run/delta/delta.json").read_text())["base"]["fingerprint"]
        self.assertEqual(said, f"out: written; {len(base)} tensors of {BASE}, fingerprint {fingerprint}, bit for bit\n"
                               "run run (lora 1.0.0) had been merged into it\n")
        # The run finds its base in it: fingerprints are compared.
        answers = self.succeed("predict", "runs/run", "--format", "jsonl", stdin="좋아요\n")
        path = self.folder / "runs/run/experiment.toml"
        path.write_text(path.read_text().replace(str(BASE), "out"))
        self.assertEqual(self.succeed("predict", "runs/run", "--format", "jsonl", stdin="좋아요\n"), answers)

    def test_a_merge_that_can_be_taken_back_writes_the_same_model(self):
        self.merged()
        self.succeed("merge", "runs/run", "--output", "plain")
        self.assertFalse((self.folder / "plain/unmerge").exists())
        for path in (self.folder / "plain").iterdir():
            self.assertEqual((self.folder / "merged" / path.name).read_bytes(), path.read_bytes(), path.name)
        self.assertEqual(sorted(path.name for path in (self.folder / "merged/unmerge").iterdir()),
                         ["config.json", "kept.safetensors", "unmerge.json"])

    def test_a_base_of_another_type_in_shards_with_more_than_the_encoder(self):
        for dtype, strategy in (("BF16", LORA), ("F32", FULL)):
            with self.subTest(dtype):
                base, tensors = self.base_copy(f"base-{dtype}")
                tensors = stored_as(tensors, dtype)
                words = "bert.embeddings.word_embeddings.weight"
                tensors["cls.predictions.decoder.weight"] = tensors[words]  # tied
                tensors["bert.embeddings.position_ids"] = ("I64", [1, 3], struct.pack("<3q", 0, 1, 2))
                names = sorted(tensors)
                weight_map = {}
                for shard, part in ((1, names[::2]), (2, names[1::2])):
                    file = f"model-0000{shard}-of-00002.safetensors"
                    write_tensors(base / file, {name: tensors[name] for name in part})
                    weight_map.update(dict.fromkeys(part, file))
                (base / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

                self.merged(f"run-{dtype}", f"merged-{dtype}", base=base, strategy=strategy)
                merged, _ = read_tensors(self.folder / f"merged-{dtype}/model.safetensors")
                self.assertEqual({tensor[0] for tensor in merged.values()}, {"F32"})
                kept, _ = read_tensors(self.folder / f"merged-{dtype}/unmerge/kept.safetensors")
                if dtype == "BF16":
                    self.assertNotIn("cls.predictions.decoder.weight", kept)  # the words, which LoRA left alone
                self.succeed("unmerge", f"merged-{dtype}", "--output", f"out-{dtype}")
                restored, _ = read_tensors(self.folder / f"out-{dtype}/model.safetensors")
                self.assertEqual(sorted(restored), names)
                for name in names:
                    self.assertTrue(restored[name] == tensors[name], name)
                self.assertEqual((self.folder / f"out-{dtype}/config.json").read_bytes(), (base / "config.json").read_bytes())

    def test_a_base_that_was_drawn_becomes_one_that_can_be_loaded(self):
        self.succeed("train", self.experiment(strategy=FULL, length="steps = 4"), "--set", "model.init=random")
        self.succeed("merge", "runs/run", "--reversible", "--output", "merged")
        self.succeed("unmerge", "merged", "--output", "out")
        answers = self.succeed("predict", "runs/run", "--format", "jsonl", stdin="좋아요\n")
        path = self.folder / "runs/run/experiment.toml"
        text = path.read_text().replace(str(BASE), "out").replace('init = "random"', 'init = "pretrained"')
        path.write_text(text)
        self.assertEqual(self.succeed("predict", "runs/run", "--format", "jsonl", stdin="좋아요\n"), answers)

    def test_a_masked_language_model_is_taken_out(self):
        self.succeed("train", self.experiment(length="steps = 4"), "--set", "data.plugin=text", "--set",
                     f"data.path={SOURCE}/datasets/text/sample", "--set", "task.kind=masked-lm")
        self.succeed("merge", "runs/run", "--reversible", "--output", "merged")
        self.succeed("unmerge", "merged", "--output", "out")
        self.assert_same_base()

    def test_merged_twice_is_unmerged_twice(self):
        self.merged("first", "merged1")
        self.merged("second", "merged2", base="merged1", strategy=STRATEGIES["ia3"])
        self.succeed("unmerge", "merged2", "--output", "back1")
        for name in ("config.json", "model.safetensors", "vocab.txt"):
            self.assertEqual((self.folder / "back1" / name).read_bytes(), (self.folder / "merged1" / name).read_bytes(), name)
        self.succeed("unmerge", "merged1", "--output", "out")
        self.assert_same_base()

    def test_inspect_says_what_was_merged(self):
        self.merged()
        fingerprint = json.loads((self.folder / "runs/run/delta/delta.json").read_text())["base"]["fingerprint"]
        said = self.succeed("inspect", "merged")
        self.assertIn(f"merged from  run run (lora 1.0.0) on {BASE}, fingerprint {fingerprint}\n"
                      "unmerge      plugtune unmerge merged --output BASE\n", said)
        shutil.rmtree(self.folder / "merged/unmerge")
        self.assertNotIn("unmerge", self.succeed("inspect", "merged"))

    def test_refusals(self):
        self.fail_with("unmerge: --output DIR is required: the directory to write", "unmerge", "merged")
        self.fail_with(f"merged: not found (working directory {self.folder})", "unmerge", "merged", "--output", "out")
        self.merged()
        (self.folder / "taken").mkdir()
        (self.folder / "taken/mine").write_text("")
        self.fail_with("unmerge: taken exists already; choose another --output, or remove it", "unmerge", "merged", "--output", "taken")
        self.fail_with("runs/run: has no unmerge/unmerge.json, so the bits of its base are not in it; `plugtune merge --reversible` "
                       "keeps them", "unmerge", "runs/run", "--output", "out")

        # Trained further, as a person would: the weights of another merge in the same directory.
        weights, kept = self.folder / "merged/model.safetensors", self.folder / "merged/unmerge/kept.safetensors"
        before = weights.read_bytes()
        self.merged("again", "again", base="merged")
        shutil.copy(self.folder / "again/model.safetensors", weights)
        self.fail_with("merged: its weights are no longer those that were merged; only they can be unmerged\n"
                       "  changed: bert.encoder.layer.{0-1}.attention.self.query.weight\n"
                       "  changed: bert.encoder.layer.{0-1}.attention.self.value.weight\n"
                       "  changed: classifier.bias\n  changed: classifier.weight", "unmerge", "merged", "--output", "out")
        weights.write_bytes(before)
        kept.write_bytes(kept.read_bytes()[:-1])
        result = self.run_program("unmerge", "merged", "--output", "out")
        self.assertEqual(result.returncode, 2)
        self.assertTrue(result.stderr.startswith("merged/unmerge/kept.safetensors: "), result.stderr)
        self.assertFalse((self.folder / "out").exists())

    def test_a_full_disk_leaves_nothing(self):
        """The limit on file sizes stands for the disk: writing past it fails in the same place."""
        self.merged(strategy=STRATEGIES["lora"])

        def room(size):
            def limit():
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            return limit

        size = (self.folder / "merged/model.safetensors").stat().st_size
        before = sorted(path.name for path in self.folder.iterdir())
        for arguments, bytes_left in ((("unmerge", "merged"), 10_000), (("unmerge", "merged"), size // 2),
                                      (("merge", "runs/run", "--reversible"), 10_000), (("merge", "runs/run", "--reversible"), size // 2)):
            result = self.run_program(*arguments, "--output", "out", preexec_fn=room(bytes_left))
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertRegex(result.stderr, r"^out: .*; nothing was left behind\n$")
            self.assertEqual(sorted(path.name for path in self.folder.iterdir()), before)

    def test_killed_at_any_moment_leaves_all_or_nothing(self):
        self.merged()
        moments = random.Random(5)
        out = self.folder / "out"
        for command in (("merge", "runs/run", "--reversible"), ("unmerge", "merged")):
            started = time.monotonic()
            self.succeed(*command, "--output", "out")
            seconds = time.monotonic() - started
            whole = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
            for kill in range(12):
                shutil.rmtree(out, ignore_errors=True)
                process = self.start(*command, "--output", "out")
                try:
                    process.wait(timeout=moments.uniform(0.3, 1.1) * seconds)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                if out.exists():
                    found = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
                    self.assertTrue(found == whole, f"{command} {kill}")
            shutil.rmtree(out, ignore_errors=True)
            self.succeed(*command, "--output", "out")  # leftovers are in nobody's way
            self.assertFalse([path.name for path in self.folder.iterdir() if path.name.startswith(".out")])
            shutil.rmtree(out)


if __name__ == "__main__":
    unittest.main()
