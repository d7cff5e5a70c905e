#pragma once
// version.h - the version of the contract between host and plugins (docs/abi.md).

/// A plugin loads when its major equals the host's and its minor is at most the host's.
#define PLUGTUNE_SDK_MAJOR 1
/// Raised by a release that adds to the SDK; 0 again in a new major.
#define PLUGTUNE_SDK_MINOR 0
