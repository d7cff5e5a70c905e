// json.cc - recursive descent over one line; every value is checked, none is built.
#include "json.h"

#include <cstdint>

#include "plugtune/blocks/text_file.h"

namespace table {
namespace {

constexpr int kDeepest = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Reads file[at, end); after a failure `fault` says why and nothing more is read.
class Reader {
 public:
  Reader(std::string_view file, size_t begin, size_t end, JsonFault& fault)
      : file_(file),
        at_(begin),
        end_(end),
        fault_(fault) {}

  bool object_alone(std::vector<Member>& members) {
    skip_space();
    if (!expect('{', "'{'") || !members_of(members, 1)) return false;
    skip_space();
    return at_ == end_ || fail("the end of the line after the object");
  }

  bool elements_of(std::vector<Cell>& elements, int depth) {  // after '['
    skip_space();
    if (accept(']')) return true;
    do {
      Cell element;
      if (!value(element, depth)) return false;
      elements.push_back(element);
      skip_space();
    } while (accept(','));
    return expect(']', "',' or ']' in an array");
  }

  void open_array() { accept('['); }

 private:
  bool members_of(std::vector<Member>& members, int depth) {  // after '{'
    skip_space();
    if (accept('}')) return true;
    do {
      Member member;
      skip_space();
      if (!expect('"', "a key in double quotes") || !string(member.key)) return false;
      skip_space();
      if (!expect(':', "':' after a key") || !value(member.value, depth)) return false;
      members.push_back(member);
      skip_space();
    } while (accept(','));
    return expect('}', "',' or '}' in an object");
  }

  bool value(Cell& cell, int depth) {
    skip_space();
    const size_t begin = at_;
    if (at_ == end_) return fail("a value");
    bool ok = false;
    switch (file_[at_]) {
      case '"':
        ++at_;
        return string(cell);
      case '{':
      case '[': {
        if (depth >= kDeepest) return fail("at most " + std::to_string(kDeepest) + " values inside one another");
        cell.form = file_[at_] == '{' ? Form::kJsonObject : Form::kJsonArray;
        ++at_;
        std::vector<Member> members;
        std::vector<Cell> elements;
        ok = cell.form == Form::kJsonObject ? members_of(members, depth + 1) : elements_of(elements, depth + 1);
        break;
      }
      case 't':
        ok = word("true");
        break;
      case 'f':
        ok = word("false");
        break;
      case 'n':
        cell.form = Form::kJsonNull;
        ok = word("null");
        break;
      default:
        ok = number();
    }
    cell.begin = begin;
    cell.size = at_ - begin;
    return ok;
  }

  bool string(Cell& cell) {  // after the opening quote
    cell.begin = at_;
    cell.form = Form::kPlain;
    while (at_ < end_ && file_[at_] != '"') {
      if (static_cast<uint8_t>(file_[at_]) < 0x20)
        return fail("an escape such as \\n for a control character in a string");
      if (file_[at_++] != '\\') continue;
      cell.form = Form::kJsonString;
      if (!escape()) return false;
    }
    cell.size = at_ - cell.begin;
    return expect('"', "'\"' at the end of a string");
  }

  bool escape() {  // after the backslash
    constexpr std::string_view kSingle = "\"\\/bfnrt";
    if (at_ < end_ && kSingle.find(file_[at_]) != std::string_view::npos) return ++at_, true;
    const size_t begin = at_;
    int unit = 0;
    if (!code_unit(unit)) return false;
    if (unit >= 0xDC00 && unit <= 0xDFFF) return at_ = begin, fail("the first half of a surrogate pair");
    if (unit < 0xD800 || unit > 0xDBFF) return true;
    int second = 0;
    if (!expect('\\', "the second half of a surrogate pair") || !code_unit(second)) return false;
    return (second >= 0xDC00 && second <= 0xDFFF) || fail("the second half of a surrogate pair before this");
  }

