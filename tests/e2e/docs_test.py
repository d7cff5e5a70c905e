"""docs_test.py: what docs/several-runs.md, experiment-files.md, formats.md and quickstart.md tell a user to type works, and prints what they show.

The commands run in a folder that looks as the repository does; nothing of one test is there in the next.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

from support import BUILD, SOURCE, PlugtuneTest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from doc_pages import command_blocks, difference, toml_blocks, transcripts

SHORT = ["--quiet", "--set", "train.steps=3", "--set", "eval.every=never"]


class Docs(PlugtuneTest):
    def setUp(self):
        super().setUp()
        self.look_like_the_repository()

    def type(self, script, code=0):
        """Both streams, as a terminal shows them. @param code  the exit code to expect, None: any

        One thread: some of the commands train, and threads that wait for each other on a busy machine take minutes.
        """
        path = f"{BUILD}/bin:{os.environ['PATH']}"
        result = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, text=True, timeout=900,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"})
        if code is not None:
            self.assertEqual(result.returncode, code, f"{script}\n{result.stdout}")
        return result.stdout.replace(str(self.folder), "/home/me/plugtune")

    def expect_transcripts(self, page, at_least):
        found = transcripts(page)
        self.assertGreaterEqual(len(found), at_least)
        for command, shown in found:
            with self.subTest(page=page, command=command):
                printed = self.type(command, code=None)
                self.assertEqual(difference(printed, shown), "", printed)

    def test_several_runs(self):
        blocks = command_blocks("docs/several-runs.md")
        self.assertEqual(len(blocks), 2)
        for block in blocks:
            self.type(block)
        self.expect_transcripts("docs/several-runs.md", 3)

    def test_quick_start_by_hand(self):
        by_hand = command_blocks("docs/quickstart.md")[-1].splitlines()
        self.assertTrue(by_hand[0].startswith("cmake --preset release && "))  # done: it is what runs here
        for line in by_hand[1:]:
            self.type(line)
        listed = re.findall(r"^\| `([^`]+)` \|", (SOURCE / "docs/quickstart.md").read_text(encoding="utf-8"), re.MULTILINE)
        # The name of TensorBoard's file has the time in it.
        self.assertEqual(sorted(name.rstrip("/") for name in listed),
                         sorted(re.sub(r"(tfevents)\..*", r"\1.*", path.name) for path in (self.folder / "runs/quickstart").iterdir()))

    def test_experiment_files(self):
        least, *others = toml_blocks("docs/experiment-files.md")
        several = next(block for block in others if block.count("[[strategy]]\nplugin") == 2)
        (self.folder / "experiment.toml").write_text(least, encoding="utf-8")
        self.expect_transcripts("docs/experiment-files.md", 2)
        # Every --set of the page's section on it, on the experiment that it shows.
        page = (SOURCE / "docs/experiment-files.md").read_text(encoding="utf-8")
        section = page.partition("## From the command line")[2].partition("<!-- messages -->")[0]
        overrides = [code for code in re.findall(r"`(--set [^`]*)`", section) if "key=value" not in code]
        self.assertGreaterEqual(len(overrides), 3)
        (self.folder / "several.toml").write_text(least.partition("[strategy]")[0] + several, encoding="utf-8")
        for code in overrides:
            file = "several.toml" if "strategy[" in code else "experiment.toml"
            printed = self.type(f"plugtune config {file} {code}")
            self.assertIn("# --set", printed, code)
        self.assertEqual(self.type("plugtune config several.toml").count("[[strategy]]"), 2)

    def test_formats(self):
        """The adapter that the page begins with is made here; the rest is typed as it stands there."""
        for name in ("a", "b", "made"):
            self.succeed("train", "configs/nsmc/quickstart.toml", *SHORT, "--set", 'strategy={ plugin = "lora" }',
                         "--set", f"run.name={name}")
        self.succeed("export", "runs/made", "--format", "adapterhub", "--output", "adapters/sentiment")
        shutil.rmtree(self.folder / "runs/made")
        commands = [line for block in command_blocks("docs/formats.md") for line in block.splitlines()]
        self.assertGreaterEqual(len(commands), 5)
        for command in commands:
            output = re.search(r"--output (\S+)", command)
            if output:  # a line that says the same in another way
                shutil.rmtree(self.folder / output[1], ignore_errors=True)
            self.type(command)
            self.assertTrue(not output or (self.folder / output[1]).is_dir(), command)


if __name__ == "__main__":
    unittest.main()
