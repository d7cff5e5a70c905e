// zip.cc - fuzz target: entries of an accepted archive lie within the file, and none in another.
#include <algorithm>
#include <vector>

#include "formats/zip_archive.h"
#include "fuzz/fuzz.h"

using namespace plugtune;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto path = fuzz::file("x.zip", fuzz::text(data, size));
  fuzz::accepted([&] {
    const formats::ZipArchive archive(formats::MappedFile::open(path));
    std::vector<std::pair<uint64_t, uint64_t>> places;
    uint32_t sum = 0;
    for (const auto& [name, entry] : archive.entries()) {
      const std::string_view bytes = archive.bytes(entry);
      fuzz::require(bytes.size() == entry.size, "an entry has its size");
      sum += formats::crc32(bytes.data(), bytes.size());
      places.emplace_back(entry.begin, entry.begin + entry.size);
    }
    std::sort(places.begin(), places.end());
    for (size_t i = 1; i < places.size(); ++i)
      fuzz::require(places[i - 1].second <= places[i].first, "entries do not overlap");
    (void)sum;
  });
  return 0;
}
