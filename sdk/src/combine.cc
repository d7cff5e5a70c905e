// combine.cc - where Combiner's vtable lives, so that the host and every plugin agree on its type.
#include "plugtune/combine.h"

namespace plugtune {
inline namespace v1 {

Combiner::~Combiner() = default;

}  // namespace v1
}  // namespace plugtune
