#!/usr/bin/env python3
"""record.py: what of the SDK is compiled into plugins, as text, so that a change of it is seen before a plugin meets it.

    tests/abi/record.py              compares a build with tests/abi/record.txt; docs/abi.md says what may change
    tests/abi/record.py --write      records what is there now
    tests/abi/record.py --build DIR  of another build than build/release

Ends with 0 when nothing breaks a plugin, 1 when something does, 77 when this build cannot be compared with the record.

Sizes, fields, virtual functions and return types are read from the debug information of one object. Its source has the SDK's
headers in one file, so that -femit-struct-debug-baseonly describes the SDK's classes and not libtorch's. Alignments and lengths
of virtual tables are what the compiler lists (-fdump-lang-class), symbols are libplugtune.so's.
"""

import argparse
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
HEADERS = SOURCE / "sdk/include"
RECORD = pathlib.Path(__file__).with_name("record.txt")
LIBRARY = "libplugtune.so"
NOT_COMPARED = 77

# Plugins call their functions and never derive from them: a minor may append virtual functions.
MADE_BY_THE_HOST = re.compile(r"plugtune::v1::(Model|\w*Site(<.*>)?)$")
# Walked in the size that the plugin was compiled with: a minor may append fields.
WALKED_BY_SIZE = {"plugtune_plugin_v1", "plugtune_item_v1"}


