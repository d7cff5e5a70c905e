// peft_bin_test.cc - adapter_model.bin, which peft writes with safe_serialization=False, gives the same bits as its safetensors file.
#include "exchange/support.h"

namespace plugtune::app {
namespace {

class PeftBin : public ::testing::TestWithParam<const char*> {
 protected:
  testing::InRepository in_repository_;
};

TEST_P(PeftBin, GivesTheLogitsOfTheSafetensorsFile) {
  const std::string name = GetParam();
  const testing::Golden golden(name);
  ImportOptions options;
  options.directory = "tests/golden/peft_bin_" + name;
  options.run = "golden";
  ImportedRun bin = import_foreign(options, testing::shipped_plugins());
  ImportedRun safetensors = testing::import_case({name, "peft"});
  const Tensor logits = testing::logits_of(bin.session, golden);
  EXPECT_TRUE(near_golden(golden, "logits", logits));
  EXPECT_TRUE(torch::equal(logits, testing::logits_of(safetensors.session, golden)));
}

INSTANTIATE_TEST_SUITE_P(Golden, PeftBin,
                         ::testing::Values("lora_qv", "lora_dora", "ia3_peft", "prefix_peft", "prompt_peft",
                                           "layernorm_peft", "vera_peft"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace plugtune::app
