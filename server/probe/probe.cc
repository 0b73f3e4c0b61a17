// skytrain-probe: looks into a data set in a process of its own, so that untrusted files stay out
// of the daemon.
//
//   skytrain-probe --request FILE --out FILE [--preview] [--root DIR]... [--run-as UID:GID:GROUP,…]
//   skytrain-probe PATH
//
// The first form is for the daemon. FILEs are serialized messages: v1.InspectDatasetRequest in; out
// comes v1.DatasetManifest (exit 0) or google.rpc.Status (exit 1). With --preview they are
// v1.PreviewDatasetRequest and v1.PreviewDatasetResponse. Exit 2: wrong usage, or no answer could
// be written. The second form is for people.
#include <cstdint>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "common/process/limits.h"
#include "common/process/run_as.h"
#include "common/status_bytes.h"
#include "common/status_macros.h"
#include "server/data/dataset.h"
#include "server/data/preview.h"
#include "server/probe/answer.h"
#include "server/spec/task_plan.h"
#include "skytrain/v1/dataset_service.pb.h"

namespace skytrain {
namespace {

constexpr uint64_t kMemoryBytes = uint64_t{8} << 30;
constexpr uint64_t kCpuSeconds = 600;

struct Arguments {
  std::string request, out, path;
  std::vector<std::string> roots;
  bool preview = false;
  std::string run_as;  // Whom to become before any file is opened; empty: stays itself.
};

bool Parse(const std::vector<std::string>& words, Arguments& arguments) {
  for (size_t i = 0; i < words.size(); ++i) {
    const bool has_value = i + 1 < words.size();
    if (words[i] == "--request" && has_value) {
      arguments.request = words[++i];
    } else if (words[i] == "--out" && has_value) {
      arguments.out = words[++i];
    } else if (words[i] == "--preview") {
      arguments.preview = true;
    } else if (words[i] == "--root" && has_value) {
      arguments.roots.push_back(words[++i]);
    } else if (words[i] == "--run-as" && has_value) {
      arguments.run_as = words[++i];
    } else if (words[i].rfind("--", 0) != 0 && arguments.path.empty()) {
      arguments.path = words[i];
    } else {
      return false;
    }
  }
  const bool for_daemon = !arguments.request.empty() && !arguments.out.empty();
  return for_daemon ? arguments.path.empty()
                    : !arguments.path.empty() && arguments.request.empty() && arguments.out.empty();
}

bool WriteFile(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  return file.good();
}

absl::StatusOr<spec::TargetColumns> TargetsOf(const v1::Task& task) {
  ASSIGN_OR_RETURN(spec::TargetColumns targets, spec::TargetsOf(task));
  targets.undecided = task.kind_case() == v1::Task::KIND_NOT_SET;
  return targets;
}

absl::StatusOr<v1::DatasetManifest> Answer(const v1::InspectDatasetRequest& request,
                                           const std::vector<std::string>& roots) {
  ASSIGN_OR_RETURN(spec::TargetColumns targets, TargetsOf(request.task()));
  targets.unlabelled = request.unlabelled();
  return data::InspectDataset(request.data(), targets, roots);
}

absl::StatusOr<v1::PreviewDatasetResponse> Answer(const v1::PreviewDatasetRequest& request,
                                                  const std::vector<std::string>& roots) {
  ASSIGN_OR_RETURN(const spec::TargetColumns targets, TargetsOf(request.task()));
  return data::PreviewDataset(request, targets, roots);
}

template <typename Request>
int ServeRequest(const Arguments& arguments) {
  std::ifstream file(arguments.request, std::ios::binary);
  Request request;
  if (!file || !request.ParseFromIstream(&file)) {
    std::cerr << "skytrain-probe: cannot read the request " << arguments.request << "\n";
    return 2;
  }
  const auto found = Answer(request, arguments.roots);
  const std::string answer =
      found.ok() ? found->SerializeAsString() : StatusToBytes(found.status());
  if (!WriteFile(arguments.out, answer)) {
    std::cerr << "skytrain-probe: cannot write " << arguments.out << "\n";
    return 2;
  }
  return found.ok() ? 0 : 1;
}

int ShowToPeople(const Arguments& arguments) {
  v1::Data data;
  data.set_dataset(arguments.path);
  spec::TargetColumns targets;
  targets.undecided = true;
  const auto manifest = data::InspectDataset(data, targets, arguments.roots);
  if (!manifest.ok()) {
    std::cerr << "skytrain-probe: " << manifest.status().message() << "\n";
    return 1;
  }
  std::cout << Summary(*manifest);
  return 0;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(std::vector<std::string>(argv + 1, argv + argc), arguments)) {
    std::cerr
        << "usage: skytrain-probe --request FILE --out FILE [--preview] [--root DIR]... [--run-as "
           "USER]\n"
           "       skytrain-probe PATH\n";
    return 2;
  }
  if (!arguments.run_as.empty()) {
    const auto user = ParseRunAs(arguments.run_as);
    const absl::Status became = user.ok() ? BecomeUser(*user) : user.status();
    if (!became.ok()) {
      std::cerr << "skytrain-probe: " << became.message() << "\n";
      return 2;
    }
  }
  LimitThisProcess(kMemoryBytes, kCpuSeconds);
  if (!arguments.path.empty()) return ShowToPeople(arguments);
  return arguments.preview ? ServeRequest<v1::PreviewDatasetRequest>(arguments)
                           : ServeRequest<v1::InspectDatasetRequest>(arguments);
}

}  // namespace
}  // namespace skytrain

int main(int argc, char** argv) { return skytrain::Main(argc, argv); }
