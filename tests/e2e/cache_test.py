"""cache_test.py: models and adapters that are named as on the hub are found in the Hugging Face cache, without a network."""

import hashlib
import json
import pathlib
import shutil
import unittest

from support import LORA, SOURCE, PlugtuneTest

COMMIT = "8f1d3c6f0c4e4b1a9d2f5a7b6c8d9e0f1a2b3c4d"
NAME = "org/ko-tiny"
TEXTS = "정말 재미있는 영화\n지루하다\n"


class Cache(PlugtuneTest):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "hf"
        self.environment = {"HF_HOME": str(self.home), "HF_HUB_CACHE": "", "XDG_CACHE_HOME": ""}
        self.snapshot = self.put(NAME, SOURCE / "models/ko-tiny")
        self.where = f"{self.home}/hub"

    def run_program(self, *arguments, **options):
        return super().run_program(*arguments, env=self.environment, **options)

    def put(self, name, source, commit=COMMIT):
        """As huggingface_hub lays it down: refs/main names a snapshot, whose files are links to blobs."""
        folder = self.home / "hub" / ("models--" + name.replace("/", "--"))
        snapshot = folder / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (folder / "blobs").mkdir()
        (folder / "refs").mkdir()
        (folder / "refs/main").write_text(commit)
        for file in pathlib.Path(source).iterdir():
            if not file.is_file():
                continue
            blob = folder / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
            shutil.copy(file, blob)
            (snapshot / file.name).symlink_to(f"../../blobs/{blob.name}")
        return snapshot

    def cut(self, file):
        """A download that ended in the middle of a file."""
        data = file.read_bytes()
        file.unlink()
        file.write_bytes(data[:len(data) // 2])
        return len(data)

    def train(self, name="run", strategy=LORA, model=NAME):
        experiment = self.experiment(name, strategy=strategy, length="steps = 3")
        return ("train", experiment, "--quiet", "--set", f"model.path={model}", "--set", "eval.every=never")

    def not_found(self, name, *states):
        return f"model '{name}': not found. Looked in\n  {name}: no such directory (working directory {self.folder})" + "".join(
            f"\n  {state}" for state in states)


class Found(Cache):
    def test_a_model_is_trained_on_by_its_name_and_the_run_finds_it_again(self):
        self.succeed(*self.train())
        info = json.loads((self.folder / "runs/run/report.json").read_text())
        self.assertEqual(info["model"]["path"], NAME)
        by_name = self.succeed("predict", "runs/run", "--format", "jsonl", stdin=TEXTS)
        self.succeed(*self.train("directory", model=SOURCE / "models/ko-tiny"))
        self.assertEqual(self.delta("runs/run"), self.delta("runs/directory"))
        self.assertEqual(self.succeed("predict", "runs/directory", "--format", "jsonl", stdin=TEXTS), by_name)
        self.succeed("merge", "runs/run", "--output", "merged")
        self.assertTrue((self.folder / "merged/vocab.txt").is_file())

    def test_an_adapter_of_peft_finds_its_base_by_the_name_that_it_calls_it(self):
        self.succeed(*self.train())
        self.succeed("export", "runs/run", "--format", "peft", "--output", "adapter")
        config = json.loads((self.folder / "adapter/adapter_config.json").read_text())
        self.assertEqual(config["base_model_name_or_path"], NAME)
        self.succeed("import", "adapter", "--output", "runs/again", "--labels", "negative,positive")
        before, after = (self.succeed("predict", f"runs/{run}", "--format", "jsonl", stdin=TEXTS) for run in ("run", "again"))
        self.assertEqual(before, after)
        # The adapter itself may be in the cache, too.
        self.put("org/adapter", self.folder / "adapter")
        self.succeed("import", "org/adapter", "--output", "runs/third", "--labels", "negative,positive")
        self.assertEqual(self.succeed("predict", "runs/third", "--format", "jsonl", stdin=TEXTS), before)
        shown = self.succeed("inspect", "org/adapter")
        self.assertRegex(shown, rf"(?m)^base +{NAME}$")
        self.assertRegex(shown, rf"(?m)^import +yes, on {NAME}$")

    def test_a_classifier_is_imported_and_inspected_by_its_name(self):
        self.succeed(*self.train(strategy='[strategy]\nplugin = "full"\n'))
        self.succeed("merge", "runs/run", "--output", "merged")
        snapshot = self.put("classifier", self.folder / "merged")  # a name without an organisation
        self.succeed("import", "classifier", "--output", "runs/again")
        before, after = (self.succeed("predict", f"runs/{run}", "--format", "jsonl", stdin=TEXTS) for run in ("run", "again"))
        self.assertEqual(before, after)
        self.assertRegex(self.succeed("inspect", "classifier"), rf"(?m)^import +yes, on {snapshot}$")

    def test_the_newest_snapshot_is_the_one_that_the_reference_names(self):
        other = self.snapshot.parent / "0000000000000000000000000000000000000000"
        other.mkdir()
        self.succeed(*self.train())
        (self.snapshot.parents[1] / "refs/main").write_text(other.name)
        self.fail_with(f"{other}/config.json: not found", "predict", "runs/run", stdin=TEXTS)

    def test_a_directory_of_that_name_comes_first(self):
        shutil.copytree(SOURCE / "models/ko-tiny", self.folder / NAME)
        shutil.rmtree(self.home)
        self.succeed(*self.train())


class NotFound(Cache):
    def test_a_name_that_is_not_there(self):
        here = f"{self.where}: has {NAME} (HF_HOME)"
        self.fail_with(self.not_found("org/ko-tny", here), *self.train(model="org/ko-tny"))
        self.assertFalse((self.folder / "runs/run").exists())

    def test_a_cache_that_is_not_there(self):
        shutil.rmtree(self.home)
        self.fail_with(self.not_found(NAME, f"{self.where}: does not exist (HF_HOME)"), *self.train())

    def test_a_download_without_reference(self):
        shutil.rmtree(self.snapshot.parents[1] / "refs")
        state = f"{self.where}: has models--org--ko-tiny, but no refs/main in it: its download never finished (HF_HOME)"
        self.fail_with(self.not_found(NAME, state), *self.train())

    def test_a_download_without_snapshot(self):
        shutil.rmtree(self.snapshot)
        state = (f"{self.where}: has models--org--ko-tiny, but not its snapshot {COMMIT}: its download never finished "
                 "(HF_HOME)")
        self.fail_with(self.not_found(NAME, state), *self.train())

    def test_what_an_adapter_calls_its_base(self):
        self.succeed(*self.train())
        self.succeed("export", "runs/run", "--format", "peft", "--output", "adapter", "--base-name", "org/large")
        self.fail_with(
            "adapter: calls its base model 'org/large', which was not found; name it with --model BASE. Looked in\n"
            f"  org/large: no such directory (working directory {self.folder})\n"
            f"  {self.where}: has {NAME} (HF_HOME)", "import", "adapter", "--output", "runs/again")
        self.fail_with(self.not_found("org/other", f"{self.where}: has {NAME} (HF_HOME)"),
                       "import", "adapter", "--output", "runs/again", "--model", "org/other")

    def test_what_is_to_be_imported(self):
        for command in (("import", "org/adapter", "--output", "runs/a"), ("inspect", "org/adapter")):
            self.fail_with(
                "org/adapter: not found; expected a directory that another library saved, or its name in the Hugging Face "
                f"cache. Looked in\n  org/adapter: no such directory (working directory {self.folder})\n"
                f"  {self.where}: has {NAME} (HF_HOME)", *command)


class Cut(Cache):
    def test_weights_that_were_not_downloaded_to_their_end(self):
        file = self.snapshot / "model.safetensors"
        size = self.cut(file)
        result = self.run_program(*self.train())
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, rf"^{file}: tensor 'bert\.embeddings\.word_embeddings\.weight' ends at byte [0-9,]+ but the file "
                                        rf"has {size // 2:,}; it is cut off, copy it again\n$")

    def test_a_configuration_that_was_not_downloaded_to_its_end(self):
        self.cut(self.snapshot / "config.json")
        self.fail_with(f"{self.snapshot}/config.json: is not JSON: object key - invalid string: missing closing quote; expected "
                       "string literal (line 11, column 10)", *self.train())

    def test_files_that_are_missing(self):
        expected = {
            "config.json": f"{self.snapshot}/config.json: not found",
            "model.safetensors": f"{self.snapshot}: has no weights: needs model.safetensors or model.safetensors.index.json or "
                                 "pytorch_model.bin or pytorch_model.bin.index.json; it has README.md, config.json, "
                                 "tokenizer_config.json, vocab.txt",
            "vocab.txt": f"{self.snapshot}: has no vocabulary. Looked for\n  tokenizer.json    not there\n"
                         "  vocab.txt         not there\ncopy one of them from the directory of the model that was pretrained",
        }
        for name, message in expected.items():
            with self.subTest(file=name):
                link = self.snapshot / name
                target = link.readlink()
                link.unlink()
                try:
                    self.fail_with(message, *self.train())
                finally:
                    link.symlink_to(target)

    def test_a_link_to_a_blob_that_is_gone(self):
        file = self.snapshot / "model.safetensors"
        file.resolve().unlink()
        self.fail_with(f"{file}: not found; it is a link to {file.readlink()}, where nothing is", *self.train())


if __name__ == "__main__":
    unittest.main()
