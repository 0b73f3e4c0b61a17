// An experiment file, with an override, and what the checks say of it.
#include "common/errors.h"
#include "common/utf8.h"
#include "common/yaml/yaml_message.h"
#include "server/spec/check.h"
#include "skytrain/v1/experiment.pb.h"
#include "tests/fuzz/fuzz.h"

namespace {

// Says what is wrong, in a form that reaches the user.
void CheckError(const absl::Status& status) {
  skytrain::fuzz::Check(skytrain::IsValidUtf8(status.message()));
  skytrain::fuzz::Check(!skytrain::ViolationsOf(status).empty());
}

}  // namespace

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
  if (!status.ok()) {
    CheckError(status);
    return 0;
  }
  // What was read can be sent: protobuf refuses to parse strings that are not UTF-8.
  v1::Experiment sent;
  fuzz::Check(sent.ParseFromString(experiment.SerializeAsString()));
  if (const auto plan = spec::MakePlan(experiment); !plan.ok()) CheckError(plan.status());
  return 0;
}
