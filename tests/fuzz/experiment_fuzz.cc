// An experiment file, with an override, and what the checks say of it.
#include "common/yaml/yaml_message.h"
#include "server/spec/check.h"
#include "skytrain/v1/experiment.pb.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skytrain;
  const absl::string_view text = fuzz::View(data, size);
  const size_t cut = text.find('\0');
  std::vector<std::string> overrides;
  if (cut != absl::string_view::npos) overrides.emplace_back(text.substr(cut + 1));
  v1::Experiment experiment;
  yaml::PositionMap positions;
  const absl::Status status =
      yaml::ParseMessage(text.substr(0, cut), "f.yaml", overrides, experiment, &positions);
  if (!status.ok()) return 0;
  (void)spec::MakePlan(experiment);
  return 0;
}
