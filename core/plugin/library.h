#pragma once
// library.h - opens a plugin's shared library, for good.

#include <boost/dll/shared_library.hpp>
#include <string>

namespace plugtune::plugin {

/// The loaded library; never unloaded. The file has passed check_stamp(). Throws Error with the loader's own reason.
const boost::dll::shared_library& open_library(const std::string& path);

}  // namespace plugtune::plugin
