#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace skytrain::data {

// A column of a table that is written. Only std types, since these cross the border to
// libskytrain_parquet.so.
struct TableColumn {
  enum class Kind {
    kText,
    kFloat,   // float32
    kDouble,  // float64; NaN: not known.
    kFloats   // A list of `width` float32.
  };
  std::string name;
  Kind kind = Kind::kText;
  int64_t width = 1;
};

// The values of one column in some rows: those of its kind, [rows] or [rows, width].
struct ColumnValues {
  std::vector<std::string> texts;
  std::vector<float> floats;
  std::vector<double> doubles;
};

}  // namespace skytrain::data
