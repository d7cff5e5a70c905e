"""doc_pages.py: what pages of docs/ show, for tests that hold them against the program.

A fenced block behind `<!-- from PATH -->` stands in that file of the repository, line for line. One behind `<!-- transcript -->`
is what its `$ commands` print; numbers may differ, and so may the build's name, and a line `...` stands for any lines. Blocks
that are indented by four spaces are commands to type.
"""

import os
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["PLUGTUNE_BINARY_DIR"])

MARKED = re.compile(r"<!-- (from ([^ ]+)|transcript) -->\n```[a-z]*\n(.*?)```", re.DOTALL)
TOML = re.compile(r"```toml\n(.*?)```", re.DOTALL)
FENCED = re.compile(r"^```.*?^```\n", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?<=\n\n)(?:    [^\n]*\n)+")


def read(page):
    return (SOURCE / page).read_text(encoding="utf-8")


def pieces_of_source(page):
    """(path, text) of each block behind `<!-- from PATH -->`."""
    return [(match[2], match[3]) for match in MARKED.finditer(read(page)) if match[2]]


def transcripts(page):
    """(command, what the page shows of its output), in the page's order."""
    found = []
    for match in MARKED.finditer(read(page)):
        if match[2]:
            continue
        for part in re.split(r"^\$ ", match[3], flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def toml_blocks(page):
    return TOML.findall(read(page))


def command_blocks(page):
    """The indented blocks, each as one script."""
    text = FENCED.sub("", read(page))
    return ["".join(line[4:] + "\n" for line in block.splitlines()) for block in INDENTED.findall(text)]


def normal(text):
    """Lines without what differs from machine to machine: the build's folder, numbers, blanks that follow from them."""
    text = text.replace(str(BUILD), "build/release")
    if BUILD.is_relative_to(SOURCE):
        text = text.replace(str(BUILD.relative_to(SOURCE)), "build/release")
    text = re.sub(r"sdk_hash=\w+", "sdk_hash=HASH", text)
    text = re.sub(r"sanitizer=\w+", "sanitizer=none", text)
    text = re.sub(r"fingerprint [0-9a-f]{12,}", "fingerprint FINGERPRINT", text)
    text = re.sub(r"\d+(,\d{3})*(\.\d+)?(e[-+]\d+)?", "#", text)
    return [re.sub(r" +", " ", line).strip() for line in text.strip().split("\n")]


def difference(printed, shown):
    """The first line that the page shows and the program did not print in its place; "" when there is none."""
    printed, at, anywhere = normal(printed), 0, False
    for line in normal(shown):
        if line == "...":
            anywhere = True
            continue
        if anywhere:
            while at < len(printed) and printed[at] != line:
                at += 1
        if at == len(printed) or printed[at] != line:
            return f"the page shows {line!r}, the program printed {printed[at] if at < len(printed) and not anywhere else 'it nowhere'!r}"
        at, anywhere = at + 1, False
    if at < len(printed) and not anywhere:
        return f"the page ends, the program went on with {printed[at]!r}"
    return ""
