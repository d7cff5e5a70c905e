"""rooms_test.py: the host names no method and no data set, dependencies point down (docs/decisions/009-layers.md), methods are small."""

import pathlib
import re
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]

# Lowest first; a layer may include itself and those before it. `check` is the validator's files in core/plugin: they try
# plugins on the model, so they stand above train, while the loader beside them stands below it.
LAYERS = ["text", "formats", "kernels", "model", "data", "plugin", "train", "check", "experiment", "exchange", "report", "study", "app"]
WORDS = {"text"}  # what every task reads and `--format text` prints, and a data set besides
INDEPENDENT = {"text", "formats", "kernels"}  # of each other too
# Names that are words of their own; `full`, `head`, `adapter` and `table` are also English and may be said, but not as a string.
DISTINCT = re.compile(r"\b(lora|adapterfusion|pfeiffer|houlsby|nsmc|sst2|kornli|korsts)\b", re.IGNORECASE)

# Words of the host that are also a plugin's name: the model's HeadSite, the head of a report and of delta.json, the table of compare, the prefix of word pieces.
ALLOWED_LITERALS = {"bert.cc", "bert_layer.cc", "language_head.cc", "run_text.cc", "delta_info.cc", "compare.cc", "combine.cc", "inspect.cc", "site_list.cc", "sweep.cc", "tokenizer_json.cc"}


def sources(folder, suffixes=(".h", ".cc")):
    return [path for path in sorted((SOURCE / folder).rglob("*")) if path.suffix in suffixes]


def without_comments(text):
    """String literals stay; what follows // or stands in /* */ outside of them goes."""
    pattern = re.compile(r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
    return pattern.sub(lambda match: "" if match[0].startswith("/") else match[0], text)


def layer_of(path):
    folder = path.relative_to(SOURCE / "core").parts[0]
    return "check" if folder == "plugin" and path.name.startswith("check") else folder


def layer_of_include(name):
    folder, _, file = name.partition("/")
    return "check" if folder == "plugin" and file.startswith("check") else folder


class Rooms(unittest.TestCase):
    def test_host_and_sdk_name_no_method_and_no_data_set(self):
        plugins = {path.parent.name for kind in ("plugins", "datasets") for path in (SOURCE / kind).glob("*/CMakeLists.txt")}
        self.assertGreaterEqual(len(plugins), 8)
        literal = re.compile('"(' + "|".join(sorted(plugins - WORDS)) + ')"')
        found = []
        for path in sources("core") + sources("sdk/include"):
            if "blocks" in path.parts:
                continue
            for number, line in enumerate(without_comments(path.read_text(encoding="utf-8")).split("\n"), 1):
                if DISTINCT.search(line) or literal.search(line) and path.name not in ALLOWED_LITERALS:
                    found.append(f"{path.relative_to(SOURCE)}:{number}: {line.strip()}")
        self.assertEqual(found, [])

    def test_dependencies_of_the_host_point_down(self):
        found = []
        for path in sources("core"):
            own = layer_of(path)
            allowed = set(LAYERS[: LAYERS.index(own) + 1])
            if own in INDEPENDENT:
                allowed = {own}
            for name in re.findall(r'^#include "([^"]+)"', path.read_text(encoding="utf-8"), re.MULTILINE):
                layer = layer_of_include(name)
                if layer != "plugtune" and "/" in name and layer not in allowed:
                    found.append(f"{path.relative_to(SOURCE)} includes {name}")
        self.assertEqual(found, [])

    def test_plugins_see_the_sdk_and_torch_only(self):
        found = []
        for path in sources("plugins") + sources("datasets"):
            if path.name.endswith(("_test.cc", "_test.h")):
                continue
            text = path.read_text(encoding="utf-8")
            for name in re.findall(r'^#include "([^"]+)"', text, re.MULTILINE):
                if not name.startswith("plugtune/") and not (path.parent / name).exists():
                    found.append(f"{path.relative_to(SOURCE)} includes {name}")
            for name in re.findall(r"^#include <([^>]+)>", text, re.MULTILINE):
                if "/" in name and not name.startswith(("torch/", "ATen/", "c10/", "sys/")):
                    found.append(f"{path.relative_to(SOURCE)} includes {name}")
        self.assertEqual(found, [])

    def test_a_method_is_one_file_of_at_most_150_lines(self):
        """Other libraries' files and the like are beside it, in files of their own."""
        lengths = {}
        for folder in (SOURCE / "plugins").glob("*/CMakeLists.txt"):
            source = folder.parent / f"{folder.parent.name}.cc"
            lengths[source.name] = len(source.read_text(encoding="utf-8").splitlines())
        self.assertGreaterEqual(len(lengths), 8)
        self.assertEqual({name: lines for name, lines in lengths.items() if lines > 150}, {})


if __name__ == "__main__":
    unittest.main()
