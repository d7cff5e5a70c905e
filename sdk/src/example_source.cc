// example_source.cc - the key function of ExampleSource.
#include "plugtune/example_source.h"

namespace plugtune {
inline namespace v1 {

ExampleSource::~ExampleSource() = default;

}  // namespace v1
}  // namespace plugtune
