// labels.cc - collecting label names, and saying what is wrong with one.
#include "labels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include "plugtune/error.h"

#include "columns.h"
#include "json.h"

namespace table {
namespace {

constexpr size_t kMostBits = 63;

bool is_before(const std::string& a, const std::string& b, bool as_numbers) {
  return as_numbers ? *parse_number(a) < *parse_number(b) : a < b;
}

std::vector<std::string> parts(std::string_view text, const std::string& separator) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    const std::string_view name = plugtune::trimmed(text.substr(begin, end - begin));
    if (!name.empty()) names.emplace_back(name);
    begin = end + separator.size();
  }
  return names;
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failure != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

Labels::Labels(const Settings& settings)
    : kind_(settings.kind),
      separator_(settings.label_separator),
      is_given_(!settings.labels.empty()),
      is_open_(settings.labels.empty()),
      names_(settings.labels) {
  for (size_t i = 0; i < names_.size(); ++i)
    index_[names_[i]] = static_cast<int64_t>(i);
}

std::optional<Label> Labels::read(const plugtune::TextFile& file, const Cell& cell, char quote,
                                  plugtune::FileProblems& problems) {
  if (cell.form == Form::kJsonObject) {
    problems.add(cell.begin, "label: must be a text or a number, got an object");
    return std::nullopt;
  }
  if (cell.form == Form::kJsonArray && kind_ != plugtune::TaskKind::kMultiLabel) {
    problems.add(cell.begin, "label: must be one label, got an array", "for several a row: task = \"multi-label\"");
    return std::nullopt;
  }
  if (kind_ == plugtune::TaskKind::kRegression) return read_number(file, cell, quote, problems);
  if (kind_ == plugtune::TaskKind::kMultiLabel) return read_names(file, cell, quote, problems);
  const std::string text = decode(file.text(), cell, quote);
  const std::string_view name = plugtune::trimmed(text);
  if (name.empty()) {
    problems.add(cell.begin, "label: must not be empty", "fill it in, or take the row out");
    return std::nullopt;
  }
  const auto index = index_of(name, cell.begin, problems);
  if (!index) return std::nullopt;
  return Label{*index, 0};
}

std::optional<Label> Labels::read_number(const plugtune::TextFile& file, const Cell& cell, char quote,
                                         plugtune::FileProblems& problems) const {
  const std::string text = decode(file.text(), cell, quote);
  const std::string_view digits = plugtune::trimmed(text);
  if (const auto value = parse_number(digits)) {
    if (std::abs(*value) <= std::numeric_limits<float>::max()) return Label{0, *value};
    problems.add(cell.begin, "label: must be a number that a float can hold, got " + plugtune::shown(digits));
    return std::nullopt;
  }
  std::string with_point(digits);
  std::replace(with_point.begin(), with_point.end(), ',', '.');
  const bool may_be_thousands = digits.size() > 4 && digits[digits.size() - 4] == ',';  // 1,000
  problems.add(cell.begin, "label: must be a number, got " + (digits.empty() ? "nothing" : plugtune::shown(digits)),
               may_be_thousands           ? "write it without commas, decimals with a point"
               : parse_number(with_point) ? "write decimals with a point: " + with_point
                                          : "");
  return std::nullopt;
}

std::optional<Label> Labels::read_names(const plugtune::TextFile& file, const Cell& cell, char quote,
                                        plugtune::FileProblems& problems) {
  std::vector<std::string> names;
  if (cell.form == Form::kJsonArray) {
    for (const Cell& element : json_elements(file.text(), cell)) {
      if (element.form == Form::kJsonArray || element.form == Form::kJsonObject) {
        problems.add(cell.begin, "label: must be an array of texts, got an array or object in it");
        return std::nullopt;
      }
      const std::string text = decode(file.text(), element, quote);
      if (const std::string_view name = plugtune::trimmed(text); !name.empty()) names.emplace_back(name);
    }
  } else {
    names = parts(decode(file.text(), cell, quote), separator_);
  }
  Label label;
  for (const std::string& name : names) {
    const auto index = index_of(name, cell.begin, problems);
    if (!index) return std::nullopt;
    label.index |= int64_t{1} << *index;
  }
  return label;
}

std::optional<int64_t> Labels::index_of(std::string_view name, size_t at, plugtune::FileProblems& problems) {
  if (const auto known = index_.find(name); known != index_.end()) return known->second;
  if (!is_open_) {
    const std::string hint = plugtune::did_you_mean(std::string(name), names_);
    problems.add(at,
                 std::string("label: must be ") + (is_given_ ? "in labels" : "a label of the training file") + ", " +
                     name_list(names_) + ", got " + plugtune::shown(name),
                 hint.empty() ? "" : hint.substr(2));
    return std::nullopt;
  }
  if (kind_ == plugtune::TaskKind::kMultiLabel && names_.size() == kMostBits) {
    problems.add(
        at, "label: must be at most 63 different ones for multi-label, got " + plugtune::shown(name) + " as the 64th",
        "is label_separator right? it is " + plugtune::shown(separator_));
    return std::nullopt;
  }
  names_.emplace_back(name);
  return index_[names_.back()] = static_cast<int64_t>(names_.size()) - 1;
}

void Labels::end_training(std::vector<Label*> labels) {
  if (!std::exchange(is_open_, false)) return;
  const bool as_numbers =
      std::all_of(names_.begin(), names_.end(), [](const auto& name) { return parse_number(name).has_value(); });
  std::vector<size_t> order(names_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return is_before(names_[a], names_[b], as_numbers); });
  std::vector<int64_t> place(names_.size());
  std::vector<std::string> sorted;
  for (size_t i = 0; i < order.size(); ++i) {
    place[order[i]] = static_cast<int64_t>(i);
    sorted.push_back(names_[order[i]]);
    index_[sorted.back()] = static_cast<int64_t>(i);
  }
  names_ = std::move(sorted);
  for (Label* label : labels) {
    if (kind_ == plugtune::TaskKind::kClassification) {
      label->index = place[static_cast<size_t>(label->index)];
    } else {
      int64_t bits = 0;
      for (size_t i = 0; i < place.size(); ++i)
        bits |= (label->index >> i & 1) << place[i];
      label->index = bits;
    }
  }
}

}  // namespace table
