// exchange.cc - reading foreign tensors and fields so that nothing is lost without a word.
#include "plugtune/exchange.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {
namespace {

constexpr double kMostNumbers = 1e9;  // of a tensor that is not there

std::string shape_text(c10::IntArrayRef shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i == 0 ? "" : ", ") + (shape[i] < 0 ? std::string("any") : std::to_string(shape[i]));
  return text + ")";
}

bool fits(c10::IntArrayRef sizes, const std::vector<int64_t>& shape) {
  return std::equal(sizes.begin(), sizes.end(), shape.begin(), shape.end(),
                    [](int64_t size, int64_t wanted) { return wanted < 0 || size == wanted; });
}

bool is_off(const ConfigNode& node) {
  return std::visit(
      [](const auto& value) {
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_arithmetic_v<Value>) {
          return value == Value{};
        } else {
          return value.empty();
        }
      },
      node.value);
}

std::string value_text(const ConfigNode& node) {
  if (const auto* text = std::get_if<std::string>(&node.value)) return "\"" + *text + "\"";
  if (const auto* whole = std::get_if<int64_t>(&node.value)) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&node.value)) return c10::str(*real);
  if (const auto* boolean = std::get_if<bool>(&node.value)) return *boolean ? "true" : "false";
  return std::holds_alternative<ConfigNode::Table>(node.value) ? "{...}" : "[...]";
}

}  // namespace

Exchange::~Exchange() = default;

const Tensor& MethodDelta::tensor(const std::string& key) const {
  const auto at = std::ranges::find(tensors, key, &std::pair<std::string, Tensor>::first);
  if (at == tensors.end()) throw Error("the delta has no tensor '" + key + "', as its settings say; it is damaged");
  return at->second;
}

std::string text_at(const ConfigNode& config, const std::string& key) {
  const ConfigNode* node = config.find(key);
  const auto* text = node == nullptr ? nullptr : std::get_if<std::string>(&node->value);
  return text == nullptr ? "" : *text;
}

bool is_true_at(const ConfigNode& config, const std::string& key) {
  const ConfigNode* node = config.find(key);
  const auto* flag = node == nullptr ? nullptr : std::get_if<bool>(&node->value);
  return flag != nullptr && *flag;
}

ConfigNode array_of(const std::vector<std::string>& texts) {
  ConfigNode::Array array;
  for (const std::string& text : texts)
    array.push_back({text});
  return {std::move(array)};
}

void check_measure(const ConfigView& config, const std::string& key, int64_t of_base) {
  const int64_t value = config.integer(key, of_base);
  if (value == of_base) return;
  config.problem(key, "is " + std::to_string(value) + ", but the base has " + std::to_string(of_base) +
                          "; the file belongs to another model");
}

ForeignTensors::ForeignTensors(std::string subject, const std::vector<std::pair<std::string, Tensor>>& tensors)
    : subject_(std::move(subject)),
      tensors_(tensors),
      read_(tensors.size(), false) {}

ForeignTensors::~ForeignTensors() = default;

bool ForeignTensors::has(const std::string& name) const {
  return std::ranges::any_of(tensors_, [&](const auto& entry) { return entry.first == name; });
}

std::vector<std::string> ForeignTensors::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors_)
    names.push_back(name);
  return names;
}

Tensor ForeignTensors::take(const std::string& name, const std::vector<int64_t>& shape) {
  const auto at = std::ranges::find_if(tensors_, [&](const auto& entry) { return entry.first == name; });
  std::vector<int64_t> stand_in = shape;
  std::ranges::replace_if(
      stand_in, [](int64_t size) { return size < 0; }, 1);
  // The shape may be a damaged file's: it is stood in for without its memory.
  const double numbers = std::accumulate(stand_in.begin(), stand_in.end(), 1.0, std::multiplies<>());
  if (numbers > kMostNumbers) stand_in.assign(shape.size(), 1);
  if (at == tensors_.end()) {
    problem("tensor '" + name + "' is missing");
    return torch::zeros(stand_in);
  }
  read_[static_cast<size_t>(at - tensors_.begin())] = true;
  if (!fits(at->second.sizes(), shape)) {
    problem("tensor '" + name + "' has shape " + shape_text(at->second.sizes()) + ", it must be " + shape_text(shape));
    return torch::zeros(stand_in);
  }
  return at->second;
}

void ForeignTensors::skip(const std::string& name) {
  for (size_t i = 0; i < tensors_.size(); ++i)
    if (tensors_[i].first == name) read_[i] = true;
}

void ForeignTensors::problem(const std::string& text) { problems_.push_back(subject_ + ": " + text); }

std::vector<std::string> ForeignTensors::unread() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < tensors_.size(); ++i)
    if (!read_[i]) names.push_back(tensors_[i].first);
  return names;
}

void ForeignTensors::throw_if_problems() const {
  if (!problems_.empty()) throw Error(problems_);
}

void reject_unknown_fields(const ConfigView& view, const ConfigNode& config, const std::vector<std::string>& ignored) {
  // A known field with a bad value is not in resolved(), but has been told of.
  const auto is_told = [&](const std::string& key) {
    const std::string begin = view.error(key, "").what();
    return std::ranges::any_of(view.problems(), [&](const std::string& problem) { return problem.starts_with(begin); });
  };
  if (const auto* table = std::get_if<ConfigNode::Table>(&config.value)) {
    for (const auto& [key, node] : *table) {
      const bool is_known = view.resolved().find(key) != nullptr || is_told(key);
      const bool is_ignored = std::ranges::find(ignored, key) != ignored.end();
      if (is_known || is_ignored || is_off(node)) continue;
      view.problem(key, "is " + value_text(node) +
                            ", a setting that is not known here; the file would be read as something else than it is");
    }
  }
  if (!view.problems().empty()) throw Error(view.problems());
}

}  // namespace v1
}  // namespace plugtune
