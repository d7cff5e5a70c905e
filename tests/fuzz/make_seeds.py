#!/usr/bin/env python3
"""make_seeds.py: makes the seeds of the fuzz targets, corpus/<target>/seed-*, from the goldens and from the formats' rules.

    tests/fuzz/make_seeds.py

Standard library only. Inputs that a fuzzer found are committed beside the seeds as found-*, and are left alone.
"""

import io
import json
import pathlib
import pickle
import struct
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GOLDENS = ROOT / "tests/unit/formats/goldens"


def save(target, seeds):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("seed-*"):
        old.unlink()
    for name, content in seeds.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / f"seed-{name}").write_bytes(data)


def text_of(value):
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


# safetensors

def safetensors(header, data=b"", padding=0):
    text = (header if isinstance(header, str) else json.dumps(header, separators=(",", ":"))).encode() + b" " * padding
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors_seeds():
    pair = {"a": tensor("F32", [2, 2], 0, 16), "b": tensor("BF16", [3], 16, 22)}
    return {
        "all-types": (GOLDENS / "all_types.safetensors").read_bytes(),
        "nothing": safetensors({}),
        "pair": safetensors(pair, bytes(range(22)), padding=3),
        "metadata": safetensors({"__metadata__": {"format": "pt", "한국어": "\n"}, "x": tensor("U8", [], 0, 1)}, b"\x07"),
        "empty-tensor": safetensors({"e": tensor("I64", [0, 5], 0, 0)}),
        "huge-empty-tensor": safetensors({"e": tensor("I8", [0, 1 << 62, 4], 0, 0)}),
        "odd-address": safetensors({"a": tensor("U8", [1], 0, 1), "b": tensor("F64", [1], 1, 9)}, bytes(9)),
        "overlap": safetensors({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 2, 6)}, bytes(6)),
        "twice": safetensors('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"\0"),
        "huge-header": struct.pack("<Q", 1 << 40) + b"{}",
    }


# torch.save

def text_code(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def integer_code(value):
    return b"K" + bytes([value]) if value < 256 else b"J" + struct.pack("<i", value)


def tuple_code(values):
    return b"(" + b"".join(integer_code(value) for value in values) + b"t"


def tensor_code(key, kind, elements, offset, shape, strides, view=b""):
    """torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, False, OrderedDict())"""
    storage = b"(" + text_code("storage") + b"ctorch\n" + kind.encode() + b"\n" + text_code(key) + text_code("cpu") + integer_code(elements) + view + b"tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + integer_code(offset) + tuple_code(shape) + tuple_code(strides) + b"\x89ccollections\nOrderedDict\n)RtR"


def parameter_code(code):
    return b"ctorch._utils\n_rebuild_parameter\n(" + code + b"\x88ccollections\nOrderedDict\n)RtR"


def dictionary_code(entries):
    return b"\x80\x02}q\x00(" + b"".join(text_code(key) + code for key, code in entries.items()) + b"u."


def archive(entries, compression=zipfile.ZIP_STORED, stream=False, comment=b""):
    class Stream(io.BytesIO):
        """Cannot be rewound, so that zipfile writes sizes behind the contents as torch does."""

        def seekable(self):
            return not stream

        def seek(self, *arguments):
            if stream:
                raise OSError("no seeking")
            return super().seek(*arguments)

        def tell(self):
            if stream:
                raise OSError("no telling")
            return super().tell()

    out = Stream()
    with zipfile.ZipFile(out, "w", compression) as made:
        made.comment = comment
        for name, data in entries:
            made.writestr(zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0)), data, compression)
    return out.getvalue()


def torch_zip(pickled, storages, top="m", order=b"little"):
    entries = [(f"{top}/data.pkl", pickled), (f"{top}/byteorder", order)]
    return archive(entries + [(f"{top}/data/{key}", data) for key, data in storages.items()] + [(f"{top}/version", b"3\n")])


def legacy(root, keys, storages):
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2}}]
    data = b"".join(pickle.dumps(value, protocol=2) for value in head) + root + pickle.dumps(keys, protocol=2)
    return data + b"".join(struct.pack("<q", count) + numbers for count, numbers in storages)


