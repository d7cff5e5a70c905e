// delta_info_test.cc - delta.json, and opening the runs that a strategy starts from.
#include "experiment/delta_info.h"

#include "experiment/config_json.h"
#include "experiment/toml.h"
#include "formats/safetensors.h"
#include "unit/experiment/support.h"

namespace plugtune::experiment {
namespace {

class Deltas : public InFolder {
 protected:
  static DeltaInfo info() {
    DeltaInfo info;
    info.run = "a";
    info.strategies = {
        {"method", "1.0.0", parse_toml("rank = 8\nalpha = 16.0\ntargets = ['query']\nranks = { x = 1 }\n", "x")}};
    info.base_path = "models/m";
    info.base_fingerprint = "abc";
    info.seed = 7;
    info.task = TaskKind::kMultiLabel;
    info.labels = {"나쁨", "좋음"};
    info.pairs = true;
    info.head_pooler = true;
    info.sources = {{"runs/s", "s", info.strategies, {{"site.patch.a", {2, 3}}}}};
    info.sources.front().sources = {{"runs/member", "member", info.strategies, {{"site.patch.b", {4}}}}};
    return info;
  }
  /// A finished run in runs/a.
  void finish_run() const {
    write("runs/a/experiment.toml", "");
    write("runs/a/report.json", "{}");
    write("runs/a/delta/delta.json", delta_info_text(info()));
    formats::write_safetensors("runs/a/delta/delta.safetensors", {{"site.patch.a", torch::full({2, 3}, 5.0)}});
  }
};

TEST_F(Deltas, EverythingIsReadBack) {
  write("delta.json", delta_info_text(info()));
  const DeltaInfo read_back = read_delta_info("delta.json");
  EXPECT_EQ(delta_info_text(read_back), delta_info_text(info()));
  EXPECT_EQ(read_back.labels, info().labels);
  EXPECT_EQ(write_toml(read_back.strategies[0].settings), write_toml(info().strategies[0].settings));
  EXPECT_EQ(read_back.sources[0].tensors, info().sources[0].tensors);
  EXPECT_EQ(read_back.sources[0].source("runs/member").tensors, info().sources[0].sources[0].tensors);
  EXPECT_EQ(error_of([&] { (void)read_back.sources[0].source("runs/other"); }),
            "runs/s: delta.json does not know its source run runs/other");
}

TEST_F(Deltas, DamageIsToldByField) {
  const auto damaged = [&](const std::string& from, const std::string& to) {
    std::string text = delta_info_text(info());
    text.replace(text.find(from), from.size(), to);
    write("delta.json", text);
    return error_of([] { read_delta_info("delta.json"); });
  };
  EXPECT_EQ(
      damaged("\"fingerprint\": \"abc\"", "\"fingerprint\": 5"),
      "delta.json: 'base.fingerprint' must be a string, got a number; the file is damaged or from another version");
  EXPECT_EQ(damaged("\"run\"", "\"ran\""),
            "delta.json: 'run' must be a string, got nothing; the file is damaged or from another version");
  EXPECT_EQ(damaged("\"schema\": 1", "\"schema\": 2"),
            "delta.json: was written by a newer plugtune (schema 2, this one reads 1); update plugtune");
  EXPECT_EQ(damaged("\"multi-label\"", "\"juggling\""),
            "delta.json: 'task.kind' must be one of classification, multi-label, regression, masked-lm, got "
            "\"juggling\"; the "
            "file is damaged or from another version");
  EXPECT_EQ(
      damaged("\"version\": \"1.0.0\"", "\"version\": null"),
      "delta.json: 'strategies[0].version' must be a string, got null; the file is damaged or from another version");
  EXPECT_EQ(
      damaged("\"seed\": 7", "\"seed\": 18446744073709551615"),
      "delta.json: 'base.seed' must be a whole number of at most 63 bits, got a number; the file is damaged or from "
      "another version");
}

TEST_F(Deltas, ShapesThatNoModelHasAreRefused) {
  // Room is made for such tensors before the file with their numbers is opened.
  for (const char* shape : {"[18446744073709551615]", "[-1]", "[2147483648, 3]", "[0, 9223372036854775807, 4]", "[1.5]",
                            "[\"2\"]", "[1,1,1,1,1,1,1,1,1]"}) {
    std::string text = delta_info_text(info());
    const std::string from = "[\n          2,\n          3\n        ]";
    ASSERT_NE(text.find(from), text.npos);
    write("delta.json", text.replace(text.find(from), from.size(), shape));
    EXPECT_EQ(error_of([] { read_delta_info("delta.json"); }),
              "delta.json: 'sources[0].tensors.site.patch.a' must be the sizes of a tensor, got an array; the file is "
              "damaged or from another version")
        << shape;
  }
}

TEST_F(Deltas, AFinishedRunOpensAsASource) {
  finish_run();
  const SourceRun run = open_source_run("runs/a", "abc");
  EXPECT_EQ(run.name, "a");
  EXPECT_EQ(run.methods[0].name, "method");
  ASSERT_EQ(run.tensors.size(), 1u);
  EXPECT_EQ(run.tensors[0].second.sum().item<double>(), 30.0);
  EXPECT_EQ(
      error_of([] { open_source_run("runs/a", "def"); }),
      "runs/a: was trained on another base model: its delta belongs to fingerprint abc (models/m), this model has def");
}

TEST_F(Deltas, ASourceIsRememberedByItsShapes) {
  finish_run();
  const DeltaInfo::Source source = describe("runs/a", open_source_run("runs/a"));
  const SourceRun again = placeholder(source);
  EXPECT_TRUE(again.placeholder);
  EXPECT_EQ(again.tensors[0].first, "site.patch.a");
  EXPECT_EQ(again.tensors[0].second.sizes(), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(again.methods[0].version, "1.0.0");
}

TEST_F(Deltas, SettingsKeepTheirTypesInJson) {
  const ConfigNode node = parse_toml("whole = 1\nreal = 1.0\nflag = true\ntext = 'x'\nlist = [1, 2.5]\n", "x");
  EXPECT_EQ(write_toml(from_json(to_json(node))), write_toml(node));
  EXPECT_EQ(write_toml_value(from_json(18446744073709551615u)), "18446744073709551616.0");  // not -1
  EXPECT_EQ(to_json(node).dump(), "{\"whole\":1,\"real\":1.0,\"flag\":true,\"text\":\"x\",\"list\":[1,2.5]}");
}

}  // namespace
}  // namespace plugtune::experiment
