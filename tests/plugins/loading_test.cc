// loading_test.cc - names to files, stamps to differences, plugins to objects.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "formats/mapped_file.h"
#include "plugin/loader.h"
#include "plugin/stamp.h"

namespace plugtune::plugin {
namespace {

namespace fs = std::filesystem;

/// A working directory of its own, with folders of empty plugin files.
class Searching : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "plugtune-search-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    before_ = fs::current_path();
    fs::current_path(directory_);
  }
  void TearDown() override {
    fs::current_path(before_);
    fs::remove_all(directory_);
  }
  static void make(const std::string& path) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << "x";
  }
  static std::string message(Kind kind, const std::string& name, const SearchPath& search) {
    try {
      return "found " + resolve(kind, name, search);
    } catch (const Error& error) {
      return error.what();
    }
  }
  fs::path directory_, before_;
};

TEST_F(Searching, TheFirstPlaceThatHasTheNameWins) {
  make("mine/a.strategy.so");
  make("shared/a.strategy.so");
  make("shared/b.strategy.so");
  make("lib/plugtune/b.strategy.so");
  make("lib/plugtune/c.dataset.so");
  const SearchPath search{{"mine"}, "other:shared", "lib/plugtune"};
  EXPECT_EQ(resolve(Kind::kStrategy, "a", search), "mine/a.strategy.so");
  EXPECT_EQ(resolve(Kind::kStrategy, "b", search), "shared/b.strategy.so");
  EXPECT_EQ(resolve(Kind::kDataset, "c", search), "lib/plugtune/c.dataset.so");
}

TEST_F(Searching, AValueWithASlashIsAPathAndIsNotLookedUp) {
  EXPECT_EQ(resolve(Kind::kStrategy, "./x.strategy.so", SearchPath{}), "./x.strategy.so");
}

TEST_F(Searching, NotFoundNamesEveryPlaceAndItsState) {
  make("methods/ia3.strategy.so");
  make("methods/unrelated.txt");
  const SearchPath search{{}, "methods", "build/release/lib/plugtune"};
  EXPECT_EQ(message(Kind::kStrategy, "lora", search),
            "plugin 'lora': not found. Looked in\n"
            "  --plugin-path            not given\n"
            "  PLUGTUNE_PLUGIN_PATH     methods: no lora.strategy.so (has: ia3.strategy.so)\n"
            "  build/release/lib/plugtune: does not exist\n"
            "put lora.strategy.so into one of these, name its folder with --plugin-path, or write its path: plugin = "
            "\"./lora.strategy.so\"");
}

TEST_F(Searching, APluginOfTheBuildTreeIsAnsweredWithTheCommandThatBuildsIt) {
  make("build/release/CMakeCache.txt");
  fs::create_directories("build/release/plugins/lora");
  const SearchPath search{{}, std::nullopt, "build/release/lib/plugtune"};
  EXPECT_EQ(message(Kind::kStrategy, "lora", search),
            "plugin 'lora': not found. Looked in\n"
            "  --plugin-path            not given\n"
            "  PLUGTUNE_PLUGIN_PATH     not set\n"
            "  build/release/lib/plugtune: does not exist\n"
            "build it with: cmake --build build/release --target lora");
}

TEST_F(Searching, TheNearestNameIsOffered) {
  make("a/adapter.strategy.so");
  make("b/file");
  make("c/nsmc.dataset.so");
  const SearchPath search{{"a", "b/file", "c"}, "", ""};
  EXPECT_EQ(
      message(Kind::kStrategy, "adaptor", search),
      "plugin 'adaptor': not found; did you mean 'adapter'? Looked in\n"
      "  --plugin-path            a: no adaptor.strategy.so (has: adapter.strategy.so)\n"
      "  --plugin-path            b/file: is not a directory\n"
      "  --plugin-path            c: no adaptor.strategy.so (has no strategy)\n"
      "  PLUGTUNE_PLUGIN_PATH     not set\n"
      "put adaptor.strategy.so into one of these, name its folder with --plugin-path, or write its path: plugin = "
      "\"./adaptor.strategy.so\"");
}

