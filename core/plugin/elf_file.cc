// elf_file.cc - the few fields of an ELF file that say whether it is safe to load and what it shows.
#include "plugin/elf_file.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>

#include "formats/wording.h"

namespace plugtune::plugin {
namespace {

/// The structure at `offset`; all zero when it does not lie in the file.
template <class T>
T structure_at(std::string_view bytes, uint64_t offset) {
  T value{};
  if (offset <= bytes.size() && bytes.size() - offset >= sizeof(T))
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// This program's own header: the machine that it is for is the one that plugins must be for.
const Elf64_Ehdr& own_header() {
  static const Elf64_Ehdr header = [] {
    Elf64_Ehdr own{};
    std::ifstream("/proc/self/exe", std::ios::binary).read(reinterpret_cast<char*>(&own), sizeof(own));
    return own;
  }();
  return header;
}

std::string machine_name(uint16_t machine, unsigned char elf_class) {
  static const std::map<uint16_t, std::string> kNames = {{EM_X86_64, "x86-64"}, {EM_AARCH64, "aarch64"},
                                                         {EM_386, "i386"},      {EM_ARM, "arm"},
                                                         {EM_RISCV, "riscv"},   {EM_PPC64, "ppc64"}};
  const auto known = kNames.find(machine);
  const std::string name = known == kNames.end() ? "machine " + std::to_string(machine) : known->second;
  return elf_class == ELFCLASS32 && machine == EM_X86_64 ? name + " (32 bit)" : name;
}

std::string beginning(std::string_view bytes) {
  const std::string_view start = bytes.substr(0, std::min<size_t>(bytes.find('\n'), 16));
  if (std::all_of(start.begin(), start.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f; })) {
    return fmt::format("begins with \"{}\"", start);
  }
  std::string hex;
  for (const unsigned char byte : bytes.substr(0, 4))
    hex += fmt::format(" {:02x}", byte);
  return "begins with the bytes" + hex;
}

uint64_t end_of(uint64_t offset, uint64_t size) { return offset + size < offset ? UINT64_MAX : offset + size; }

/// The bytes that a file with these headers must have.
uint64_t described_size(std::string_view bytes, const Elf64_Ehdr& header) {
  uint64_t needed = end_of(header.e_phoff, uint64_t{header.e_phnum} * sizeof(Elf64_Phdr));
  needed = std::max(needed, end_of(header.e_shoff, uint64_t{header.e_shnum} * sizeof(Elf64_Shdr)));
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const auto segment = structure_at<Elf64_Phdr>(bytes, header.e_phoff + i * sizeof(Elf64_Phdr));
    needed = std::max(needed, end_of(segment.p_offset, segment.p_filesz));
  }
  return needed;
}

std::vector<Elf64_Shdr> sections(std::string_view bytes) {
  const auto header = structure_at<Elf64_Ehdr>(bytes, 0);
  std::vector<Elf64_Shdr> all;
  for (unsigned i = 0; i < header.e_shnum; ++i)
    all.push_back(structure_at<Elf64_Shdr>(bytes, header.e_shoff + i * sizeof(Elf64_Shdr)));
  return all;
}

}  // namespace

std::string library_problem(std::string_view bytes) {
  if (bytes.empty()) return "must be a shared library, but is empty";
  if (!bytes.starts_with(ELFMAG)) return "must be a shared library, but " + beginning(bytes);
  const auto header = structure_at<Elf64_Ehdr>(bytes, 0);
  const std::string again = "; build it or copy it again";
  if (header.e_ehsize == 0) return fmt::format("is cut off after {} bytes{}", formats::grouped(bytes.size()), again);

  const Elf64_Ehdr& own = own_header();
  if (header.e_machine != own.e_machine || header.e_ident[EI_CLASS] != own.e_ident[EI_CLASS] ||
      header.e_ident[EI_DATA] != own.e_ident[EI_DATA]) {
    return fmt::format("must be a library for {}, but is for {}", machine_name(own.e_machine, own.e_ident[EI_CLASS]),
                       machine_name(header.e_machine, header.e_ident[EI_CLASS]));
  }
  if (header.e_type != ET_DYN) {
    return std::string("must be a shared library, but is ") + (header.e_type == ET_REL    ? "an object file"
                                                               : header.e_type == ET_EXEC ? "a program"
                                                                                          : "something else in ELF");
  }
  const uint64_t needed = described_size(bytes, header);
  if (needed > bytes.size()) {
    return fmt::format("is cut off: its headers speak of {} bytes but the file has {}{}", formats::grouped(needed),
                       formats::grouped(bytes.size()), again);
  }
  return "";
}

std::vector<std::string> exported_symbols(std::string_view bytes) {
  std::vector<std::string> names;
  const std::vector<Elf64_Shdr> all = sections(bytes);
  for (const Elf64_Shdr& symbols : all) {
    if (symbols.sh_type != SHT_DYNSYM || symbols.sh_link >= all.size()) continue;
    const Elf64_Shdr& strings = all[symbols.sh_link];
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= symbols.sh_size; at += sizeof(Elf64_Sym)) {
      const auto symbol = structure_at<Elf64_Sym>(bytes, symbols.sh_offset + at);
      const bool is_defined = symbol.st_shndx != SHN_UNDEF && ELF64_ST_BIND(symbol.st_info) != STB_LOCAL;
      const uint64_t name = end_of(strings.sh_offset, symbol.st_name);
      if (!is_defined || name >= bytes.size()) continue;
      names.emplace_back(bytes.substr(name, bytes.find('\0', name) - name));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace plugtune::plugin
