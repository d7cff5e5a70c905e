// tokenize_lines.cc - ids of every line of a file, to be compared with tests/golden/tokenize_reference.py.
//
//   tokenize_lines MODEL_DIR FILE [--max-length N] [--pairs] [--threads N]    one {"ids":[..],"types":[..]} per line
//   tokenize_lines MODEL_DIR FILE ... --save DIR                              also writes the tokenizer back
//   tokenize_lines MODEL_DIR FILE ... --time N                                one line of JSON: tokens, best seconds of N
//
// A line ends at "\n" only; with --pairs its first tab separates two texts.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "text/files.h"
#include "text/tokenizer.h"

namespace {

using namespace plugtune::text;

std::vector<TextPair> lines_of(std::string_view text, bool pairs) {
  std::vector<TextPair> lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const size_t tab = pairs ? line.find('\t') : std::string_view::npos;
    lines.push_back(tab == std::string_view::npos ? TextPair{line}
                                                  : TextPair{line.substr(0, tab), line.substr(tab + 1)});
  }
  return lines;
}

double seconds(const std::chrono::steady_clock::time_point& since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

int run(const std::vector<std::string>& arguments) {
  std::vector<std::string> places;
  std::string save;
  int64_t max_length = int64_t{1} << 40;
  int threads = 1, times = 0;
  bool pairs = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const bool has_value = i + 1 < arguments.size();
    if (arguments[i] == "--pairs") {
      pairs = true;
    } else if (arguments[i] == "--time" && has_value) {
      times = std::stoi(arguments[++i]);
    } else if (arguments[i] == "--max-length" && has_value) {
      max_length = std::stoll(arguments[++i]);
    } else if (arguments[i] == "--save" && has_value) {
      save = arguments[++i];
    } else if (arguments[i] == "--threads" && has_value) {
      threads = std::stoi(arguments[++i]);
    } else {
      places.push_back(arguments[i]);
    }
  }
  if (places.size() != 2) {
    std::fputs(
        "usage: tokenize_lines MODEL_DIR FILE [--max-length N] [--pairs] [--threads N] [--save DIR] [--time N]\n",
        stderr);
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  const Tokenizer tokenizer = Tokenizer::load(places[0]);
  const double load_seconds = seconds(start);
  for (const std::string& note : tokenizer.notes())
    std::fprintf(stderr, "%s\n", note.c_str());
  if (!save.empty()) tokenizer.save(save);
  const std::string text = read_text_file(places[1]);
  const std::vector<TextPair> lines = lines_of(text, pairs);

  EncodedTexts encoded;
  double best = 1e9;
  for (int repeat = 0; repeat < std::max(times, 1); ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    encoded = tokenizer.encode_all(lines, max_length, threads);
    best = std::min(best, seconds(begin));
  }
  if (times > 0) {
    std::printf(
        "{\"texts\": %zu, \"bytes\": %zu, \"tokens\": %zu, \"words\": %lld, \"unknown\": %lld, \"threads\": %d, "
        "\"load_seconds\": %.4f, \"seconds\": %.4f, \"us_per_text\": %.4f}\n",
        lines.size(), text.size(), encoded.ids.size(), static_cast<long long>(encoded.words),
        static_cast<long long>(encoded.unknown), threads, load_seconds, best,
        best / static_cast<double>(lines.size()) * 1e6);
    return 0;
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::span<const int32_t> ids = encoded[i];
    std::string out = "{\"ids\":[", types;
    for (size_t t = 0; t < ids.size(); ++t) {
      if (t > 0) out += ',', types += ',';
      out += std::to_string(ids[t]);
      types += static_cast<int32_t>(t) < encoded.first_lengths[i] ? '0' : '1';
    }
    std::puts((out + "],\"types\":[" + types + "]}").c_str());
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) try {
  return run({arguments + 1, arguments + count});
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