def torch_seeds():
    square = tensor_code("0", "FloatStorage", 4, 0, [2, 2], [2, 1])
    one = {"0": bytes(16)}
    return {
        "plain": (GOLDENS / "plain.bin").read_bytes(),
        "legacy-views": (GOLDENS / "legacy_views.bin").read_bytes(),
        "square": torch_zip(dictionary_code({"w": square}), one),
        "shared": torch_zip(dictionary_code({"w": square, "t": tensor_code("0", "FloatStorage", 4, 1, [3], [1])}), one),
        "parameter": torch_zip(dictionary_code({"w": parameter_code(tensor_code("0", "HalfStorage", 8, 2, [2, 3], [1, 2]))}), one),
        "expanded": torch_zip(dictionary_code({"w": tensor_code("0", "LongStorage", 2, 0, [50, 2], [0, 1])}), one),
        "huge-empty": torch_zip(dictionary_code({"w": tensor_code("0", "FloatStorage", 4, 0, [0, 2147483647, 2147483647, 2147483647], [1, 1, 1, 1])}), one),
        "legacy": legacy(dictionary_code({"w": tensor_code("7", "FloatStorage", 2, 0, [2], [1], view=b"N")}), ["7"], [(2, bytes(8))]),
        "legacy-view": legacy(dictionary_code({"w": tensor_code("7", "IntStorage", 4, 0, [2], [1], view=b"(" + text_code("9") + b"K\x01K\x02t")}), ["7"], [(4, bytes(16))]),
        "os-system": torch_zip(b"\x80\x02cposix\nsystem\n" + text_code("id") + b"\x85R.", one),
        "memo": torch_zip(b"\x80\x02}q\x01" + text_code("w") + b"h\x01s.", one),
        "pairs": torch_zip(b"\x80\x02}" + text_code("w") + b")" + b"q\x01h\x01\x86" * 60 + b"s.", one),
        "two-models": archive([("m/data.pkl", dictionary_code({})), ("n/data.pkl", dictionary_code({}))]),
        "nested": torch_zip(b"\x80\x02" + b"]" * 300 + b"a" * 299 + b".", one),
        "script": archive([("m/data.pkl", dictionary_code({})), ("m/constants.pkl", b").")]),
        "big-endian": torch_zip(dictionary_code({}), {}, order=b"big"),
        "bare-pickle": pickle.dumps({"w": [1, 2.5, None, True, "x"]}, protocol=2),
    }


# zip

def shared_bytes(entries):
    """The first entry's size, in its own header and in the directory, reaches into the second entry."""
    data = bytearray(archive(entries))
    for at in (18, data.index(b"PK\x01\x02") + 20):
        data[at:at + 8] = struct.pack("<II", 10, 10)
    return bytes(data)


def zip_seeds():
    two = [("a", b"first"), ("m/b", b"second entry")]
    return {
        "two": archive(two),
        "nothing": archive([]),
        "streamed": archive(two, stream=True),
        "comment": archive(two, comment=b"PK\x05\x06 a comment"),
        "compressed": archive([("a", b"first " * 20)], zipfile.ZIP_DEFLATED),
        "dots": archive([("../../etc/passwd", b"x"), ("/tmp/y", b"y")]),
        "twice": archive([("a", b"1"), ("b", b"2")]).replace(b"b", b"a"),
        "shared-bytes": shared_bytes(two),
        "other-sizes": archive(two)[:22] + b"\x06" + archive(two)[23:],
        "torch": torch_zip(dictionary_code({"w": tensor_code("0", "FloatStorage", 4, 0, [2, 2], [2, 1])}), {"0": bytes(16)}),
    }


# config.json

