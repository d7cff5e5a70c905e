#pragma once
// error.h - the user's mistakes, told in one form: `subject: what was expected, got what (file:line); hint`.

#include <stdexcept>
#include <string>
#include <vector>

#include "plugtune/export.h"

namespace plugtune {
inline namespace v1 {

/// Something that the user can repair. Our own mistakes are TORCH_INTERNAL_ASSERT, never an Error.
class PLUGTUNE_API Error : public std::runtime_error {
 public:
  /// One problem.
  explicit Error(const std::string& problem);
  /// Several problems of one input, reported together. Must not be empty.
  explicit Error(std::vector<std::string> problems);
  ~Error() override;

  /// One line (or paragraph) each; what() joins them with newlines.
  const std::vector<std::string>& problems() const noexcept { return problems_; }

 private:
  std::vector<std::string> problems_;
};

/// The name in `known` nearest to `name`, or "" when none is near (edit distance at most a third of its length, at least 1).
PLUGTUNE_API std::string nearest_name(const std::string& name, const std::vector<std::string>& known);

/// "; did you mean 'x'?" or "" - ready to be appended to a problem.
PLUGTUNE_API std::string did_you_mean(const std::string& name, const std::vector<std::string>& known);

/// "a, b, c".
PLUGTUNE_API std::string join(const std::vector<std::string>& parts, const std::string& separator = ", ");

}  // namespace v1
}  // namespace plugtune
