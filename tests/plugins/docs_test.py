"""docs_test.py: what the pages about plugins show is real (tests/support/doc_pages.py says which blocks).

Transcripts are run in the tests folder of the build.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from doc_pages import BUILD, SOURCE, difference, pieces_of_source, transcripts

PAGES = ["docs/abi.md", "docs/recipes.md", "docs/writing-a-data-set.md", "docs/writing-a-plugin.md"]


def outcome(command):
    """What a command prints on both streams, as on a terminal."""
    environment = dict(os.environ, PLUGTUNE_PLUGIN_PATH="", PATH=f"{BUILD}/bin:{os.environ['PATH']}")
    words = command.replace("plugtune ", f"{BUILD}/bin/plugtune ", 1)
    return subprocess.run(words, shell=True, cwd=BUILD / "tests", env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300).stdout


class Docs(unittest.TestCase):
    def setUp(self):
        self.maxDiff = None
        for name, target in (("sample", "sdk/template/dataset/sample"), ("damaged", "tests/plugins/recipes/damaged"),
                             ("models", "models")):
            if not (BUILD / "tests" / name).exists():
                (BUILD / "tests" / name).symlink_to(SOURCE / target)
        shutil.rmtree(BUILD / "tests/rescale", ignore_errors=True)  # which `plugtune new` makes

    def test_pieces_of_source_are_the_source(self):
        found = [(page, path, text) for page in PAGES for path, text in pieces_of_source(page)]
        self.assertGreater(len(found), 8)
        for page, path, text in found:
            source = "\n" + (SOURCE / path).read_text(encoding="utf-8")
            with self.subTest(page=page, path=path):
                self.assertIn("\n" + text, source)

    def test_transcripts_are_what_is_printed(self):
        found = [(page, command, shown) for page in PAGES for command, shown in transcripts(page)]
        self.assertGreater(len(found), 8)
        for page, command, shown in found:
            with self.subTest(page=page, command=command):
                printed = outcome(command)
                self.assertEqual(difference(printed, shown), "", printed)


if __name__ == "__main__":
    unittest.main()
