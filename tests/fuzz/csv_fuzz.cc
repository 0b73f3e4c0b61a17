// A table, as a table and as a data set.
#include "server/data/csv.h"
#include "server/data/table.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skytrain;
  const absl::string_view text = fuzz::View(data, size);
  const auto table = data::ParseCsv(text, "t.csv");
  if (!table.ok()) return 0;
  fuzz::Check(table->columns.size() == table->header.size());
  for (const auto& column : table->columns) fuzz::Check(column.size() == table->rows());
  const auto features = data::LoadFeatureTable(fuzz::InputFile(text), {});
  if (features.ok()) {
    fuzz::Check(features->features.size() == features->labels.size() * features->columns.size());
  }
  return 0;
}
