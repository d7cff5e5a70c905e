// sha256_test.cc - the hash against published vectors, its two implementations against each other, and the fingerprint.
#include "formats/sha256.h"

#include <gtest/gtest.h>

#include "formats/fingerprint.h"

namespace plugtune::formats {
namespace {

std::string hash(const std::string& text) { return hex(Sha256::of(text.data(), text.size())); }

TEST(Sha256, GivesThePublishedDigests) {  // FIPS 180-2, appendix B
  EXPECT_EQ(hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hash(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesGiveTheDigestOfTheWhole) {
  std::string text;
  for (int i = 0; i < 300; ++i)
    text += static_cast<char>(i * 7);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    Sha256 sha;
    sha.update(std::string_view(text).substr(0, cut));
    sha.update(std::string_view(text).substr(cut));
    EXPECT_EQ(hex(sha.finish()), hash(text)) << cut;
  }
}

TEST(Sha256, TheInstructionsGiveWhatThePortableCodeGives) {
  if (!detail::has_sha_instructions()) GTEST_SKIP() << "this processor has no SHA instructions";
  std::vector<uint8_t> data(64 * 130);
  for (size_t i = 0; i < data.size(); ++i)
    data[i] = static_cast<uint8_t>(i * i >> 3);
  for (size_t blocks = 0; blocks <= 130; blocks += 13) {
    uint32_t portable[8] = {1, 2, 3, 4, 5, 6, 7, 0xffffffff}, instructions[8] = {1, 2, 3, 4, 5, 6, 7, 0xffffffff};
    detail::sha256_blocks_portable(portable, data.data(), blocks);
    detail::sha256_blocks_instructions(instructions, data.data(), blocks);
    EXPECT_TRUE(std::equal(portable, portable + 8, instructions)) << blocks;
  }
}

class Fingerprint : public ::testing::Test {
 protected:
  Fingerprint() {
    encoder["a"] = torch::arange(6, torch::kFloat).view({2, 3});
    encoder["b"] = torch::arange(3'000'000, torch::kFloat);  // three pieces
  }
  BertConfig config;
  NamedTensors encoder;
};

TEST_F(Fingerprint, IsWhatItWasWhenDeltasWereSaved) {
  // Changing this value makes every delta that people have refuse its base. Don't.
  EXPECT_EQ(fingerprint(config, encoder), "4027a8e90277c8c8861096c2d4aed269953d4797da2470d1ebfd2da8e1e50668");
}

TEST_F(Fingerprint, DoesNotDependOnTypeOrLayoutOfTheSameNumbers) {
  NamedTensors other = encoder;
  other["a"] = encoder["a"].to(torch::kHalf);
  other["b"] = torch::stack({encoder["b"], encoder["b"]}, 1).select(1, 0);
  EXPECT_EQ(fingerprint(config, other), fingerprint(config, encoder));
}

TEST_F(Fingerprint, ChangesWithEveryNumberNameShapeAndSettingThatCounts) {
  const std::string base = fingerprint(config, encoder);
  NamedTensors number = encoder, name = encoder, shape = encoder;
  number["b"] = encoder["b"].clone();
  number["b"][2'999'999] += 1;
  name["c"] = name.extract("b").mapped();
  shape["a"] = encoder["a"].view({3, 2});
  BertConfig act = config, heads = config, eps = config, dropout = config;
  act.hidden_act = "relu";
  heads.num_attention_heads = 6;
  eps.layer_norm_eps = 1e-5;
  dropout.hidden_dropout_prob = 0;  // a training setting, not the model's function
  EXPECT_NE(fingerprint(config, number), base);
  EXPECT_NE(fingerprint(config, name), base);
  EXPECT_NE(fingerprint(config, shape), base);
  EXPECT_NE(fingerprint(act, encoder), base);
  EXPECT_NE(fingerprint(heads, encoder), base);
  EXPECT_NE(fingerprint(eps, encoder), base);
  EXPECT_EQ(fingerprint(dropout, encoder), base);
}

}  // namespace
}  // namespace plugtune::formats
