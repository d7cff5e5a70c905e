// error.cc - the text of the user's mistakes.
#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {

std::string join(const std::vector<std::string>& parts, const std::string& separator) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i)
    text += (i == 0 ? "" : separator) + parts[i];
  return text;
}

Error::Error(const std::string& problem) : std::runtime_error(problem), problems_{problem} {}
Error::Error(std::vector<std::string> problems)
    : std::runtime_error(join(problems, "\n")),
      problems_(std::move(problems)) {}
Error::~Error() = default;

}  // namespace v1
}  // namespace plugtune