class Build:
    """The compiler, libtorch and library of a configured and built build folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        cache = (self.folder / "CMakeCache.txt").read_text(encoding="utf-8")

        def cached(name):
            return re.search(rf"^{name}:\w+=(.*)$", cache, re.MULTILINE)[1]

        self.compiler = cached("CMAKE_CXX_COMPILER")
        self.torch = pathlib.Path(cached("Libtorch_INCLUDE_DIR"))
        self.library = self.folder / "lib" / LIBRARY

    def about(self):
        """What the record is for, and what must be equal to compare."""
        macros = dict(re.findall(r"#define (\S+) (.*)", output(self.compiler, "-x", "c++", "-dM", "-E", "/dev/null")))
        name, major = ("clang", "__clang_major__") if "__clang__" in macros else ("gcc", "__GNUC__")
        version = dict(re.findall(r"#define TORCH_VERSION_(\w+) (\d+)",
                                  (self.torch / "torch/headeronly/version.h").read_text(encoding="utf-8")))
        sdk = dict(re.findall(r"#define PLUGTUNE_SDK_(\w+) (\d+)",
                              (HEADERS / "plugtune/version.h").read_text(encoding="utf-8")))
        return {"sdk": f"{sdk['MAJOR']}.{sdk['MINOR']}", "compiler": name + macros[major],
                "torch": f"{version['MAJOR']}.{version['MINOR']}.{version['PATCH']}", "machine": platform.machine()}


def output(*command):
    return subprocess.run([str(word) for word in command], check=True, text=True, stdout=subprocess.PIPE).stdout


# What is there now


def all_headers():
    """Every header of the SDK in one text, each once and behind those that it needs."""
    done, parts = set(), []

    def add(name):
        if name in done or not (HEADERS / name).exists():  # sdk_hash.h is made by the build
            return
        done.add(name)
        text = (HEADERS / name).read_text(encoding="utf-8").replace("#pragma once\n", "")
        for line in text.splitlines(keepends=True):
            needed = re.match(r'#include "(plugtune/.*)"', line)
            if needed and (HEADERS / needed[1]).exists():
                add(needed[1])
            else:
                parts.append(line)

    for path in sorted(HEADERS.rglob("*.h")):
        add(str(path.relative_to(HEADERS)))
    return "".join(parts)


def uses(headers, functions):
    """Mentions of each class and function: the compiler describes what is used."""
    classes = re.findall(r"^(?:class|struct) PLUGTUNE_API (\w+)", headers, re.MULTILINE)
    templates = set(re.findall(r"^template <.*>\n(?:class|struct)(?: PLUGTUNE_API)? (\w+)", headers, re.MULTILINE))
    aliases = re.findall(r"^using (\w+) = (?:Patch|Next)<", headers, re.MULTILINE)
    names = [f"plugtune::{name}" for name in classes + aliases if name not in templates] + sorted(WALKED_BY_SIZE)
    lines = [f"static_assert(sizeof({name}) > 0); {name}* use_of_class_{i};" for i, name in enumerate(names)]
    lines += [f"decltype(&plugtune::{name}) use_of_{name};" for name in functions]
    return "\n" + "\n".join(lines) + "\n"


def shorter(name):
    """std::string and std::vector<X> as they are written."""
    name = name.replace("[abi:cxx11]", "")
    name = re.sub(r"std::(?:__cxx11::)?basic_(string\w*)<char, std::char_traits<char>(?:, std::allocator<char> )?>", r"std::\1", name)
    for _ in range(4):
        name = re.sub(r"\b(vector<([^;]+?)), std::allocator<\2 ?> ?>", r"\1>", name)
    return name


def demangled(names):
    return subprocess.run(["c++filt"], input="\n".join(names), check=True, text=True, stdout=subprocess.PIPE).stdout.split("\n")


def symbols(library):
    """Signature -> is it one of a template that libplugtune.so instantiates. Private functions are among them."""
    found = {}
    lines = [line.split() for line in output("nm", "-D", "--defined-only", library).splitlines()]
    for (_, kind, _), name in zip(lines, demangled([line[2] for line in lines])):
        of_template = re.match(r"plugtune::v1::(Site|Patch|Next)<", name) is not None
        of_class = re.match(r"(vtable|typeinfo) for plugtune::v1::[\w:]+(<.*>)?$", name) is not None
        # Weak otherwise: inline functions and templates of the standard library, which every plugin compiles for itself.
        if of_class or name.startswith("plugtune::v1::") and (of_template or kind not in "WVu"):
            found[shorter(name)] = of_template
    return found


class Entry(dict):
    """One entry of the debug information: its attributes, and where it stands."""

    def __init__(self, tag, parent):
        super().__init__()
        self.tag, self.parent, self.children = tag, parent, []
        if parent is not None:
            parent.children.append(self)


def debug_entries(lines):
    """Every entry by its offset, out of `readelf --debug-dump=info`."""
    entries, above, entry = {}, [], None
    for line in lines:
        if begin := re.match(r" *<(\d+)><([0-9a-f]+)>: Abbrev Number: \d+ \(DW_TAG_(\w+)\)", line):
            level = int(begin[1])
            entry = Entry(begin[3], above[level - 1] if level else None)
            entries[begin[2]] = entry
            above[level:] = [entry]
        elif entry is not None and (attribute := re.match(r" +<[0-9a-f]+> +DW_AT_(\w+) *: (.*)", line)):
            entry[attribute[1]] = re.sub(r"^\(.*?offset: 0x[0-9a-f]+\): ", "", attribute[2]).strip()
    return entries


class DebugInformation:
    def __init__(self, object_file):
        with subprocess.Popen(["readelf", "--debug-dump=info", object_file], stdout=subprocess.PIPE, text=True) as reading:
            self.entries = debug_entries(reading.stdout)
        if reading.returncode != 0:
            raise RuntimeError("readelf failed")
        linked = [entry for entry in self.entries.values() if "linkage_name" in entry]
        for entry, name in zip(linked, demangled([entry["linkage_name"] for entry in linked])):
            entry["signature"] = shorter(name)

    def at_type(self, entry):
        return self.entries[re.search(r"<0x([0-9a-f]+)>", entry["type"])[1]]

    def type_of(self, entry):
        """The type of a field, or what a function returns, in words."""
        if "type" not in entry:
            return "void"
        of = self.at_type(entry)
        suffix = {"pointer_type": "*", "reference_type": "&", "rvalue_reference_type": "&&", "const_type": " const", "array_type": "[]"}
        if of.tag in suffix:
            return self.type_of(of) + suffix[of.tag]
        if of.tag == "subroutine_type":
            parameters = [self.type_of(child) for child in of.children if child.tag == "formal_parameter"]
            return f"{self.type_of(of)}({', '.join(parameters)})"
        return shorter(of.get("name", of.tag))

    def path(self, entry):
        names, at = [], entry
        while at is not None and at.tag != "compile_unit":
            names.append(at.get("name", "?"))
            at = at.parent
        return "::".join(reversed(names))

    def types(self):
        """(name, entry) of every complete class and enumeration of the SDK."""
        for entry in list(self.entries.values()):
            if entry.tag in ("class_type", "structure_type", "enumeration_type") and "name" in entry and "byte_size" in entry:
                name = self.path(entry)
                if name.startswith("plugtune"):
                    yield name, entry

    def functions(self):
        """Signature -> (what it returns, is it private): of members, and of what uses() mentions."""
        found = {}
        for entry in self.entries.values():
            if entry.tag == "subprogram" and "signature" in entry and entry.parent.tag in ("class_type", "structure_type"):
                is_private = "private" in entry.get("accessibility", "private" if entry.parent.tag == "class_type" else "")
                found[entry["signature"]] = (self.type_of(entry), is_private)
            elif entry.tag == "variable" and re.match("use_of_(?!class_)", entry.get("name", "")):  # a pointer to a function
                found[entry["name"]] = (self.type_of(self.at_type(self.at_type(entry))), False)
        return found


def members(information, name, entry):
    """Bases, fields, virtual functions and values of one class or enumeration."""
    lines = {}
    for child in entry.children:
        at = child.get("data_member_location", "").split()
        if child.tag == "enumerator":
            lines["value " + child["name"]] = child["const_value"]
        elif child.tag == "inheritance":
            lines["base " + information.type_of(child)] = at[0]
        elif child.tag == "member" and at and "artificial" not in child:
            lines["field " + child["name"]] = f"{information.type_of(child)} at {at[0]}"
        elif child.tag == "subprogram" and "virtuality" in child:
            signature = child["signature"].replace(name + "::", "", 1)
            slot = re.search(r"DW_OP_constu: (\d+)", child.get("vtable_elem_location", ""))
            lines["virtual " + signature] = f"{information.type_of(child)} in slot {slot[1]}" if slot else "destructor"
    return lines


def describe(build, change=lambda headers: headers):
    """Everything that the record has: name of a class, or of the library -> its lines. @param change  of the headers, for tests"""
    exported = symbols(build.library)
    functions = sorted({match[1] for name in exported if (match := re.match(r"plugtune::v1::(\w+)\(", name))})
    with tempfile.TemporaryDirectory(prefix="plugtune-abi-") as folder:
        source, listing, object_file = (pathlib.Path(folder) / name for name in ("sdk.cc", "sdk.class", "sdk.o"))
        headers = change(all_headers())
        source.write_text(headers + uses(headers, functions), encoding="utf-8")
        output(build.compiler, "-std=c++20", "-w", "-O0", "-gdwarf-5", "-femit-class-debug-always", "-femit-struct-debug-baseonly",
               f"-fdump-lang-class={listing}", "-I", build.folder / "sdk/include", "-isystem", build.torch, "-isystem",
               build.torch / "torch/csrc/api/include", "-c", source, "-o", object_file)
        information = DebugInformation(object_file)
        listed = listing.read_text(encoding="utf-8")
    aligned = dict(re.findall(r"^Class (plugtune.*)\n +size=\d+ align=(\d+)", listed, re.MULTILINE))
    slots = dict(re.findall(r"^Vtable for (plugtune.*)\n.*: (\d+)u? entries", listed, re.MULTILINE))

    record = {}
    for name, entry in information.types():
        record[shorter(name)] = lines = {"size": entry["byte_size"]}
        if name in aligned:
            lines["align"] = aligned[name]
        if name in slots:
            lines["slots"] = str(int(slots[name]) - 2)  # without offset and type
        lines.update(members(information, name, entry))
    known = information.functions()
    record[LIBRARY] = {}
    for name, of_template in sorted(exported.items()):
        free = re.match(r"plugtune::v1::(\w+)\(", name)
        returned, is_private = known.get("use_of_" + free[1] if free else name, ("", False))
        # What is private is called by libplugtune.so alone; that of templates by code in their header, too.
        if of_template or not is_private:
            record[LIBRARY]["symbol " + name] = returned
    return record


# The file


def write(about, record):
    lines = ["# record.txt - what plugins are compiled against; made by tests/abi/record.py --write, compared by ctest (docs/abi.md).", ""]
    lines += [f"{key} = {value}" for key, value in about.items()]
    for name in sorted(record):
        lines += ["", name] + [f"  {key} = {value}" for key, value in record[name].items()]
    RECORD.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read():
    about, record = {}, {}
    into = about
    for line in RECORD.read_text(encoding="utf-8").splitlines():
        if " = " in line or line.endswith(" ="):
            key, _, value = line.rpartition(" =")
            into[key.strip()] = value.strip()
        elif line and not line.startswith("#"):
            into = record.setdefault(line, {})
    return about, record


# What changed


def differences(name, was, now):
    """(what breaks plugins, what is only new) of one class, or of the library."""
    broken, new = [], []
    is_appended = {}
    for key in [key for key in now if key not in was]:
        kind, _, rest = key.partition(" ")
        if kind == "virtual":
            slot = int(now[key].rpartition(" ")[2]) if " in slot " in now[key] else -1
            overrides = now.get("slots") == was.get("slots")
            fits = overrides or MADE_BY_THE_HOST.match(name) and slot >= int(was.get("slots", 0))
        elif kind == "field":
            fits = name in WALKED_BY_SIZE and int(now[key].rpartition(" ")[2]) >= int(was["size"])
        else:
            fits = kind in ("value", "symbol")
        is_appended[kind] = bool(fits) and is_appended.get(kind, True)
        if fits:
            new.append(key)
        elif kind == "virtual":
            broken.append(f"has a new virtual function {rest} ({now[key]})")
        else:
            broken.append(f"has a new {key} ({now[key]})")
    for key, value in was.items():
        follows = key == "slots" and is_appended.get("virtual") or key == "size" and is_appended.get("field") and name in WALKED_BY_SIZE
        if key not in now:
            broken.append(f"{key} is gone")
        elif now[key] != value and not follows:
            broken.append(f"{key} was {value or 'unknown'} and is {now[key] or 'unknown'}")
    return broken, new


def compare(was, now):
    """(sentences about what breaks plugins, one for each class; names of what is new)."""
    broken, new = [], [name for name in now if name not in was]
    for name, lines in was.items():
        if name not in now:
            broken.append(f"{name} is gone")
            continue
        worse, more = differences(name, lines, now[name])
        if worse:
            broken.append(f"{name}: {'; '.join(worse)}")
        new += [f"{name}: {key}" for key in more]
    return [sentence + " (what is frozen: docs/abi.md)" for sentence in broken], new


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[2].partition("\n")[0])
    parser.add_argument("--build", default=os.environ.get("PLUGTUNE_BINARY_DIR", SOURCE / "build/release"))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    build = Build(arguments.build)
    about = build.about()
    if arguments.write:
        write(about, describe(build))
        print(f"abi: wrote {RECORD}")
        return 0

    was_about, was = read()
    major = [text.partition(".")[0] for text in (was_about["sdk"], about["sdk"])]
    if major[0] != major[1]:
        print(f"abi: the record is of SDK {was_about['sdk']}, this is {about['sdk']}: a new major; record it: tests/abi/record.py --write")
        return 1
    for key in ("compiler", "torch", "machine"):
        if was_about[key] != about[key]:
            print(f"abi: recorded with {key} {was_about[key]}, this build has {about[key]}: not compared")
            return NOT_COMPARED
    now = describe(build)
    broken, new = compare(was, now)
    for sentence in broken:
        print("abi: " + sentence)
    for name in new:
        print("abi: new: " + name)
    if new and not broken:
        print("abi: a minor may add that. Raise PLUGTUNE_SDK_MINOR (sdk/include/plugtune/version.h) unless this minor is still "
              "unreleased, say it in CHANGELOG.md, and record it: tests/abi/record.py --write")
    if not broken and not new:
        print(f"abi: {len(now) - 1} classes and {len(now[LIBRARY])} symbols are those of SDK {was_about['sdk']}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