TEST_F(Searching, APluginOfTheOtherKindIsShown) {
  make("a/nsmc.dataset.so");
  EXPECT_THAT(message(Kind::kStrategy, "nsmc", SearchPath{{"a"}, {}, ""}),
              testing::HasSubstr("a: no nsmc.strategy.so (has: nsmc.dataset.so)"));
}

TEST_F(Searching, TheListShowsWhatIsShadowed) {
  make("a/x.strategy.so");
  make("b/x.strategy.so");
  make("b/x.dataset.so");
  make("b/libx.so");
  const std::vector<Found> found = list(SearchPath{{"a", "b", "b"}, {}, ""});
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].path, "a/x.strategy.so");
  EXPECT_EQ(found[0].shadowed_by, "");
  EXPECT_EQ(found[1].path, "b/x.strategy.so");
  EXPECT_EQ(found[1].shadowed_by, "a/x.strategy.so");
  EXPECT_EQ(found[2].kind, Kind::kDataset);
}

TEST_F(Searching, AFileOfAnotherNameIsNoPlugin) {
  for (const std::string name : {"x.so", ".strategy.so", "x.strategy.so.1", "x.plugin.so", "strategy.so"}) {
    try {
      kind_and_name("dir/" + name);
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.what(),
                "dir/" + name + ": a plugin's file must be called <name>.strategy.so or <name>.dataset.so");
    }
  }
}

// --- stamps ----------------------------------------------------------------------------------------------------------------

// In two halves, or this test would carry a stamp.
const std::string kMagic = std::string("PLUGTUNE-ABI-") + "STAMP:";

TEST(Stamp, IsFoundAmongOtherBytes) {
  const std::string bytes = std::string(
                                "\x7f"
                                "ELF\0\1\2",
                                7) +
                            kMagic + "x;" + std::string(1, '\0') + kMagic + "1;sdk=1.0;torch=2.11.0;;odd;" +
                            std::string("\0\0more", 6);
  const std::optional<Stamp> stamp = find_stamp(bytes);
  ASSERT_TRUE(stamp);
  EXPECT_EQ(stamp->format, 1);
  EXPECT_EQ(stamp->field("sdk"), "1.0");
  EXPECT_EQ(stamp->field("torch"), "2.11.0");
  EXPECT_EQ(stamp->fields.size(), 2u);
}

TEST(Stamp, ThatIsCutOffIsNoStamp) {
  EXPECT_FALSE(find_stamp(""));
  EXPECT_FALSE(find_stamp(kMagic));
  EXPECT_FALSE(find_stamp(kMagic + "1"));
  EXPECT_FALSE(find_stamp(kMagic.substr(0, kMagic.size() - 1)));
}

TEST(Stamp, OfAnOlderMinorFitsAndUnknownFieldsAreIgnored) {
  Stamp host = host_stamp(), plugin = host_stamp();
  host.fields[0] = {"sdk", "1.4"};
  plugin.fields[0] = {"sdk", "1.3"};
  plugin.fields.emplace_back("weather", "fine");
  EXPECT_THAT(stamp_differences(plugin, host), testing::IsEmpty());
}

TEST(Stamp, OfOtherHeadersIsOnlyANote) {
  Stamp plugin = host_stamp();
  EXPECT_EQ(stamp_note(plugin, host_stamp()), "");
  for (auto& [name, value] : plugin.fields) {
    if (name == "sdk_hash") value = "0123456789ab";
  }
  EXPECT_THAT(stamp_differences(plugin, host_stamp()), testing::IsEmpty());
  EXPECT_EQ(stamp_note(plugin, host_stamp()),
            "was built against SDK headers that differ from this plugtune's, perhaps in comments only");
}

