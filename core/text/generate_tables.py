#!/usr/bin/env python3
"""Write the Unicode tables of core/text by asking the reference about every code point.

    python3 -m venv venv && venv/bin/pip install tokenizers==0.23.3
    venv/bin/python core/text/generate_tables.py            # writes unicode_classes.cc and unicode_mappings.cc beside it

The reference mixes three Unicode versions (8.0 for categories, 13 or 14 for decomposition, the compiler's for case and
white space), so no library has these tables: they are probed, not looked up. Takes about a minute.
"""
import pathlib
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

VERSION = "0.23.3"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)
HERE = pathlib.Path(__file__).parent


def bert(**on):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **on}).normalize_str


def between(function, accept):
    """The code points for which accept(function("a" + c + "b"), c) holds."""
    return [c for c in CODE_POINTS if accept(function("a" + chr(c) + "b"), chr(c))]


def word_characters():
    """The characters of the regular expression \\w: what keeps an added token with single_word from matching."""
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "<x>": 1}, unk_token="[UNK]"))
    tokenizer.add_tokens([AddedToken("<x>", single_word=True, normalized=False)])
    return [c for c in CODE_POINTS if tokenizer.encode("<x>" + chr(c), add_special_tokens=False).ids[:1] != [1]]


def combining_classes(nfd):
    """{code point: combining class}, probed by the order in which marks are sorted.

    Only the order matters to us; the numbers are Unicode's, taken from marks whose class can never change.
    """
    known = {1: 0x334, 7: 0x93C, 8: 0x3099, 9: 0x94D, 10: 0x5B0, 11: 0x5B1, 12: 0x5B2, 13: 0x5B3, 14: 0x5B4,
             15: 0x5B5, 16: 0x5B6, 17: 0x5B7, 18: 0x5B8, 19: 0x5B9, 20: 0x5BB, 21: 0x5BC, 22: 0x5BD, 23: 0x5BF,
             24: 0x5C1, 25: 0x5C2, 26: 0xFB1E, 27: 0x64B, 28: 0x64C, 29: 0x64D, 30: 0x64E, 31: 0x64F, 32: 0x650,
             33: 0x651, 34: 0x652, 35: 0x670, 36: 0x711, 84: 0xC55, 91: 0xC56, 103: 0xE38, 107: 0xE48, 118: 0xEB8,
             122: 0xEC8, 129: 0xF71, 130: 0xF72, 132: 0xF74, 202: 0x321, 214: 0x1DCE, 216: 0x31B, 218: 0x302A,
             220: 0x316, 222: 0x59A, 224: 0x302E, 226: 0x1D16D, 228: 0x302B, 230: 0x301, 232: 0x315, 233: 0x35C,
             234: 0x35D, 240: 0x345}
    ladder = sorted(known)
    for low, high in zip(ladder, ladder[1:]):
        ordered = "a" + chr(known[low]) + chr(known[high])
        assert nfd("a" + chr(known[high]) + chr(known[low])) == ordered == nfd(ordered), (low, high)
    classes = {}
    for c in CODE_POINTS:
        char = chr(c)
        if c in HANGUL or nfd(char) != char:
            continue  # decomposes: never seen by the sort
        moves = lambda first, second: first != second and nfd("a" + first + second) == "a" + second + first
        follows = [v for v in ladder if moves(char, chr(known[v]))]  # class(c) > v > 0
        if follows or moves(chr(known[240]), char):                  # or 0 < class(c) < 240
            classes[c] = ladder[len(follows)]
            assert follows == ladder[: len(follows)], hex(c)
    return classes


def ranges(points):
    """[(first, last)] of sorted code points. Surrogates are in no text, so a range may run across them."""
    out = []
    for c in points:
        if out and (c == out[-1][1] + 1 or (out[-1][1] == 0xD7FF and c == 0xE000)):
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def valued_ranges(values):
    """[(first, last, value)] of {code point: value}."""
    out = []
    for c in sorted(values):
        if out and c == out[-1][1] + 1 and values[c] == out[-1][2]:
            out[-1][1] = c
        else:
            out.append([c, c, values[c]])
    return out


def strided_ranges(deltas):
    """[(first, last, stride, delta)] of {code point: delta}; stride 2 where upper and lower case alternate."""
    out = []
    for c in sorted(deltas):
        last = out[-1] if out else None
        if last and last[3] == deltas[c] and c - last[1] in (1, 2) and last[2] in (0, c - last[1]):
            last[1], last[2] = c, c - last[1]
        else:
            out.append([c, c, 0, deltas[c]])
    return [(first, last, stride or 1, delta) for first, last, stride, delta in out]


