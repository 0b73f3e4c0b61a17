#include "server/data/positions.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/numbers.h"

namespace skytrain::data {
namespace {

struct Names {
  const char* ra;
  const char* dec;
};
constexpr Names kNames[] = {{"ra", "dec"},           {"RA", "DEC"},         {"Ra", "Dec"},
                            {"ra_deg", "dec_deg"},   {"RA_deg", "DEC_deg"}, {"RAJ2000", "DEJ2000"},
                            {"_RAJ2000", "_DEJ2000"}};

}  // namespace

const std::vector<std::string>& PositionColumnNames() {
  static const auto* const names = [] {
    auto* all = new std::vector<std::string>;
    for (const Names& pair : kNames) all->insert(all->end(), {pair.ra, pair.dec});
    return all;
  }();
  return *names;
}

std::optional<std::pair<size_t, size_t>> FindPositionColumns(const TextTable& table) {
  const auto place = [&](const char* name) {
    return static_cast<size_t>(std::find(table.header.begin(), table.header.end(), name) -
                               table.header.begin());
  };
  for (const Names& names : kNames) {
    const size_t ra = place(names.ra), dec = place(names.dec);
    if (ra < table.header.size() && dec < table.header.size()) return std::pair(ra, dec);
  }
  return std::nullopt;
}

double DegreesIn(const TextTable& table, size_t row, size_t column) {
  double degrees;
  const bool number = !table.columns[column].empty() &&
                      absl::SimpleAtod(table.cell(row, column), &degrees) && std::isfinite(degrees);
  return number ? degrees : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace skytrain::data
