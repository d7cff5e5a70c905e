"""support.py: runs the built program as a user does; standard library only."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["PLUGTUNE_BINARY_DIR"])
PROGRAM = BUILD / "bin" / "plugtune"

EXPERIMENT = """
[run]
name = "{name}"
seed = 7
[model]
path = "{source}/models/ko-tiny"
[data]
plugin = "nsmc"
path = "{source}/datasets/nsmc/sample"
max_length = 32
train_limit = 160
eval_limit = 64
{strategy}
[train]
{length}
batch_size = 8
learning_rate = 1e-3
warmup_ratio = 0.1
log_every = 5
checkpoint_every = 4
{train}
"""
LORA = '[strategy]\nplugin = "lora"\nrank = 4\ndropout = 0.1\n'


class PlugtuneTest(unittest.TestCase):
    """A folder of its own for each test, and the program run in it."""

    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="plugtune-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def experiment(self, name="run", strategy=LORA, train="", length="epochs = 3", file=None):
        path = self.folder / (file or f"{name}.toml")
        path.write_text(EXPERIMENT.format(name=name, source=SOURCE, strategy=strategy, train=train,
                                          length=length), encoding="utf-8")
        return path.name

    def command(self, *arguments):
        return [str(PROGRAM), *map(str, arguments)]

    def run_program(self, *arguments, stdin="", env=None, **options):
        environment = {**os.environ, "OMP_NUM_THREADS": "2", **(env or {})}
        return subprocess.run(self.command(*arguments), cwd=self.folder, input=stdin, capture_output=True, text=True,
                              env=environment, timeout=900, **options)

    def succeed(self, *arguments, **options):
        result = self.run_program(*arguments, **options)
        self.assertEqual(result.returncode, 0, f"{arguments}\n{result.stdout}\n{result.stderr}")
        return result.stdout

    def look_like_the_repository(self):
        """What the pages of docs/ name, where they name it."""
        for name in ("configs", "datasets"):
            (self.folder / name).symlink_to(SOURCE / name)
        (self.folder / "models").mkdir()
        for name in ("ko-tiny", "ko-mini"):
            (self.folder / "models" / name).symlink_to(SOURCE / "models" / name)
        (self.folder / "build").mkdir()
        (self.folder / "build/release").symlink_to(BUILD)

    def fail_with(self, message, *arguments, code=2, **options):
        """The whole of stderr, without the program's name in front."""
        result = self.run_program(*arguments, **options)
        self.assertEqual(result.returncode, code, f"{arguments}\n{result.stdout}\n{result.stderr}")
        text = re.sub(r"^plugtune[^:]*: ", "", result.stderr.strip())
        self.assertEqual(text, message)

    def start(self, *arguments):
        """A process that is stopped at the end of the test, its output in files."""
        log = open(self.folder / "process.log", "ab")
        self.addCleanup(log.close)
        process = subprocess.Popen(self.command(*arguments), cwd=self.folder, stdout=log, stderr=log,
                                   env={**os.environ, "OMP_NUM_THREADS": "2"})

        def stop():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()

        self.addCleanup(stop)
        return process

    def delta(self, run):
        return (self.folder / run / "delta" / "delta.safetensors").read_bytes()

    def values(self, run):
        """Of its delta: name -> bytes."""
        data = self.delta(run)
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + size])
        header.pop("__metadata__", None)
        return {name: data[8 + size + entry["data_offsets"][0] : 8 + size + entry["data_offsets"][1]]
                for name, entry in header.items()}
