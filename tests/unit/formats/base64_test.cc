// base64_test.cc - the examples of RFC 4648, and what is refused.
#include "formats/base64.h"

#include <gtest/gtest.h>

#include <string>

namespace plugtune::formats {
namespace {

TEST(Base64, IsThatOfTheRfc) {
  const std::pair<std::string, std::string> kExamples[] = {{"", ""},
                                                           {"f", "Zg=="},
                                                           {"fo", "Zm8="},
                                                           {"foo", "Zm9v"},
                                                           {"foob", "Zm9vYg=="},
                                                           {"fooba", "Zm9vYmE="},
                                                           {"foobar", "Zm9vYmFy"}};
  for (const auto& [text, encoded] : kExamples) {
    const std::vector<uint8_t> bytes(text.begin(), text.end());
    EXPECT_EQ(to_base64(bytes), encoded);
    EXPECT_EQ(from_base64(encoded), bytes);
  }
  const std::vector<uint8_t> high = {0xFB, 0xFF, 0xBF};
  EXPECT_EQ(to_base64(high), "+/+/");
  EXPECT_EQ(from_base64("+/+/"), high);
}

TEST(Base64, OfNoWholeBytesIsRefused) {
  for (const char* text : {"Z", "Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "Zm9v\n", "Zm 9", "Zg==Zg==", "-_-_"})
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
}

}  // namespace
}  // namespace plugtune::formats