def wrapped(items, width=120):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > width:
            lines.append(line)
            line = "   "
        line += " " + item + ","
    return "\n".join(lines + [line])


def table(kind, name, rows):
    """A constexpr array and the span of it that unicode_tables.h declares."""
    items = ["{" + ", ".join(hex(x) if i < 2 and kind != "Decomposition" else str(x) for i, x in enumerate(row)) + "}"
             for row in rows]
    if kind == "Decomposition":
        items = ["{%s, %d, %d}" % (hex(code), first, count) for code, first, count in rows]
    return (f"constexpr {kind} {name}Rows[] = {{\n{wrapped(items)}\n}};\n"
            f"const std::span<const {kind}> {name}{{{name}Rows}};\n")


def write(file, what, body):
    head = (f"// {file} - {what}\n"
            f"// Made by core/text/generate_tables.py from tokenizers {VERSION}: do not edit, run the script again.\n"
            "// clang-format off\n"
            '#include "text/unicode_tables.h"\n\n'
            "namespace plugtune::text::tables {\n\n")
    (HERE / file).write_text(head + body + "\n}  // namespace plugtune::text::tables\n", encoding="utf-8")


def main():
    if tokenizers.__version__ != VERSION:
        sys.exit(f"generate_tables.py: needs tokenizers {VERSION}, got {tokenizers.__version__}")
    nfd = normalizers.NFD().normalize_str
    strip, lower = bert(strip_accents=True), bert(lowercase=True)
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str

    control = between(bert(clean_text=True), lambda out, c: out == "ab")
    # Clean text writes white space as " "; what it drops is told by the splitter, which sees the raw character.
    space = between(split, lambda out, c: len(out) == 2)
    cleaned = between(bert(clean_text=True), lambda out, c: out == "a b")
    assert set(cleaned) == set(space) - set(control), "clean text and the splitter disagree about white space"
    punctuation = between(split, lambda out, c: len(out) == 3)
    cjk = between(bert(handle_chinese_chars=True), lambda out, c: out == "a " + c + " b")

    decomposition = {c: nfd(chr(c)) for c in CODE_POINTS if c not in HANGUL and nfd(chr(c)) != chr(c)}
    marks = [c for c in CODE_POINTS if c not in decomposition and strip("a" + chr(c) + "b") == "ab"]
    marks_set = set(map(chr, marks))
    for c in CODE_POINTS:  # strip accents is exactly: decompose, sort, drop these marks
        expected = "".join(d for d in nfd(chr(c)) if d not in marks_set)
        assert strip("a" + chr(c) + "b") == "a" + expected + "b", hex(c)
    for c in HANGUL:  # the one rule that unicode.cc computes instead of looking up
        lead, rest = divmod(c - 0xAC00, 588)
        tail = rest % 28
        expected = chr(0x1100 + lead) + chr(0x1161 + rest // 28) + (chr(0x11A7 + tail) if tail else "")
        assert nfd(chr(c)) == expected, hex(c)

    lowered = {c: lower(chr(c)) for c in CODE_POINTS if lower(chr(c)) != chr(c)}
    single = {c: ord(to) - c for c, to in lowered.items() if len(to) == 1}
    assert [c for c in lowered if c not in single] == [0x130], "unicode.cc knows one lower case of two characters: U+0130"
    assert lowered[0x130] == "i\u0307"

    pool, where = [], {}
    for text in dict.fromkeys(decomposition.values()):
        where[text] = (len(pool), len(text))
        pool += [ord(d) for d in text]

    write("unicode_classes.cc", "sets of code points, as the reference tokenizer sees them",
          "\n".join(table("Range", name, ranges(points)) for name, points in [
              ("kControl", control), ("kWhitespace", space), ("kPunctuation", punctuation), ("kCjk", cjk),
              ("kNonspacingMark", marks), ("kWordCharacter", word_characters())])
          + "\n" + table("ClassRange", "kCombiningClass", valued_ranges(combining_classes(nfd))))
    write("unicode_mappings.cc", "lower case and canonical decomposition, as the reference tokenizer sees them",
          table("CaseRange", "kLowerCase", strided_ranges(single))
          + "\n" + table("Decomposition", "kDecomposition", [(c, *where[text]) for c, text in decomposition.items()])
          + f"\nconstexpr char32_t kDecompositionTextRows[] = {{\n{wrapped(map(hex, pool))}\n}};\n"
          + "const std::span<const char32_t> kDecompositionText{kDecompositionTextRows};\n")


if __name__ == "__main__":
    main()
