// zip_archive_test.cc - the archives of torch.save, those of others, and damaged ones.
#include "formats/zip_archive.h"

#include <cstring>

#include "formats/atomic_file.h"
#include "unit/formats/support.h"

namespace plugtune::formats {
namespace {

std::string archive_bytes(const Scratch& scratch, uint64_t zip64_from = 0xFFFFFFFF) {
  AtomicFile file(scratch / "made.zip");
  ZipWriter zip(file.output(), zip64_from);
  zip.add("a", "first");
  zip.add("m/b", "second entry", 12, 64);
  zip.finish();
  file.commit();
  return bytes_of(scratch / "made.zip");
}

/// What is said about these bytes; "" when they are fine.
std::string said_about(const Scratch& scratch, const std::string& bytes) {
  return error_of(scratch, [&] { ZipArchive(MappedFile::open(scratch.file("x.zip", bytes))); });
}

std::string with(std::string bytes, size_t at, const std::string& other) {
  return bytes.replace(at, other.size(), other);
}

TEST(Crc32, IsTheOneOfZip) {
  EXPECT_EQ(crc32("123456789", 9), 0xCBF43926u);
  EXPECT_EQ(crc32("", 0), 0u);
}

TEST(ZipArchive, ReadsWhatItWritesInPlaceAndAligned) {
  const Scratch scratch;
  for (const uint64_t zip64_from : {uint64_t{0xFFFFFFFF}, uint64_t{0}, uint64_t{10}}) {
    archive_bytes(scratch, zip64_from);
    const ZipArchive archive(MappedFile::open(scratch / "made.zip"));
    ASSERT_EQ(archive.entries().size(), 2u);
    EXPECT_EQ(archive.bytes(*archive.find("a")), "first");
    EXPECT_EQ(archive.bytes(*archive.find("m/b")), "second entry");
    EXPECT_EQ(archive.find("m/b")->begin % 64, 0u);
    EXPECT_EQ(archive.find("c"), nullptr);
  }
}

TEST(ZipArchive, ACommentAtTheEndDoesNotMatter) {
  const Scratch scratch;
  std::string bytes = archive_bytes(scratch);
  bytes[bytes.size() - 2] = 7;
  EXPECT_EQ(said_about(scratch, bytes + "PK\x05\x06 it"), "");
}

TEST(DamagedZip, IsRefusedWithTheReason) {
  const Scratch scratch;
  const std::string whole = archive_bytes(scratch);
  const size_t directory = whole.find("PK\x01\x02"), second = whole.find("PK\x01\x02", directory + 4);
  const auto damaged = [](const std::string& what) {
    return "SCRATCH/x.zip: is a damaged zip archive: " + what + "; copy it again";
  };
  struct Case {
    std::string bytes, message;
  };
  const Case cases[] = {
      {whole, ""},
      {whole.substr(0, whole.size() - 1),
       "SCRATCH/x.zip: is a zip archive without its end; it is cut off, copy it again"},
      {whole.substr(0, 10), "SCRATCH/x.zip: is a zip archive without its end; it is cut off, copy it again"},
      {with(whole, directory, "xx"), damaged("its directory has no entry at byte " + std::to_string(directory))},
      {with(whole, directory + 8, "\x01"), "SCRATCH/x.zip: entry 'a' is encrypted"},
      {with(whole, directory + 10, "\x08"),
       "SCRATCH/x.zip: entry 'a' is compressed; torch.save stores its entries uncompressed"},
      {with(whole, directory + 20, "\x06"), damaged("entry 'a' has two sizes, 6 and 5")},
      {with(whole, directory + 20, std::string("\x05\0\0\x01\x05\0\0\x01", 8)),
       damaged("entry 'a' ends at byte 16,777,252 but the file has 258")},
      {with(whole, directory + 20, "\xff\xff\xff\xff\xff\xff\xff\xff"),
       damaged("a size of more than 4 GB is missing in its directory")},
      {with(whole, directory + 42, "\x01"), damaged("entry 'a' does not begin at byte 1")},
      {with(whole, directory + 42, "\x01\x01\x01\x01"), damaged("it points to byte 16,843,009 of 258")},
      {with(whole, directory + 46, "b"), damaged("entry 'b' calls itself 'a'")},
      {with(whole, 30, "b"), damaged("entry 'a' calls itself 'b'")},
      {with(whole, second + 28, "\x01"), damaged("entry 'm' calls itself 'm/b'")},
      {with(whole, directory + 28, "\xff\xff"), damaged("it points to byte 186 of 258")},
  };
  for (const Case& c : cases)
    EXPECT_EQ(said_about(scratch, c.bytes), c.message);
}

TEST(DamagedZip, NamesThatLeadOutOfTheArchive) {
  const Scratch scratch;
  for (const std::string name : {"../x", "m/../../x", "m/..", "/etc/passwd", "m\\x", ""}) {
    AtomicFile file(scratch / "made.zip");
    ZipWriter zip(file.output());
    zip.add(name, "x");
    zip.finish();
    file.commit();
    EXPECT_EQ(said_about(scratch, bytes_of(scratch / "made.zip")),
              "SCRATCH/x.zip: entry '" + name + "' leads out of the archive; torch.save writes no such names");
  }
}

TEST(DamagedZip, EntriesThatSayOtherThingsThanTheDirectory) {
  const Scratch scratch;
  const std::string whole = archive_bytes(scratch);
  const std::string start = "SCRATCH/x.zip: is a damaged zip archive: entry 'a' ";
  const std::string packed =
      start + "is stored according to the directory, and packed or encrypted according to itself; copy it again";
  EXPECT_EQ(said_about(scratch, with(whole, 6, "\x01")), packed);
  EXPECT_EQ(said_about(scratch, with(whole, 8, "\x08")), packed);
  EXPECT_EQ(said_about(scratch, with(whole, 18, "\x06")),
            start + "has 5 bytes according to the directory, 6 according to itself; copy it again");
  EXPECT_EQ(said_about(scratch, with(whole, 22, std::string("\0", 1))),
            start + "has 5 bytes according to the directory, 0 according to itself; copy it again");
  EXPECT_EQ(said_about(scratch, with(with(whole, 6, "\x08"), 22, std::string("\0", 1))), "");  // sizes follow
}

TEST(DamagedZip, EntriesThatShareBytes) {
  const Scratch scratch;
  const std::string whole = archive_bytes(scratch);
  const size_t directory = whole.find("PK\x01\x02"), second = whole.find("PK\x01\x02", directory + 4);
  const auto with_size = [&](size_t local, size_t central, char size) {
    const std::string sizes = {size, 0, 0, 0, size, 0, 0, 0};
    return with(with(whole, local + 18, sizes), central + 20, sizes);
  };
  EXPECT_EQ(
      said_about(scratch, with_size(0, directory, 10)),
      "SCRATCH/x.zip: is a damaged zip archive: the entry at byte 0 ends at byte 41, in the middle of what begins at "
      "byte 36; copy it again");
  EXPECT_EQ(
      said_about(scratch, with_size(36, second, 100)),
      "SCRATCH/x.zip: is a damaged zip archive: the entry at byte 36 ends at byte 228, in the middle of what begins "
      "at byte 140; copy it again");
}

TEST(DamagedZip, AnEntryTwice) {
  const Scratch scratch;
  AtomicFile file(scratch / "made.zip");
  ZipWriter zip(file.output());
  zip.add("a", "1");
  zip.add("a", "2");
  zip.finish();
  file.commit();
  EXPECT_EQ(said_about(scratch, bytes_of(scratch / "made.zip")),
            "SCRATCH/x.zip: is a damaged zip archive: it has two entries 'a'; copy it again");
}

TEST(DamagedZip, NoFlippedByteIsWorseThanAnError) {
  const Scratch scratch;
  for (const uint64_t zip64_from : {uint64_t{0xFFFFFFFF}, uint64_t{0}}) {
    const std::string whole = archive_bytes(scratch, zip64_from);
    for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
      std::string flipped = whole;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      said_about(scratch, flipped);
    }
  }
}

}  // namespace
}  // namespace plugtune::formats
