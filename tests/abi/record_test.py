"""record_test.py: what record.py finds in headers that were changed, and what it says of each change."""

import os
import unittest

import record

FROZEN = " (what is frozen: docs/abi.md)"

STRATEGY = {"size": "8", "virtual ~Strategy()": "destructor", "virtual apply(plugtune::v1::Model&)": "void in slot 2", "slots": "3"}
MODEL = {"size": "8", "virtual info() const": "ModelInfo in slot 2", "slots": "3"}
EXAMPLE = {"size": "16", "field label": "int64_t at 0", "field value": "double at 8", "align": "8"}
ITEM = {"size": "16", "field size": "uint32_t at 0", "field name": "char const* at 8", "align": "8"}
LIBRARY = {"symbol plugtune::v1::join(int)": "string", "symbol typeinfo for plugtune::v1::Strategy": ""}

# class, its lines, what is changed in them (None: gone), what is said, what is only new
CASES = [
    ("plugtune::v1::Strategy", STRATEGY, {"virtual prepare()": "void in slot 3", "slots": "4"},
     "has a new virtual function prepare() (void in slot 3); slots was 3 and is 4", []),
    ("plugtune::v1::Strategy", STRATEGY, {"virtual apply(plugtune::v1::Model&)": None, "virtual apply()": "void in slot 2"},
     "virtual apply(plugtune::v1::Model&) is gone", ["virtual apply()"]),
    ("plugtune::v1::Strategy", STRATEGY, {"virtual apply(plugtune::v1::Model&)": "bool in slot 2"},
     "virtual apply(plugtune::v1::Model&) was void in slot 2 and is bool in slot 2", []),
    ("plugtune::v1::Model", MODEL, {"virtual more()": "void in slot 3", "slots": "4"}, "", ["virtual more()"]),
    ("plugtune::v1::Model", MODEL, {"virtual more()": "void in slot 2", "virtual info() const": "ModelInfo in slot 3", "slots": "4"},
     "has a new virtual function more() (void in slot 2); virtual info() const was ModelInfo in slot 2 and is ModelInfo in slot 3; "
     "slots was 3 and is 4", []),
    ("plugtune::v1::LinearSite", MODEL, {"virtual more()": "void in slot 3", "slots": "4"}, "", ["virtual more()"]),
    ("plugtune::v1::Site<at::Tensor>", MODEL, {"size": "16"}, "size was 8 and is 16", []),
    ("plugtune::v1::Bottleneck", MODEL, {"virtual info2() const": "int in slot 1"}, "", ["virtual info2() const"]),  # overrides
    ("plugtune::v1::Example", EXAMPLE, {"field weight": "float at 4"}, "has a new field weight (float at 4)", []),
    ("plugtune::v1::Example", EXAMPLE, {"field value": "float at 8"}, "field value was double at 8 and is float at 8", []),
    ("plugtune::v1::Example", EXAMPLE, {"field label": "int64_t at 8", "field value": "double at 0"},
     "field label was int64_t at 0 and is int64_t at 8; field value was double at 8 and is double at 0", []),
    ("plugtune::v1::Example", EXAMPLE, {"align": "16"}, "align was 8 and is 16", []),
    ("plugtune::v1::Role", {"size": "4", "value kQuery": "1"}, {"value kQuery": "2"}, "value kQuery was 1 and is 2", []),
    ("plugtune::v1::Role", {"size": "4", "value kQuery": "1"}, {"value kMore": "2"}, "", ["value kMore"]),
    ("plugtune_item_v1", ITEM, {"field more": "void* at 16", "size": "24"}, "", ["field more"]),
    ("plugtune_item_v1", ITEM, {"field more": "uint32_t at 4"}, "has a new field more (uint32_t at 4)", []),
    (record.LIBRARY, LIBRARY, {"symbol plugtune::v1::join(int)": None}, "symbol plugtune::v1::join(int) is gone", []),
    (record.LIBRARY, LIBRARY, {"symbol plugtune::v1::join(int)": "void"}, "symbol plugtune::v1::join(int) was string and is void", []),
    (record.LIBRARY, LIBRARY, {"symbol plugtune::v1::split(int)": "string"}, "", ["symbol plugtune::v1::split(int)"]),
]

# In the headers themselves: what is written there, what in its place.
CHANGES = [
    ("  virtual void apply(Model& model) = 0;\n", "  virtual void apply(Model& model) = 0;\n  virtual void prepare(Model& model);\n"),
    ("  int64_t label = 0; ", "  int32_t weight = 1;\n  int64_t label = 0; "),
    ("  virtual void train_base(const std::string& name) = 0;\n",
     "  virtual void train_base(const std::string& name) = 0;\n  virtual int64_t more() = 0;\n"),
    ("enum class Split : int32_t { kTrain = 1, kValidation, kTest };", "enum class Split : int32_t { kTrain = 1, kTest, kValidation };"),
    ("  int64_t rows() const noexcept; ", "  int32_t rows() const noexcept; "),
    ("  plugtune::Exchange* (*create_exchange)(); ", "  plugtune::Exchange* (*create_exchange)();\n  void* more; "),
]


class Record(unittest.TestCase):
    maxDiff = None

    def test_what_is_said_of_each_change(self):
        for name, was, change, said, new in CASES:
            with self.subTest(name=name, change=change):
                now = {key: value for key, value in {**was, **change}.items() if value is not None}
                self.assertEqual(record.compare({name: was}, {name: now}),
                                 ([f"{name}: {said}{FROZEN}"] if said else [], [f"{name}: {key}" for key in new]))

    def test_classes_come_and_do_not_go(self):
        self.assertEqual(record.compare({}, {"plugtune::v1::New": EXAMPLE}), ([], ["plugtune::v1::New"]))
        self.assertEqual(record.compare({"plugtune::v1::Old": EXAMPLE}, {}), (["plugtune::v1::Old is gone" + FROZEN], []))

    def test_changes_of_the_headers_are_found(self):
        build = record.Build(os.environ["PLUGTUNE_BINARY_DIR"])
        about, was = record.read()
        own = build.about()
        if any(about[key] != own[key] for key in ("compiler", "torch", "machine")):
            self.skipTest(f"recorded with {about}, this build has {own}")

        def change(headers):
            for before, after in CHANGES:
                self.assertEqual(headers.count(before), 1, before)
                headers = headers.replace(before, after)
            return headers

        broken, new = record.compare(was, record.describe(build, change))
        self.assertEqual(broken, [sentence + FROZEN for sentence in (
            "libplugtune.so: symbol plugtune::v1::Layout::rows() const was int64_t and is int32_t",
            "plugtune::v1::Example: has a new field weight (int32_t at 64); size was 80 and is 88; "
            "field label was int64_t at 64 and is int64_t at 72; field value was double at 72 and is double at 80",
            "plugtune::v1::Split: value kValidation was 2 and is 3; value kTest was 3 and is 2",
            "plugtune::v1::Strategy: has a new virtual function prepare(plugtune::v1::Model&) (void in slot 3); slots was 3 and is 4",
        )])
        self.assertLessEqual({"plugtune::v1::Model: virtual more()", "plugtune_item_v1: field more"}, set(new))


if __name__ == "__main__":
    unittest.main()