  bool code_unit(int& unit) {
    if (!expect('u', "one of \" \\ / b f n r t u after a backslash")) return false;
    for (int i = 0; i < 4; ++i, ++at_) {
      const int digit = at_ < end_ ? hex_digit(file_[at_]) : -1;
      if (digit < 0) return fail("four hexadecimal digits after \\u");
      unit = unit * 16 + digit;
    }
    return true;
  }

  bool number() {
    accept('-');
    if (at_ == end_ || !is_digit(file_[at_])) return fail("a value");
    if (!accept('0')) digits();
    if (accept('.') && !digits()) return fail("digits after the decimal point");
    if (accept('e') || accept('E')) {
      if (!accept('+')) accept('-');
      if (!digits()) return fail("digits in the exponent");
    }
    return true;
  }

  bool digits() {
    const size_t begin = at_;
    while (at_ < end_ && is_digit(file_[at_]))
      ++at_;
    return at_ > begin;
  }

  bool word(std::string_view text) {
    if (file_.substr(at_, std::min(text.size(), end_ - at_)) != text) return fail("a value");
    at_ += text.size();
    return true;
  }

  void skip_space() {
    while (at_ < end_ && (file_[at_] == ' ' || file_[at_] == '\t' || file_[at_] == '\r'))
      ++at_;
  }
  bool accept(char c) { return at_ < end_ && file_[at_] == c ? ++at_, true : false; }
  bool expect(char c, const char* wanted) { return accept(c) || fail(wanted); }

  bool fail(const std::string& wanted) {
    const std::string_view rest = file_.substr(at_, end_ - at_);
    // One whole character of the text, which is UTF-8.
    size_t length = rest.empty() ? 0 : 1;
    while (length < rest.size() && (static_cast<uint8_t>(rest[length]) & 0xC0) == 0x80)
      ++length;
    fault_ = {at_, "expected " + wanted + ", got " +
                       (rest.empty() ? "the end of the line" : plugtune::shown(rest.substr(0, length)))};
    return false;
  }

  std::string_view file_;
  size_t at_, end_;
  JsonFault& fault_;
};

void append_utf8(std::string& out, uint32_t c) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xE0 | c >> 12);
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
    }
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

uint32_t code_unit(std::string_view four) {
  uint32_t unit = 0;
  for (const char c : four)
    unit = unit * 16 + static_cast<uint32_t>(hex_digit(c));
  return unit;
}

}  // namespace

bool read_json_object(std::string_view file, size_t begin, size_t end, std::vector<Member>& members, JsonFault& fault) {
  members.clear();
  return Reader(file, begin, end, fault).object_alone(members);
}

std::vector<Cell> json_elements(std::string_view file, const Cell& array) {
  JsonFault none;
  std::vector<Cell> elements;
  Reader reader(file, array.begin, array.begin + array.size, none);
  reader.open_array();
  reader.elements_of(elements, 1);
  return elements;
}

std::string decode_json_string(std::string_view written) {
  static constexpr std::string_view kLetters = "bfnrt", kMeant = "\b\f\n\r\t";
  std::string out;
  out.reserve(written.size());
  for (size_t i = 0; i < written.size(); ++i) {
    if (written[i] != '\\') {
      out += written[i];
      continue;
    }
    const char letter = written[++i];
    if (letter == 'u') {
      uint32_t c = code_unit(written.substr(i + 1, 4));
      i += 4;
      if (c >= 0xD800 && c <= 0xDBFF) {  // with its second half, \uXXXX
        c = 0x10000 + ((c - 0xD800) << 10) + (code_unit(written.substr(i + 3, 4)) - 0xDC00);
        i += 6;
      }
      append_utf8(out, c);
    } else {
      const size_t known = kLetters.find(letter);
      out += known == std::string_view::npos ? letter : kMeant[known];
    }
  }
  return out;
}

}  // namespace table
