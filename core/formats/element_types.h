#pragma once
// element_types.h - names of element types in safetensors headers. Inside this layer.

#include <torch/types.h>

#include <array>
#include <string_view>

namespace plugtune::formats {

struct ElementType {
  std::string_view name;
  torch::ScalarType dtype;
};

/// In the order in which the reference writes them: its enumeration backwards, so that larger elements come first and all
/// are aligned.
inline constexpr std::array<ElementType, 13> kElementTypes{{{"U64", torch::kUInt64},
                                                            {"I64", torch::kLong},
                                                            {"F64", torch::kDouble},
                                                            {"F32", torch::kFloat},
                                                            {"U32", torch::kUInt32},
                                                            {"I32", torch::kInt},
                                                            {"BF16", torch::kBFloat16},
                                                            {"F16", torch::kHalf},
                                                            {"U16", torch::kUInt16},
                                                            {"I16", torch::kShort},
                                                            {"I8", torch::kChar},
                                                            {"U8", torch::kByte},
                                                            {"BOOL", torch::kBool}}};

}  // namespace plugtune::formats