def config_seeds():
    base = {"model_type": "bert", "vocab_size": 32, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    return {
        "tiny": (ROOT / "tests/golden/tiny/config.json").read_bytes(),
        "classification": (ROOT / "tests/golden/full_classification/config.json").read_bytes()
        if (ROOT / "tests/golden/full_classification/config.json").exists()
        else text_of({**base, "id2label": {"0": "negative", "1": "positive"}, "label2id": {"negative": 0, "positive": 1}}),
        "labels": text_of({**base, "num_labels": 3, "problem_type": "multi_label_classification", "classifier_dropout": 0.25}),
        "old": text_of({**base, "hidden_act": "swish", "pad_token_id": None, "torch_dtype": "float32", "pruned_heads": {}, "position_embedding_type": "absolute"}),
        "refused": text_of({**base, "is_decoder": True, "hidden_act": "mish", "hidden_size": 7, "quantization_config": {"bits": 4}, "type_vocab_size": 1e300}),
        "other-model": text_of({"model_type": "roberta"}),
    }


# tokenizers

def tokenizer_seeds():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "word", "."]
    added = [{"id": i, "content": token, "single_word": False, "lstrip": token == "[MASK]", "rstrip": False, "normalized": False, "special": True} for i, token in enumerate(tokens[:5])]

    def piece(name, kind):
        return {"SpecialToken": {"id": name, "type_id": kind}} if name.startswith("[") else {"Sequence": {"id": name, "type_id": kind}}

    template = {
        "type": "TemplateProcessing",
        "single": [piece("[CLS]", 0), piece("A", 0), piece("[SEP]", 0)],
        "pair": [piece("[CLS]", 0), piece("A", 0), piece("[SEP]", 0), piece("B", 1), piece("[SEP]", 1)],
        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}, "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}},
    }
    whole = {
        "version": "1.0",
        "added_tokens": added + [{"id": 9, "content": "<new word>", "normalized": True, "single_word": True}],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": {token: i for i, token in enumerate(tokens)}},
    }
    bert = {**whole, "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}, "normalizer": {"type": "Sequence", "normalizers": [whole["normalizer"]]}}
    odd = {**whole, "model": {**whole["model"], "vocab": {**whole["model"]["vocab"], "two\nlines": 9, "space ": 10, "": 11}}}
    far = {**whole, "model": {**whole["model"], "vocab": {**whole["model"]["vocab"], "far": 40}}}
    return {
        "whole": text_of(whole),
        "bert-processing": text_of(bert),
        "odd-tokens": text_of(odd),
        "far-token": text_of(far),
        "twice": text_of(whole).replace('"##b": 6', '"##b": 6, "##b": 5'),
        "deep": text_of({"chat": json.loads("[" * 900 + "]" * 900)}).replace("\n", "").replace(" ", ""),
        "huge-number": '{"model_max_length": 1e1000}\n',
        "no-template": text_of({**whole, "post_processor": None, "normalizer": None}),
        "byte-pairs": text_of({**whole, "model": {"type": "BPE", "vocab": {}, "merges": []}}),
        "config": (ROOT / "tests/golden/tiny/tokenizer_config.json").read_bytes(),
        "config-added": text_of({"do_lower_case": False, "strip_accents": True, "cls_token": {"content": "[CLS]"}, "added_tokens_decoder": {"10": {"content": "<s>", "special": True, "lstrip": True}, "4": {"content": "[MASK]"}}, "additional_special_tokens": ["word", {"content": "a"}]}),
    }


def vocabulary_seeds():
    vocabulary = (ROOT / "tests/golden/tiny/vocab.txt").read_bytes()
    return {
        "tiny": vocabulary,
        "windows": vocabulary.replace(b"\n", b"\r\n"),
        "repeated": "[UNK]\n[CLS]\n[SEP]\na\na\n\n##é\n한국어\n##어 \u3000\n\n[PAD]",
        "no-special-tokens": "a\nb\n",
        "latin": "[UNK]\n[CLS]\n[SEP]\ncaf\u00e9\n".encode("latin-1"),
    }


# experiments

def experiment_seeds():
    files = {name.replace("/", "-"): (ROOT / f"configs/{name}.toml").read_bytes() for name in ("nsmc/quickstart-adapter", "nsmc/adapterfusion", "sst2/lora", "table/own")}
    stack = '#--set strategy[1].rank=2\n#--set train.steps=10\n#--set data.path="a b"\n[model]\npath = "m"\ninit = "random"\n[data]\nplugin = "nsmc"\npath = \'p\'\n' \
        "[[strategy]]\nplugin = \"x\"\nwidth = { default = 16, \"0\" = 8 }\n[[strategy]]\nplugin = \"y\"\nlayers = \"0-1,3\"\ntargets = [\"query\", '/val.*/']\n" \
        "[train]\nepochs = 1_0.5\nlearning_rate = +1e-4\nsteps = 0x10\nthreads = -0\n[eval]\nevery = \"never\"\nkeep = \"best\"\n"
    syntax = 'run.name = "a\\u00e9\\tb"\nrun . "seed" = 0b11\ndata = { plugin = \'\'\'\nx\'\'\', path = """a\\\n   b""" }\nstrategy = [{ plugin = "f" }, { plugin = "g", more = { a.b.c = [1, [2.5, nan, -inf], true] } }]\n' \
        "model = { path = \"m\" }\nday = 2025-01-01\n"
    return {**files, "stack": stack, "syntax": syntax, "deep-key": "[run]\n" + "a." * 400 + "b = 1\n", "deep-values": "x = " + "{z.z.z.z = " * 60 + "1" + "}" * 60 + "\n",
            "mistakes": "modle = 1\n[train]\nepochs = \"two\"\nsteps = 0\nprecision = 'fp16'\ndevice = \"cuda:1\"\n[data]\nplugin = 7\n"}


# reports

def report_seeds():
    def evaluation(epoch):
        numbers = {"loss": 0.25, "accuracy": 0.9, "precision": 0.5, "recall": None, "f1": 0.75, "macro_f1": 0.8, "confusion": [[3, 1], [0, 4]]}
        return {"epoch": epoch, "step": 10 * epoch, "seconds": 1.5, "eval_seconds": 0.25, "train_loss": 0.7, "is_best": epoch == 2, "eval": numbers}

    settings = {"rank": 8, "alpha": 16.0, "targets": ["query"], "nested": {"a": [1, None, True]}}
    report = {
        "schema": 1, "plugtune": "0.1.0", "sdk": "1.0", "torch": "2.11.0", "device": "cpu", "threads": 2, "started": "2026-01-31T12:00:00Z", "name": "r", "seed": 42,
        "experiment": {"run": {"name": "r"}, "strategy": [settings]},
        "model": {"path": "m", "fingerprint": "0f", "parameters": 1000},
        "strategies": [{"name": "s", "version": "1.0.0", "trainable": 10, "tables": [{"title": "t", "rows": ["0", "1"], "columns": ["a"], "values": [[0.5], [None]]}]}],
        "trainable_parameters": 12, "trainable_fraction": 0.012, "head_parameters": 2,
        "data": {"plugin": "d", "train_examples": 8, "eval_examples": 8, "tokens_per_epoch": 80, "eval_split": "validation", "labels": ["no", "<yes> & \"more\""]},
        "metric": "accuracy", "epochs": [evaluation(1), evaluation(2)], "kept": "best", "steps": 20, "tokens": 160, "stopped_early": False,
        "test": {"metrics": {"accuracy": 1.0}, "seconds": 0.5},
        "seconds": {"startup": 0.1, "train": 3.0, "eval": 0.5, "total": 4.0}, "peak_memory_bytes": 123456789,
    }
    delta = {
        "schema": 1, "run": "r", "strategies": [{"name": "s", "version": "1.0.0", "settings": settings}],
        "base": {"path": "m", "fingerprint": "0f", "init": "random", "seed": 1},
        "task": {"kind": "multi-label", "labels": ["a", "b"], "pairs": True}, "head": {"pooler": True},
        "sources": [{"path": "runs/a", "name": "a", "strategies": [], "tensors": {"encoder.layer.0.x": [2, 3], "y": []}}],
    }
    short = {**report, "strategies": [], "epochs": [], "kept": "last", "data": {**report["data"], "labels": [], "eval_split": "none"}}
    short.pop("test")
    huge = {**report, "strategies": [{**report["strategies"][0], "tables": [{"title": "t", "rows": ["r"] * 40, "columns": ["c"] * 40, "values": []}]}]}
    return {"report": text_of(report), "short": text_of(short), "future": text_of({**report, "schema": 2}), "table-without-values": text_of(huge), "wrapped": text_of({**report, "peak_memory_bytes": 2**64 - 1}),
            "delta-huge-shape": text_of({**delta, "sources": [{**delta["sources"][0], "tensors": {"x": [2**64 - 1, 2**62]}}]}), "delta": text_of(delta), "delta-plain": text_of({**delta, "sources": [], "strategies": []})}


# tables

def table_seeds():
    return {
        "quoted.csv": 'text,label\n"good, ""really""",pos\nbad,neg\n"two\nlines",pos\n\nfine,neg\n',
        "semicolon.csv": "\ufefflabel;text;b\r\n1;gut;x\r\n0;schlecht;y\r\n",
        "tabs.tsv": "text\tb\tlabel\ngood\tx\t1.5\nbad\ty\t-2e3\n\"\tz\t0\n",
        "numbers.csv": "one,a|b\ntwo,b\nthree,\n",
        "lines.jsonl": '{"text": "go\\u00e9d\\ud83d\\ude00", "label": ["a", "b"]}\n{"label": "c", "text": "x\\n", "b": null}\n',
        "classes.jsonl": '{"text": "x", "label": 1, "more": {"a": [1, -2.5e3, true, null]}}\n{"text": "y", "label": "0"}\n\n{"text": "z", "label": 1}\n',
        "regression.jsonl": '{"text":"x","label":0.5}\n{"text":"y","label":"-1e3"}\n',
        "korean.csv": "text,label\n재미있다,긍정\n재미없다,부정\n",
        "cp949.csv": "text,label\n재미있다,긍정\n".encode("cp949"),
        "array.json": '[{"text": "x", "label": 1}]\n',
    }


# What a fuzzer would have to guess: names in quotes for JSON, instructions for pickles.

def dictionary(target, words):
    def escaped(word):
        data = word if isinstance(word, bytes) else word.encode()
        return "".join(chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02X}" for byte in data)

    folder = HERE / "dictionaries"
    folder.mkdir(exist_ok=True)
    lines = [f'"{escaped(word)}"' for word in words]
    (folder / f"{target}.dict").write_text("\n".join(["# made by make_seeds.py"] + lines) + "\n")


def keys_of(*values):
    found = []

    def visit(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                found.append(f'"{key}"')
                visit(inner)
        elif isinstance(value, list):
            for inner in value:
                visit(inner)
        elif isinstance(value, str) and value and len(value) < 30:
            found.append(json.dumps(value, ensure_ascii=False))

    for value in values:
        visit(json.loads(value))
    return list(dict.fromkeys(found))


def dictionaries():
    json_words = ["null", "true", "false", "18446744073709551615", "-9223372036854775808", "1e309", "[[[[[[[[", '{"a":', "\\u0000", "\\ud800"]
    types = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"]
    dictionary("safetensors", ['"dtype":', '"shape":', '"data_offsets":', '"__metadata__":', "[0,0]", "[0,4]"] + [f'"{name}"' for name in types] + json_words)
    pickles = [b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch._utils\n_rebuild_parameter\n", b"ccollections\nOrderedDict\n", b"ctorch\nFloatStorage\n", b"ctorch\nByteStorage\n",
               text_code("storage"), text_code("cpu"), b"tQ", b"tR", b"\x80\x02", b"K\x00", b"K\x01\x85", b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", b"cposix\nsystem\n", b"h\x00", b"q\x00"]
    zips = [b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"\xff\xff\xff\xff", b"\x01\x00\x10\x00", b"../", b"/"]
    dictionary("torch_pickle", pickles + zips + [b"/data.pkl", b"/data/0", b"byteorder", b"little"])
    dictionary("zip", zips)
    config = config_seeds()
    dictionary("config_json", keys_of(*[seed if isinstance(seed, str) else seed.decode() for seed in config.values()]) + json_words)
    tokenizer = tokenizer_seeds()
    dictionary("tokenizer_json", keys_of(*[seed if isinstance(seed, str) else seed.decode() for seed in tokenizer.values()]) + json_words)
    reports = report_seeds()
    dictionary("reports", keys_of(reports["report"], reports["delta"]) + json_words)
    keys = ["[run]", "[model]", "[data]", "[task]", "[[strategy]]", "[strategy]", "[train]", "[eval]", "#--set ", "name = ", "seed = ", "threads = ", "path = ", "init = ", "plugin = ",
            "max_length = ", "train_limit = ", "kind = ", "train_pooler = ", "epochs = ", "steps = ", "batch_size = ", "schedule = ", "warmup_ratio = ", "checkpoint_every = ", "every = ", "metric = ",
            "split = ", "keep = ", "patience = ", '"""', "'''", "{ a = 1 }", "a.b.c", "[[", "]]", "inf", "nan", "0x", "1979-05-27T07:32:00Z", "layers = ", "targets = ", '"never"', '"auto"']
    dictionary("experiment", keys)
    dictionary("table", ["text", "label", '"text":', '"label":', '"b":', '""', '","', "\\u00e9", "\\ud83d\\ude00", "\r\n", "|", ";", "\t", "\ufeff", "null", "[[[["])
    dictionary("vocabulary", ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "##", "\r\n", "\u3000", "\u00a0", "한"])


# studies

def study_seeds():
    least = '[model]\npath = "m"\n[data]\nplugin = "d"\n[[method]]\nname = "a"\nstrategy = { plugin = "x" }\n'
    halving = '[search]\nmethod = "halving"\nlearning_rates = [1e-4, 1e-3, 2e-3, 1e-2]\nsteps = 9\nseeds = [1, 2]\n'
    circle = '[[method]]\nname = "b"\nstrategy = { plugin = "x", sources = ["{c}"] }\n[[method]]\nname = "c"\nfrom = "{b}"\n'
    seeds = {path.stem: path.read_text() for path in sorted((ROOT / "configs/study").glob("*.toml"))}
    return seeds | {"least": least, "halving": halving + least, "circle": least + circle,
                    "wrong": '[study]\nseeds = []\nsizes = [1, 1]\njobs = "2"\n[search]\n[[method]]\nname = "a/b"\ndata = 5\n'}


def main():
    save("safetensors", safetensors_seeds())
    save("torch_pickle", torch_seeds())
    save("zip", zip_seeds())
    save("config_json", config_seeds())
    save("tokenizer_json", tokenizer_seeds())
    save("vocabulary", vocabulary_seeds())
    save("experiment", experiment_seeds())
    save("reports", report_seeds())
    save("study", study_seeds())
    save("table", table_seeds())
    dictionaries()


if __name__ == "__main__":
    main()
