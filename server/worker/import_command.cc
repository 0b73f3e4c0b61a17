#include "server/worker/import_command.h"

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/file/file_system.h"
#include "common/process/limits.h"
#include "common/process/run_as.h"
#include "common/status_bytes.h"
#include "server/training/checkpoint/import.h"
#include "skytrain/v1/model_service.pb.h"

namespace skytrain {
namespace {

constexpr uint64_t kMemoryBytes = uint64_t{16} << 30;
constexpr uint64_t kCpuSeconds = 600;
constexpr uint64_t kMaxRequestBytes = 64 << 20;

int Fail(absl::string_view message) {
  std::fprintf(stderr, "skytrain-worker: %.*s\n", static_cast<int>(message.size()), message.data());
  return 2;
}

}  // namespace

int RunImport(int argc, char** argv) {
  std::string dir, weights, run_as;
  bool good = argc % 2 == 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const absl::string_view flag = argv[i];
    if (flag == "--import") {
      dir = argv[i + 1];
    } else if (flag == "--weights") {
      weights = argv[i + 1];
    } else if (flag == "--run-as") {
      run_as = argv[i + 1];
    } else {
      good = false;
    }
  }
  if (dir.empty() || weights.empty() || !good) {
    return Fail("usage: skytrain-worker --import DIR --weights FILE [--run-as USER]");
  }
  if (!run_as.empty()) {
    const auto user = ParseRunAs(run_as);
    const absl::Status became = user.ok() ? BecomeUser(*user) : user.status();
    if (!became.ok()) return Fail(became.message());
  }
  LimitThisProcess(kMemoryBytes, kCpuSeconds);
  FileSystem& fs = FileSystem::Posix();
  const auto bytes = fs.ReadFile(absl::StrCat(dir, "/request.binpb"), kMaxRequestBytes);
  v1::ImportModelRequest request;
  if (!bytes.ok() || !request.ParseFromString(*bytes)) return Fail("cannot read the request");
  const absl::StatusOr<v1::Model> model =
      training::ImportModel(fs, request, weights, absl::StrCat(dir, "/model"));
  const absl::Status written =
      WriteFileAtomically(fs, absl::StrCat(dir, "/answer.binpb"),
                          model.ok() ? model->SerializeAsString() : StatusToBytes(model.status()));
  if (!written.ok()) return Fail(written.message());
  return model.ok() ? 0 : 1;
}

}  // namespace skytrain
