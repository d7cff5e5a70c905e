"""docs_test.py: what docs/abi.md and docs/writing-a-plugin.md show is real.

A fenced block behind `<!-- from PATH -->` stands in that file of the repository, line for line. One behind `<!-- transcript -->`
is what its commands print, run in the tests folder of the build; numbers may differ, and so may the build's name.
"""

import os
import pathlib
import re
import subprocess
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["PLUGTUNE_BINARY_DIR"])
PAGES = ["docs/abi.md", "docs/writing-a-plugin.md"]

BLOCK = re.compile(r"<!-- (from ([^ ]+)|transcript) -->\n```[a-z]*\n(.*?)```", re.DOTALL)


def blocks(kind):
    for page in PAGES:
        for match in BLOCK.finditer((SOURCE / page).read_text(encoding="utf-8")):
            if match[1].startswith(kind):
                yield page, match[2], match[3]


def normal(text):
    """Without what differs from machine to machine: the build's folder, numbers, blanks that follow from them."""
    text = text.replace(str(BUILD), "build/release").replace(str(BUILD.relative_to(SOURCE)) if BUILD.is_relative_to(SOURCE) else "\0", "build/release")
    text = re.sub(r"sdk_hash=\w+", "sdk_hash=HASH", text)
    text = re.sub(r"\d+(\.\d+)?(e[-+]\d+)?", "#", text)
    return [re.sub(r" +", " ", line).strip() for line in text.strip().split("\n")]


def outcome(command):
    """What a command prints on both streams, as on a terminal."""
    environment = dict(os.environ, PLUGTUNE_PLUGIN_PATH="")
    words = command.replace("plugtune ", f"{BUILD}/bin/plugtune ", 1)
    return subprocess.run(words, shell=True, cwd=BUILD / "tests", env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300).stdout


class Docs(unittest.TestCase):
    def setUp(self):
        self.maxDiff = None
        sample = BUILD / "tests" / "sample"
        if not sample.exists():
            sample.symlink_to(SOURCE / "sdk/template/dataset/sample")

    def test_pieces_of_source_are_the_source(self):
        found = list(blocks("from"))
        self.assertGreater(len(found), 5)
        for page, path, text in found:
            source = "\n" + (SOURCE / path).read_text(encoding="utf-8")
            with self.subTest(page=page, path=path):
                self.assertIn("\n" + text, source)

    def test_transcripts_are_what_is_printed(self):
        found = list(blocks("transcript"))
        self.assertGreater(len(found), 3)
        for page, _, text in found:
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, expected = part.partition("\n")
                with self.subTest(page=page, command=command):
                    self.assertEqual(normal(outcome(command)), normal(expected))


if __name__ == "__main__":
    unittest.main()
