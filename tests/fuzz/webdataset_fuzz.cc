// WebDataset shards: what the label files of a tar say of its images.
#include "common/errors.h"
#include "common/utf8.h"
#include "server/data/labelled_images.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skytrain;
  const auto images = data::ImagesOfShard(fuzz::InputFile(fuzz::View(data, size)));
  if (!images.ok()) {
    fuzz::Check(ReasonOf(images.status()) == "DATA_INVALID");
    fuzz::Check(IsValidUtf8(images.status().message()));
    return 0;
  }
  const size_t count = images->container->entries().size();
  fuzz::Check(images->ids.size() == count && images->table.rows() == count);
  fuzz::Check(images->table.columns.size() == images->table.header.size());
  for (const auto& column : images->table.columns) {
    fuzz::Check(column.size() == count);
    for (const std::string& cell : column) fuzz::Check(IsValidUtf8(cell));
  }
  return 0;
}
