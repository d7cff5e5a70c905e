// answers.cc - truth and answers of a split, packed.
#include "report/answers.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "formats/base64.h"

namespace plugtune::report {
namespace {

using experiment::JsonObject;
using Json = nlohmann::ordered_json;

constexpr size_t kBitsPerByte = 8;
constexpr int64_t kMostLabels = 1 << 20;

size_t bits_of(const Answers& answers) {
  return answers.multi_label ? 1 : static_cast<size_t>(std::bit_width(static_cast<uint64_t>(answers.labels - 1)));
}

std::vector<uint8_t> packed(const std::vector<int32_t>& values, size_t bits) {
  std::vector<uint8_t> bytes((values.size() * bits + kBitsPerByte - 1) / kBitsPerByte);
  size_t at = 0;
  for (const int32_t value : values) {
    for (size_t bit = 0; bit < bits; ++bit, ++at)
      if ((static_cast<uint32_t>(value) >> bit & 1U) != 0)
        bytes[at / kBitsPerByte] |= static_cast<uint8_t>(1U << at % kBitsPerByte);
  }
  return bytes;
}

std::vector<int32_t> unpacked(const std::vector<uint8_t>& bytes, size_t count, size_t bits) {
  std::vector<int32_t> values(count);
  size_t at = 0;
  for (int32_t& value : values) {
    for (size_t bit = 0; bit < bits; ++bit, ++at)
      value |= static_cast<int32_t>((bytes[at / kBitsPerByte] >> at % kBitsPerByte & 1U) << bit);
  }
  return values;
}

std::vector<uint8_t> bytes_of(const std::vector<float>& values) {
  static_assert(std::endian::native == std::endian::little);
  std::vector<uint8_t> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::vector<uint8_t> bytes_from(const JsonObject& object, const char* key, size_t size) {
  const auto bytes = formats::from_base64(object.string(key));
  if (!bytes || bytes->size() != size)
    throw object.wrong(key, "Base64 of " + std::to_string(size) + " bytes", &object.json().at(key));
  return *bytes;
}

std::vector<int32_t> labels_from(const JsonObject& object, const char* key, size_t count, const Answers& answers) {
  const size_t bits = bits_of(answers);
  const std::vector<int32_t> values =
      unpacked(bytes_from(object, key, (count * bits + kBitsPerByte - 1) / kBitsPerByte), count, bits);
  const int64_t end = answers.multi_label ? 2 : answers.labels;
  for (const int32_t value : values)
    if (value >= end) throw object.wrong(key, "labels below " + std::to_string(end), &object.json().at(key));
  return values;
}

std::vector<float> values_from(const JsonObject& object, const char* key, size_t count) {
  const std::vector<uint8_t> bytes = bytes_from(object, key, count * sizeof(float));
  std::vector<float> values(count);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

template <class Value>
std::vector<Value> vector_of(const Tensor& tensor) {
  const Tensor flat = tensor.to(torch::kCPU, c10::CppTypeToScalarType<Value>::value).reshape({-1}).contiguous();
  return {flat.const_data_ptr<Value>(), flat.const_data_ptr<Value>() + flat.numel()};
}

}  // namespace

bool Answers::is_right(size_t example) const noexcept {
  const auto at = static_cast<std::ptrdiff_t>(example * width());
  return std::equal(truth.begin() + at, truth.begin() + at + static_cast<std::ptrdiff_t>(width()),
                    predicted.begin() + at);
}

std::optional<Answers> answers_of(TaskKind kind, const train::Predictions& predictions) {
  if (!predictions.logits.defined() || !predictions.targets.defined()) return std::nullopt;
  const Tensor& logits = predictions.logits;
  Answers answers;
  if (kind == TaskKind::kRegression) {
    answers.true_values = vector_of<float>(predictions.targets);
    answers.predicted_values = vector_of<float>(logits);
  } else if (kind == TaskKind::kMultiLabel) {
    answers.multi_label = true;
    answers.labels = logits.size(1);
    answers.truth = vector_of<int32_t>(predictions.targets > 0.5);
    answers.predicted = vector_of<int32_t>(logits > 0);
  } else {
    answers.labels = logits.size(1);
    answers.truth = vector_of<int32_t>(predictions.targets);
    answers.predicted = vector_of<int32_t>(logits.argmax(1));
  }
  return answers;
}

Json answers_json(const Answers& answers) {
  const bool are_labels = answers.labels > 0;
  const size_t bits = are_labels ? bits_of(answers) : 0;
  Json json = {{"examples", answers.size()}, {"labels", answers.labels}};
  if (answers.multi_label) json["multi_label"] = true;
  json["truth"] = formats::to_base64(are_labels ? packed(answers.truth, bits) : bytes_of(answers.true_values));
  json["predicted"] =
      formats::to_base64(are_labels ? packed(answers.predicted, bits) : bytes_of(answers.predicted_values));
  return json;
}

Answers answers_from_json(const JsonObject& object) {
  Answers answers;
  answers.labels = object.integer("labels");
  const int64_t examples = object.integer("examples");
  answers.multi_label = object.has("multi_label") && object.boolean("multi_label");
  const bool is_sound = answers.labels >= (answers.multi_label ? 1 : 0) && answers.labels <= kMostLabels &&
                        (answers.multi_label || answers.labels != 1);
  if (!is_sound) throw object.wrong("labels", "0 or a number of labels", &object.json().at("labels"));
  // Each example has at least one bit of the text: no more are believed.
  if (examples < 0 || static_cast<size_t>(examples) > kBitsPerByte * object.string("truth").size())
    throw object.wrong("examples", "a number of examples that 'truth' has", &object.json().at("examples"));
  const auto count = static_cast<size_t>(examples);
  if (answers.labels > 0) {
    answers.truth = labels_from(object, "truth", count * answers.width(), answers);
    answers.predicted = labels_from(object, "predicted", count * answers.width(), answers);
  } else {
    answers.true_values = values_from(object, "truth", count);
    answers.predicted_values = values_from(object, "predicted", count);
  }
  return answers;
}

}  // namespace plugtune::report
