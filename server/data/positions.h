#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/data/text_table.h"

namespace skytrain::data {

// Names under which catalogs have right ascension and declination, in degrees.
const std::vector<std::string>& PositionColumnNames();

// The columns of `table` that hold positions: "ra" and "dec", or "ra_deg" and "dec_deg", or
// "RAJ2000" and "DEJ2000", in any of their usual spellings. Empty: it has none.
std::optional<std::pair<size_t, size_t>> FindPositionColumns(const TextTable& table);

// A position in degrees; NaN where the cell holds no number.
double DegreesIn(const TextTable& table, size_t row, size_t column);

}  // namespace skytrain::data
