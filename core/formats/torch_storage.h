#pragma once
// torch_storage.h - names of element types in files of torch.save. Inside this layer.

#include <torch/types.h>

#include <array>
#include <string_view>

namespace plugtune::formats {

struct StorageType {
  std::string_view name;  ///< as in the pickle, after "torch."
  torch::ScalarType dtype;
};

inline constexpr std::array<StorageType, 10> kStorageTypes{{{"FloatStorage", torch::kFloat},
                                                            {"HalfStorage", torch::kHalf},
                                                            {"BFloat16Storage", torch::kBFloat16},
                                                            {"DoubleStorage", torch::kDouble},
                                                            {"LongStorage", torch::kLong},
                                                            {"IntStorage", torch::kInt},
                                                            {"ShortStorage", torch::kShort},
                                                            {"CharStorage", torch::kChar},
                                                            {"ByteStorage", torch::kByte},
                                                            {"BoolStorage", torch::kBool}}};

}  // namespace plugtune::formats