TEST(Stamp, IsInPluginsOnly) {
  const auto has_stamp = [](const std::string& path) {
    return find_stamp(formats::MappedFile::open(path)->bytes()).has_value();
  };
  EXPECT_TRUE(has_stamp(PLUGTUNE_BINARY_DIR "/tests/broken/sound.strategy.so"));
  EXPECT_FALSE(has_stamp("/proc/self/exe"));
  EXPECT_FALSE(has_stamp(PLUGTUNE_BINARY_DIR "/lib/libplugtune.so"));
}

TEST(Stamp, SurvivesStripping) {
  const std::string path = (fs::temp_directory_path() / "plugtune-stripped.strategy.so").string();
  const std::string command = "strip -o " + path + " " PLUGTUNE_BINARY_DIR "/tests/broken/sound.strategy.so";
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_TRUE(find_stamp(formats::MappedFile::open(path)->bytes()));
  fs::remove(path);
}

// --- objects ---------------------------------------------------------------------------------------------------------------

const SearchPath kBroken{{PLUGTUNE_BINARY_DIR "/tests/broken"}, {}, ""};

TEST(Loading, APluginSaysWhatItIs) {
  const Plugin plugin = load(Kind::kStrategy, "sound", kBroken);
  EXPECT_EQ(plugin.name(), "sound");
  EXPECT_EQ(plugin.version(), "1.0.0");
  EXPECT_EQ(plugin.summary(), "a learned factor per output");
  EXPECT_EQ(plugin.path(), PLUGTUNE_BINARY_DIR "/tests/broken/sound.strategy.so");
  EXPECT_EQ(plugin.subject(), "strategy 'sound' 1.0.0 (" + plugin.path() + ")");
  EXPECT_FALSE(plugin.has_flag(PLUGTUNE_FLAG_NOT_IDENTITY));
}

TEST(Loading, CapabilitiesAreFoundWhenTheStrategyIsMade) {
  const LoadedStrategy plain = load(Kind::kStrategy, "sound", kBroken).create_strategy(ConfigView());
  EXPECT_EQ(plain.state, nullptr);
  EXPECT_EQ(plain.observer, nullptr);
  const LoadedStrategy able = load(Kind::kStrategy, "accepts-any-state", kBroken).create_strategy(ConfigView());
  ASSERT_NE(able.state, nullptr);
  EXPECT_EQ(able.state->save_state(), "budget 12");
}

TEST(Loading, TheHostRejectsUnknownKeysWhenThePluginForgets) {
  ConfigNode settings{ConfigNode::Table{}};
  settings.set("rnak", {int64_t{4}, 9});
  const ConfigView view(settings, {"strategy", "strategy 'accepts-unknown-keys'", "lora.toml", {}});
  try {
    load(Kind::kStrategy, "accepts-unknown-keys", kBroken).create_strategy(view);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(
        error.what(),
        "strategy.rnak: unknown key; did you mean 'rank'? keys of strategy 'accepts-unknown-keys': rank (lora.toml:9)");
  }
}

TEST(Loading, AStrategyIsNoDataset) {
  const std::string path = PLUGTUNE_BINARY_DIR "/tests/broken/sound.strategy.so";
  try {
    load(Kind::kDataset, path, kBroken);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), path + ": must be a dataset (<name>.dataset.so), but its name says strategy");
  }
}

TEST(Loading, EveryCallToADatasetIsGuarded) {
  ConfigNode settings{ConfigNode::Table{}};
  settings.set("path", {std::string("anywhere")});
  settings.set("fault", {std::string("throws-reading")});
  const LoadedDataset loaded = load(Kind::kDataset, "faulty-data", kBroken).create_dataset(ConfigView(settings));
  EXPECT_EQ(loaded.dataset->size(Split::kTrain), 100u);
  EXPECT_EQ(loaded.dataset->at(Split::kTrain, 3).text_a, "text 3");
  try {
    loaded.dataset->at(Split::kTrain, 17);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), "in dataset 'faulty-data' 1.0.0 (" + loaded.file() + "), at(): vector::at");
  }
}

}  // namespace
}  // namespace plugtune::plugin
