// Tar, compressed tar and zip: listed, then read to the end.
#include <atomic>
#include <numeric>

#include "common/errors.h"
#include "server/data/container.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skytrain;
  const std::string& path = fuzz::InputFile(fuzz::View(data, size));
  const auto container = data::OpenContainer(path, {});
  if (!container.ok()) {
    fuzz::Check(ReasonOf(container.status()) == "DATA_INVALID");
    return 0;
  }
  std::vector<size_t> wanted;
  for (size_t i = 0; i < (*container)->entries().size(); ++i) {
    const data::Entry& entry = (*container)->entries()[i];
    fuzz::Check(entry.path.size() <= data::kLongestName);
    if (!entry.problem.empty()) continue;
    fuzz::Check(!entry.path.empty() && entry.path.front() != '/' &&
                entry.size <= data::kLargestImageFile);
    wanted.push_back(i);
  }
  std::atomic<size_t> bytes{0};
  (void)(*container)->Read(wanted, 1, [&](size_t, absl::string_view content) {
    bytes += content.size();
    return true;
  });
  return 0;
}
