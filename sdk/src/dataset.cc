// dataset.cc - the key function of Dataset.
#include "plugtune/dataset.h"

namespace plugtune {
inline namespace v1 {

Dataset::~Dataset() = default;

}  // namespace v1
}  // namespace plugtune
