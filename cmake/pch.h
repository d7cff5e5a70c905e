// pch.h - the torch headers that nearly every file needs, compiled once per build.
#include <torch/nn/module.h>
#include <torch/nn/functional.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>
