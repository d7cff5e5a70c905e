#pragma once
// pickle.h - the part of Python's pickle that torch.save needs for tensors; nothing in it can run code.
//
// A pickle is a program for a stack machine that may import and call anything. This machine has no imports and no calls: it
// knows the names below, and every other name or instruction is an Error that says which.

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace plugtune::formats {

struct PickleValue {
  enum class Kind { kNone, kBool, kInt, kFloat, kString, kTuple, kList, kDict, kGlobal, kStorage, kTensor };

  Kind kind;
  int64_t integer = 0;  ///< kBool, kInt
  std::string text;     ///< kString; kGlobal: "module.name"
  /// kTuple, kList: the items. kDict: key, value, key, value. kStorage: the items of its persistent id
  /// ("storage", type, key, location, elements, ..). kTensor: the arguments of _rebuild_tensor_v2.
  std::vector<const PickleValue*> items;
};

/// "an integer", "a dictionary", ...
std::string_view kind_name(PickleValue::Kind kind);

/// Reads one pickle after another from `bytes`; the values live as long as it does.
class Unpickler {
 public:
  /// @param subject  what messages begin with.
  Unpickler(std::string_view bytes, std::string subject) : bytes_(bytes), subject_(std::move(subject)) {}

  const PickleValue& load();
  size_t position() const noexcept { return at_; }  ///< just after the last pickle's end

 private:
  void step(uint8_t instruction);
  bool push_literal(uint8_t instruction);
  bool change_stack(uint8_t instruction);
  bool use_memo(uint8_t instruction);
  void push_global();
  void reduce();
  void build();
  void extend(PickleValue::Kind kind, size_t first);

  std::string_view take(size_t count);
  std::string_view take_line();
  template <class Number>
  Number take_number();

  PickleValue& make(PickleValue::Kind kind);
  void push(const PickleValue* value) { stack_.push_back(value); }
  const PickleValue* pop();
  std::vector<const PickleValue*> pop_from(size_t first);
  size_t pop_mark();
  [[noreturn]] void damaged(std::string_view problem) const;

  std::string_view bytes_;
  std::string subject_;
  size_t at_ = 0;
  std::deque<PickleValue> values_;  // owns all: values may point at each other in circles
  std::vector<const PickleValue*> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, const PickleValue*> memo_;
};

}  // namespace plugtune::formats
