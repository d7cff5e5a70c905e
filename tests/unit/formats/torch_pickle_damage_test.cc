// torch_pickle_damage_test.cc - hostile, foreign and damaged files of torch.save: nothing runs, and the message says what it was.
#include "formats/atomic_file.h"
#include "formats/torch_pickle.h"
#include "formats/zip_archive.h"
#include "unit/formats/support.h"

namespace plugtune::formats {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

std::string zip_of(const Scratch& scratch, const Entries& entries) {
  AtomicFile file(scratch / "made.zip");
  ZipWriter zip(file.output());
  for (const auto& [name, bytes] : entries)
    zip.add(name, bytes);
  zip.finish();
  file.commit();
  return bytes_of(scratch / "made.zip");
}

/// BINUNICODE of a short string.
std::string text(const std::string& value) {
  std::string code = {'X', static_cast<char>(value.size()), 0, 0, 0};
  code += value;
  return code;
}

/// The instructions of one tensor; every part can be another than the right one.
struct TensorCode {
  std::string function = "ctorch._utils\n_rebuild_tensor_v2\n";
  std::string storage_type = "ctorch\nFloatStorage\n";
  std::string key = text("0");
  std::string elements = "K\x04";
  std::string offset = std::string("K\0", 2);
  std::string shape = "K\x02K\x02\x86";
  std::string strides = "K\x02K\x01\x86";

  std::string code() const {
    return function + "((" + text("storage") + storage_type + key + text("cpu") + elements + "tQ" + offset + shape +
           strides +
           "\x89"
           "ccollections\nOrderedDict\n)RtR";
  }
};

/// {"w": value}
std::string dictionary(const std::string& value) { return "\x80\x02}" + text("w") + value + "s."; }

class HostilePickle : public ::testing::Test {
 protected:
  /// What is said about an archive of this pickle and one storage of four floats.
  std::string said_about(const std::string& pickle, const std::string& storage = std::string(16, '\0')) {
    const auto path = scratch.file("x.bin", zip_of(scratch, {{"m/data.pkl", pickle}, {"m/data/0", storage}}));
    return error_of(scratch, [&] { read_torch_file(path); });
  }
  std::string said_about(const TensorCode& tensor) { return said_about(dictionary(tensor.code())); }

