// pickle.cc - a pickle machine that builds tensors' descriptions and cannot do anything else.
#include "formats/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "formats/torch_storage.h"
#include "plugtune/error.h"

namespace plugtune::formats {

namespace {

using Kind = PickleValue::Kind;

// A model has a few thousand values and pickles of some 100 kB. The bounds keep a hostile file from filling the memory.
constexpr size_t kMaxValues = 4'000'000;
constexpr size_t kMaxArguments = 8;  // of a tensor or storage; they are copied, so a long list could be multiplied

// clang-format off
enum Instruction : uint8_t {
  kProto = 0x80, kStop = '.', kMark = '(', kNone = 'N', kNewTrue = 0x88, kNewFalse = 0x89,
  kBinInt = 'J', kBinInt1 = 'K', kBinInt2 = 'M', kLong1 = 0x8a, kBinFloat = 'G',
  kBinUnicode = 'X', kBinString = 'T', kShortBinString = 'U',
  kEmptyTuple = ')', kTuple = 't', kTuple1 = 0x85, kTuple2 = 0x86, kTuple3 = 0x87,
  kEmptyList = ']', kAppend = 'a', kAppends = 'e', kEmptyDict = '}', kSetItem = 's', kSetItems = 'u',
  kBinPut = 'q', kLongBinPut = 'r', kBinGet = 'h', kLongBinGet = 'j',
  kGlobal = 'c', kReduce = 'R', kBuild = 'b', kBinPersId = 'Q',
};

// Names of what other pickles use, for the message.
constexpr std::array<std::pair<uint8_t, std::string_view>, 14> kForeign{{
    {'i', "INST"}, {'o', "OBJ"}, {0x81, "NEWOBJ"}, {0x92, "NEWOBJ_EX"}, {0x93, "STACK_GLOBAL"}, {'P', "PERSID"},
    {0x82, "EXT1"}, {0x83, "EXT2"}, {0x84, "EXT4"}, {0x95, "FRAME"}, {0x94, "MEMOIZE"},
    {0x8c, "SHORT_BINUNICODE"}, {'B', "BINBYTES"}, {'C', "SHORT_BINBYTES"}}};
// clang-format on

constexpr std::string_view kOrderedDict = "collections.OrderedDict", kRebuildTensor = "torch._utils._rebuild_tensor_v2",
                           kRebuildParameter = "torch._utils._rebuild_parameter";

bool is_allowed(std::string_view global) {
  if (global == kOrderedDict || global == kRebuildTensor || global == kRebuildParameter) return true;
  return std::any_of(kStorageTypes.begin(), kStorageTypes.end(), [&](const StorageType& type) {
    return global.starts_with("torch.") && global.substr(std::string_view("torch.").size()) == type.name;
  });
}

}  // namespace

std::string_view kind_name(Kind kind) {
  // In the order of Kind.
  constexpr std::string_view kNames[] = {"None",   "a truth value", "an integer", "a float",   "a string", "a tuple",
                                         "a list", "a dictionary",  "a type",     "a storage", "a tensor"};
  return kNames[static_cast<size_t>(kind)];
}

const PickleValue& Unpickler::load() {
  stack_.clear();
  marks_.clear();
  memo_.clear();
  for (uint8_t instruction = take_number<uint8_t>(); instruction != kStop; instruction = take_number<uint8_t>()) {
    step(instruction);
  }
  const PickleValue* result = pop();
  if (!stack_.empty()) damaged("values are left over at its end");
  return *result;
}

void Unpickler::step(uint8_t instruction) {
  if (push_literal(instruction) || change_stack(instruction) || use_memo(instruction)) return;
  switch (instruction) {
    case kProto:
      if (const int protocol = take_number<uint8_t>(); protocol != 2 && protocol != 3) {
        throw Error(fmt::format("{}: is written with pickle protocol {}; torch.save uses 2", subject_, protocol));
      }
      return;
    case kGlobal:
      return push_global();
    case kReduce:
      return reduce();
    case kBuild:
      return build();
    case kBinPersId: {
      const PickleValue* id = pop();
      if (id->kind != Kind::kTuple || id->items.size() > kMaxArguments) damaged("a storage has no description");
      make(Kind::kStorage).items = id->items;
      return;
    }
    default:
      break;
  }
  const auto foreign =
      std::find_if(kForeign.begin(), kForeign.end(), [&](const auto& f) { return f.first == instruction; });
  throw Error(
      fmt::format("{}: refuses pickle instruction {}; only tensors are read", subject_,
                  foreign != kForeign.end() ? std::string(foreign->second) : fmt::format("0x{:02x}", instruction)));
}

bool Unpickler::push_literal(uint8_t instruction) {
  const auto push_int = [&](Kind kind, int64_t value) { make(kind).integer = value; };
  switch (instruction) {
    case kNone:
      make(Kind::kNone);
      return true;
    case kNewTrue:
      push_int(Kind::kBool, 1);
      return true;
    case kNewFalse:
      push_int(Kind::kBool, 0);
      return true;
    case kBinInt:
      push_int(Kind::kInt, take_number<int32_t>());
      return true;
    case kBinInt1:
      push_int(Kind::kInt, take_number<uint8_t>());
      return true;
    case kBinInt2:
      push_int(Kind::kInt, take_number<uint16_t>());
      return true;
    case kBinFloat:
      take(8), make(Kind::kFloat);
      return true;  // no number in a tensor's description is one
    case kLong1: {
      const std::string_view digits = take(take_number<uint8_t>());
      if (digits.size() > 8) damaged("an integer has more than 64 bits");
      int64_t value = !digits.empty() && (digits.back() & 0x80) != 0 ? -1 : 0;  // the sign goes on to the left
      std::memcpy(&value, digits.data(), digits.size());
      push_int(Kind::kInt, value);
      return true;
    }
    case kBinUnicode:
    case kBinString:
      make(Kind::kString).text = take(take_number<uint32_t>());
      return true;
    case kShortBinString:
      make(Kind::kString).text = take(take_number<uint8_t>());
      return true;
    case kEmptyTuple:
      make(Kind::kTuple);
      return true;
    case kEmptyList:
      make(Kind::kList);
      return true;
    case kEmptyDict:
      make(Kind::kDict);
      return true;
    default:
      return false;
  }
}

bool Unpickler::change_stack(uint8_t instruction) {
  const auto make_tuple = [&](size_t first) {
    std::vector<const PickleValue*> items = pop_from(first);
    make(Kind::kTuple).items = std::move(items);
  };
  const auto last = [&](size_t count) {
    if (stack_.size() < count) damaged("the stack is empty");
    return stack_.size() - count;
  };
  switch (instruction) {
    case kMark:
      marks_.push_back(stack_.size());
      return true;
    case kTuple:
      make_tuple(pop_mark());
      return true;
    case kTuple1:
      make_tuple(last(1));
      return true;
    case kTuple2:
      make_tuple(last(2));
      return true;
    case kTuple3:
      make_tuple(last(3));
      return true;
    case kAppend:
      extend(Kind::kList, last(1));
      return true;
    case kAppends:
      extend(Kind::kList, pop_mark());
      return true;
    case kSetItem:
      extend(Kind::kDict, last(2));
      return true;
    case kSetItems:
      extend(Kind::kDict, pop_mark());
      return true;
    default:
      return false;
  }
}

bool Unpickler::use_memo(uint8_t instruction) {
  const auto put = [&](uint32_t key) {
    if (stack_.empty()) damaged("the stack is empty");
    memo_[key] = stack_.back();
  };
  const auto get = [&](uint32_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) damaged("it recalls a value that it never stored");
    push(found->second);
  };
  switch (instruction) {
    case kBinPut:
      put(take_number<uint8_t>());
      return true;
    case kLongBinPut:
      put(take_number<uint32_t>());
      return true;
    case kBinGet:
      get(take_number<uint8_t>());
      return true;
    case kLongBinGet:
      get(take_number<uint32_t>());
      return true;
    default:
      return false;
  }
}

