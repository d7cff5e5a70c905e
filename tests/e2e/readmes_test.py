"""readmes_test.py: what the README of each method shows as its settings, the method takes; on a small model, without data."""

import pathlib
import re
import sys
import unittest

from support import SOURCE, PlugtuneTest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from doc_pages import toml_blocks

KO_TINY = SOURCE / "models/ko-tiny"
NEED_FINISHED_RUNS = {"adapterfusion", "mixture"}  # runs that their READMEs name and nobody has trained here


def whole(plugin, block):
    """A block without a table of its own goes on with the method's."""
    return block if re.search(r"^\[", block, re.MULTILINE) else f'[strategy]\nplugin = "{plugin}"\n{block}'


class Readmes(PlugtuneTest):
    def test_every_block_of_settings_is_taken(self):
        plugins = {page.parent.name: toml_blocks(page.relative_to(SOURCE)) for page in sorted((SOURCE / "plugins").glob("*/README.md"))}
        self.assertGreater(len(plugins), 14)
        self.assertLessEqual(NEED_FINISHED_RUNS, plugins.keys())
        for plugin, blocks in plugins.items():
            self.assertTrue(any(f'plugin = "{plugin}"' in block for block in blocks), f"plugins/{plugin}/README.md shows no settings")
            if plugin in NEED_FINISHED_RUNS:
                continue
            for number, block in enumerate(blocks):
                file = self.folder / f"{plugin}-{number}.toml"
                file.write_text(whole(plugin, block), encoding="utf-8")
                with self.subTest(plugin=plugin, block=number):
                    self.succeed("sites", KO_TINY, "--strategy", file.name)


if __name__ == "__main__":
    unittest.main()