  Scratch scratch;
};

TEST_F(HostilePickle, TheRightOneIsRead) { EXPECT_EQ(said_about(TensorCode()), ""); }

TEST_F(HostilePickle, NoForeignNameIsLoaded) {
  const std::pair<const char*, const char*> cases[] = {
      {"cposix\nsystem\nX\x02\0\0\0id\x85R.", "posix.system"},
      {"cbuiltins\neval\n)R.", "builtins.eval"},
      {"c__builtin__\nexec\n)R.", "__builtin__.exec"},
      {"ctorch\nload\n.", "torch.load"},
      {"ctorch._utils\n_rebuild_tensor\n.", "torch._utils._rebuild_tensor"},
      {"ctorch._utils\n_rebuild_qtensor\n.", "torch._utils._rebuild_qtensor"},
      {"ctorch\nComplexFloatStorage\n.", "torch.ComplexFloatStorage"},
      {"ctorch.storage\nUntypedStorage\n.", "torch.storage.UntypedStorage"},
      {"ccollections\nOrderedDict.__init__\n.", "collections.OrderedDict.__init__"},
      {"cnumpy.core.multiarray\nscalar\n.", "numpy.core.multiarray.scalar"},
  };
  for (const auto& [code, name] : cases) {
    EXPECT_EQ(said_about("\x80\x02" + std::string(code)),
              "SCRATCH/x.bin: refuses to load global '" + std::string(name) + "'; only tensors are read");
  }
}

TEST_F(HostilePickle, NoForeignInstructionIsFollowed) {
  const std::pair<const char*, const char*> cases[] = {
      {"(iposix\nsystem\n.", "INST"}, {"(o.", "OBJ"},        {")\x81.", "NEWOBJ"},
      {")\x93.", "STACK_GLOBAL"},     {"\x82\x01.", "EXT1"}, {"\x95........", "FRAME"},
      {"Pid\n.", "PERSID"},           {"0.", "0x30"},
  };
  for (const auto& [code, name] : cases) {
    EXPECT_EQ(said_about(code),
              "SCRATCH/x.bin: refuses pickle instruction " + std::string(name) + "; only tensors are read");
  }
  EXPECT_EQ(said_about("\x80\x04}."), "SCRATCH/x.bin: is written with pickle protocol 4; torch.save uses 2");
}

TEST_F(HostilePickle, BrokenPrograms) {
  const std::string start = "SCRATCH/x.bin: is damaged at byte ";
  const std::pair<std::string, std::string> cases[] = {
      {"", "0 of its pickle: it ends in the middle of a value"},
      {"}", "1 of its pickle: it ends in the middle of a value"},
      {"X\xff\xff\xff\xff", "5 of its pickle: it ends in the middle of a value"},
      {"ctorch", "1 of its pickle: it ends in the middle of a value"},
      {".", "1 of its pickle: the stack is empty"},
      {"}}.", "3 of its pickle: values are left over at its end"},
      {"h\x07.", "2 of its pickle: it recalls a value that it never stored"},
      {"q\x01.", "2 of its pickle: the stack is empty"},
      {"t.", "1 of its pickle: a group has no beginning"},
      {"N\x86.", "2 of its pickle: the stack is empty"},
      {"N(\x85.", "3 of its pickle: the stack is empty"},
      {"NNs.", "3 of its pickle: items are added to something that has none"},
      {"}(Nu.", "4 of its pickle: a key has no value"},
      {"}Na.", "3 of its pickle: items are added to something that has none"},
      {"NNb.", "3 of its pickle: attributes are set on no dictionary"},
      {")}b.", "3 of its pickle: attributes are set on no dictionary"},
      {"N)R.", "3 of its pickle: something that is no type is called"},
      {"ctorch\nFloatStorage\n)R.", "22 of its pickle: a storage type is called"},
      {"ccollections\nOrderedDict\nN\x85R.", "28 of its pickle: an OrderedDict is made from arguments"},
      {"ctorch._utils\n_rebuild_parameter\nN\x85R.", "36 of its pickle: a parameter has no tensor"},
      {"NQ.", "2 of its pickle: a storage has no description"},
      {"(NNNNNNNNNtQ.", "12 of its pickle: a storage has no description"},
      {"\x8a\x09"
       "123456789.",
       "11 of its pickle: an integer has more than 64 bits"},
      {std::string(5'000'000, 'N'), "4000001 of its pickle: it has more values than a model"},
  };
  for (const auto& [code, message] : cases)
    EXPECT_EQ(said_about(code), start + message);
}

TEST_F(HostilePickle, ADictionaryThatContainsItselfEndsWell) {
  // {} in the memo, stored as its own value: neither a hang nor a leak (the sanitizers look).
  EXPECT_EQ(said_about("}q\x01" + text("w") + "h\x01s."),
            "SCRATCH/x.bin: 'w' is a dictionary, not a tensor; only a plain dictionary of tensors is read");
}

TEST_F(HostilePickle, NoCommandRuns) {
  const std::string command = "touch " + (scratch / "ran").string();
  EXPECT_EQ(said_about("\x80\x02"
                       "cposix\nsystem\n" +
                       text(command) + "\x85R."),
            "SCRATCH/x.bin: refuses to load global 'posix.system'; only tensors are read");
  EXPECT_FALSE(std::filesystem::exists(scratch / "ran"));
}

TEST_F(HostilePickle, ListsInListsTakeNoStack) {
  const size_t depth = 1'000'000;
  EXPECT_EQ(said_about(std::string(depth, ']') + std::string(depth - 1, 'a') + "."),
            "SCRATCH/x.bin: holds a list; only a dictionary of tensors is read");
}

TEST_F(HostilePickle, ValuesThatDoubleTakeNoMemory) {
  // 200 pairs, each of the one before twice: 2^200 values for who writes them out.
  std::string code("}");
  code.append(text("w")).append(")");
  for (int i = 0; i < 200; ++i)
    code += std::string("q\x01h\x01\x86", 5);
  EXPECT_EQ(said_about(code + "s."),
            "SCRATCH/x.bin: 'w' is a tuple, not a tensor; only a plain dictionary of tensors is read");
}

TEST_F(HostilePickle, OnlyADictionaryOfTensors) {
  const std::string tensor = TensorCode().code();
  const std::string path = "SCRATCH/x.bin: ";
  EXPECT_EQ(said_about(tensor + "."), path + "holds a tensor; only a dictionary of tensors is read");
  EXPECT_EQ(said_about("]."), path + "holds a list; only a dictionary of tensors is read");
  EXPECT_EQ(said_about("}K\x01" + tensor + "s."),
            path + "has an integer as a key; only a dictionary of named tensors is read");
  EXPECT_EQ(said_about(dictionary("K\x01")),
            path + "'w' is an integer, not a tensor; only a plain dictionary of tensors is read");
  EXPECT_EQ(
      said_about(dictionary(dictionary(tensor).substr(2, std::string::npos).substr(0, dictionary(tensor).size() - 3))),
      path + "'w' is a dictionary, not a tensor; only a plain dictionary of tensors is read");
  EXPECT_EQ(said_about("}(" + text("w") + tensor + text("w") + tensor + "u."), path + "has the tensor 'w' twice");
}

TEST_F(HostilePickle, TensorsStayWithinTheirStorages) {
  const std::string start = "SCRATCH/x.bin: tensor 'w' ";
  const std::string max = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";  // the largest 64-bit integer
  const auto does_not_fit = [&](const std::string& what) {
    return start + what + " does not fit into its storage of 4 elements";
  };
  EXPECT_EQ(said_about(TensorCode{.offset = "K\x01"}), does_not_fit("of shape (2, 2), strides (2, 1) and offset 1"));
  EXPECT_EQ(said_about(TensorCode{.shape = "K\x02K\x03\x86"}),
            does_not_fit("of shape (2, 3), strides (2, 1) and offset 0"));
  EXPECT_EQ(said_about(TensorCode{.strides = "K\x04K\x01\x86"}),
            does_not_fit("of shape (2, 2), strides (4, 1) and offset 0"));
  EXPECT_EQ(said_about(TensorCode{.shape = max + max + "\x86"}),
            does_not_fit("of shape (9223372036854775807, 9223372036854775807), strides (2, 1) and offset 0"));
  EXPECT_EQ(said_about(TensorCode{.strides = max + max + "\x86"}),
            does_not_fit("of shape (2, 2), strides (9223372036854775807, 9223372036854775807) and offset 0"));
  EXPECT_EQ(said_about(TensorCode{.offset = max}),
            does_not_fit("of shape (2, 2), strides (2, 1) and offset 9223372036854775807"));
  EXPECT_EQ(
      said_about(TensorCode{.shape = std::string("J\0\0\0\x40K\x01\x86", 8), .strides = std::string("K\0K\0\x86", 5)}),
      does_not_fit("of shape (1073741824, 1), strides (0, 0) and offset 0"));
  // Without an element, but its strides are products of its sizes.
  EXPECT_EQ(
      said_about(TensorCode{.shape = std::string("K\0", 2) + max + max + "\x87", .strides = "K\x01K\x01K\x01\x87"}),
      does_not_fit("of shape (0, 9223372036854775807, 9223372036854775807), strides (1, 1, 1) and offset 0"));
  EXPECT_EQ(said_about(TensorCode{.shape = std::string("K\0", 2) + max + "\x86"}),
            does_not_fit("of shape (0, 9223372036854775807), strides (2, 1) and offset 0"));
  EXPECT_EQ(said_about(TensorCode{.shape = "K\x02\x85"}), start + "has 1 sizes and 2 strides");
  EXPECT_EQ(said_about(TensorCode{.shape = "N"}), start + "has no shape");
  EXPECT_EQ(said_about(TensorCode{.shape = "J\xff\xff\xff\xffK\x02\x86"}),
            start + "has a size or offset that is no number");
  EXPECT_EQ(said_about(TensorCode{.offset = "N"}), start + "has a size or offset that is no number");
  EXPECT_EQ(said_about(TensorCode{.storage_type = "N"}), start + "has a storage of an unknown form");
  EXPECT_EQ(said_about(TensorCode{.storage_type = "ccollections\nOrderedDict\n"}),
            start + "has a storage of type 'collections.OrderedDict'");
  EXPECT_EQ(said_about(TensorCode{.key = text("7")}), start + "lies in storage '7', which the file does not have");
  EXPECT_EQ(said_about(TensorCode{.key = text("../0")}),
            start + "lies in storage '../0', which the file does not have");
  EXPECT_EQ(said_about(dictionary("ctorch._utils\n_rebuild_tensor_v2\n)R")), start + "has no storage");
  EXPECT_EQ(said_about(dictionary(TensorCode().code()), std::string(15, '\0')),
            "SCRATCH/x.bin: storage '0' of tensor 'w' must have 4 elements, but the file has 3; it is cut off, copy it "
            "again");
}

class ForeignFile : public ::testing::Test {
 protected:
  std::string said_about(const std::string& bytes) {
    return error_of(scratch, [&] { read_torch_file(scratch.file("x.bin", bytes)); });
  }
  Scratch scratch;
};

TEST_F(ForeignFile, ZipsThatAreNoneOfTorchSave) {
  EXPECT_EQ(said_about(zip_of(scratch, {{"word/document.xml", "<w>"}})),
            "SCRATCH/x.bin: is a zip archive, but not of torch.save: it has no data.pkl");
  EXPECT_EQ(said_about(zip_of(scratch, {{"m/data.pkl", "}."}, {"m/constants.pkl", ")."}})),
            "SCRATCH/x.bin: is a TorchScript program; only dictionaries of tensors are read "
            "(torch.save(model.state_dict(), ..))");
  EXPECT_EQ(said_about(zip_of(scratch, {{"m/data.pkl", "}."}, {"n/data.pkl", "}."}})),
            "SCRATCH/x.bin: must have one data.pkl, got 'm/data.pkl' and 'n/data.pkl': two models in one file");
  EXPECT_EQ(said_about(zip_of(scratch, {{"m/data.pkl", "}."}, {"m/data/../../x", "1234"}})),
            "SCRATCH/x.bin: entry 'm/data/../../x' leads out of the archive; torch.save writes no such names");
  EXPECT_EQ(said_about(zip_of(scratch, {{"m/data.pkl", "}."}, {"m/byteorder", "big"}})),
            "SCRATCH/x.bin: must have little-endian numbers, got 'big'");
}

TEST_F(ForeignFile, OtherFiles) {
  EXPECT_EQ(said_about(""), "SCRATCH/x.bin: is not a file of torch.save");
  EXPECT_EQ(said_about("<!DOCTYPE html>"), "SCRATCH/x.bin: is not a file of torch.save");
  EXPECT_EQ(said_about("\x80\x02}."), "SCRATCH/x.bin: is a pickle, but not one of torch.save");
  EXPECT_EQ(said_about("\x80\x02"
                       "cos\nsystem\n."),
            "SCRATCH/x.bin: refuses to load global 'os.system'; only tensors are read");
  EXPECT_EQ(error_of(scratch, [&] { read_torch_file(scratch / "none.bin"); }), "SCRATCH/none.bin: not found");
  EXPECT_EQ(error_of(scratch, [&] { read_torch_file(scratch.path()); }), "SCRATCH: cannot be read: is a directory");
}

TEST_F(ForeignFile, EveryCutOfARealFileIsRefused) {
  for (const char* name : {"plain.bin", "legacy.bin", "legacy_views.bin"}) {
    const std::string whole = bytes_of(golden(name));
    for (size_t length = 0; length < whole.size(); length += length < 200 ? 1 : 7) {
      EXPECT_NE(said_about(whole.substr(0, length)), "") << name << " " << length;
    }
  }
  const std::string legacy = bytes_of(golden("legacy_views.bin"));
  EXPECT_EQ(
      said_about(legacy.substr(0, legacy.size() - 1)),
      "SCRATCH/x.bin: storage 'root' begins at byte 414 and ends after the file's 469; it is cut off, copy it again");
}

TEST_F(ForeignFile, NoFlippedByteIsWorseThanAnError) {
  // Any outcome but a crash; the sanitizers look for what this cannot see.
  for (const char* name : {"plain.bin", "legacy.bin"}) {
    const std::string whole = bytes_of(golden(name));
    for (size_t at = 0; at < whole.size(); ++at) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << at % 8));
      error_of(scratch, [&] {
        for (const auto& [key, tensor] : read_torch_file(scratch.file("x.bin", flipped)))
          tensor.sum();
      });
    }
  }
}

}  // namespace
}  // namespace plugtune::formats