void Unpickler::push_global() {
  const std::string_view module = take_line(), name = take_line();
  std::string global = fmt::format("{}.{}", module, name);
  if (!is_allowed(global)) {
    throw Error(fmt::format("{}: refuses to load global '{}'; only tensors are read", subject_, global));
  }
  make(Kind::kGlobal).text = std::move(global);
}

/// A "call" of one of the three names that may be called. None runs anything: each makes a description.
void Unpickler::reduce() {
  const PickleValue* arguments = pop();
  const PickleValue* callee = pop();
  if (callee->kind != Kind::kGlobal || arguments->kind != Kind::kTuple) damaged("something that is no type is called");
  if (arguments->items.size() > kMaxArguments) damaged("a tensor has too many arguments");
  if (callee->text == kOrderedDict) {
    if (!arguments->items.empty()) damaged("an OrderedDict is made from arguments");
    make(Kind::kDict);
  } else if (callee->text == kRebuildTensor) {
    make(Kind::kTensor).items = arguments->items;
  } else if (callee->text == kRebuildParameter) {
    if (arguments->items.empty() || arguments->items[0]->kind != Kind::kTensor) damaged("a parameter has no tensor");
    push(arguments->items[0]);
  } else {
    damaged("a storage type is called");
  }
}

/// torch puts the version numbers of modules into the OrderedDict's attributes; they say nothing about the tensors.
void Unpickler::build() {
  const PickleValue* state = pop();
  if (state->kind != Kind::kDict || stack_.empty() || stack_.back()->kind != Kind::kDict) {
    damaged("attributes are set on no dictionary");
  }
}

/// Adds the stack's values from `first` on to the list or dictionary just below them.
void Unpickler::extend(Kind kind, size_t first) {
  std::vector<const PickleValue*> items = pop_from(first);
  if (stack_.empty() || stack_.back()->kind != kind) damaged("items are added to something that has none");
  if (kind == Kind::kDict && items.size() % 2 != 0) damaged("a key has no value");
  // The machine owns every value and is the only one to change it.
  auto& all = const_cast<PickleValue*>(stack_.back())->items;
  all.insert(all.end(), items.begin(), items.end());
}

std::string_view Unpickler::take(size_t count) {
  if (count > bytes_.size() - at_) damaged("it ends in the middle of a value");
  at_ += count;
  return bytes_.substr(at_ - count, count);
}

std::string_view Unpickler::take_line() {
  const size_t end = bytes_.find('\n', at_);
  if (end == std::string_view::npos) damaged("it ends in the middle of a value");
  const std::string_view line = bytes_.substr(at_, end - at_);
  at_ = end + 1;
  return line;
}

template <class Number>
Number Unpickler::take_number() {
  Number value;
  std::memcpy(&value, take(sizeof(Number)).data(), sizeof(Number));
  return value;
}

PickleValue& Unpickler::make(Kind kind) {
  if (values_.size() == kMaxValues) damaged("it has more values than a model");
  push(&values_.emplace_back(PickleValue{kind, 0, {}, {}}));
  return values_.back();
}

const PickleValue* Unpickler::pop() {
  if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back())) damaged("the stack is empty");
  const PickleValue* value = stack_.back();
  stack_.pop_back();
  return value;
}

std::vector<const PickleValue*> Unpickler::pop_from(size_t first) {
  if (!marks_.empty() && first < marks_.back()) damaged("the stack is empty");
  std::vector<const PickleValue*> items(stack_.begin() + static_cast<ptrdiff_t>(first), stack_.end());
  stack_.resize(first);
  return items;
}

size_t Unpickler::pop_mark() {
  if (marks_.empty()) damaged("a group has no beginning");
  const size_t first = marks_.back();
  marks_.pop_back();
  return first;
}

void Unpickler::damaged(std::string_view problem) const {
  throw Error(fmt::format("{}: is damaged at byte {} of its pickle: {}", subject_, at_, problem));
}

}  // namespace plugtune::formats
