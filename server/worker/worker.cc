// skytrain-worker --attempt DIR: does the work of one rank of an attempt, from the folder alone.
// Started by the shepherd, or by hand. Exit code 0 when it completed or stopped as asked, else 1.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "common/attempt/attempt_dir.h"
#include "common/clock.h"
#include "common/file/file_system.h"
#include "common/spool/spool_queue.h"
#include "server/training/attempt_run.h"
#include "server/worker/control_watcher.h"
#include "server/worker/import_command.h"

namespace skytrain {
namespace {

int Fail(absl::string_view message) {
  std::fprintf(stderr, "skytrain-worker: %.*s\n", static_cast<int>(message.size()), message.data());
  return 1;
}

// Ends this process when its shepherd dies. A shepherd that died before prctl took effect is seen
// by the parent having changed: the claim names it.
bool FollowShepherd(const AttemptDir& dir) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto claim = dir.ReadClaim();
  if (!claim.ok() || !claim->has_value() || !(*claim)->has_shepherd()) return getppid() != 1;
  return (*claim)->shepherd().pid() == getppid();
}

int RunRank(const AttemptDir& dir, int rank) {
  FileSystem& fs = FileSystem::Posix();
  const absl::StatusOr<internal::v1::AttemptSpec> spec = dir.ReadSpec();
  if (!spec.ok()) return Fail(spec.status().message());
  absl::StatusOr<std::unique_ptr<SpoolQueue>> queue =
      SpoolQueue::Create(fs, dir.RankSpoolPath(rank));
  if (!queue.ok()) return Fail(queue.status().message());
  training::RunControl control;
  const auto watcher = ControlWatcher::Start(dir, control);
  if (!watcher.ok()) return Fail(watcher.status().message());

  training::SpoolSink sink(**queue);
  const training::AttemptContext context = {fs, Clock::Real(), dir, *spec, rank, sink, control};
  const absl::Status device = training::PrepareDevice(*spec);
  internal::v1::Record record;
  *record.mutable_rank_started() = training::DescribeRank(context);
  if (const absl::Status written = (*queue)->WriteRecord(record, /*sync=*/false); !written.ok()) {
    return Fail(written.message());
  }
  const internal::v1::RankResult result =
      device.ok() ? training::RunAttempt(context) : training::ResultOf(rank, device);
  *record.mutable_rank_result() = result;
  const absl::Status written = (*queue)->WriteRecord(record, /*sync=*/true);
  if (!result.message().empty()) {
    std::fprintf(stderr, "%s: %s\n", v1::AttemptEnd_Name(result.end()).c_str(),
                 result.message().c_str());
  }
  if (!written.ok()) return Fail(written.message());
  return result.end() == v1::COMPLETED || result.end() == v1::STOPPED ? 0 : 1;
}

}  // namespace
}  // namespace skytrain

int main(int argc, char** argv) {
  if (argc > 1 && absl::string_view(argv[1]) == "--import") return skytrain::RunImport(argc, argv);
  skytrain::BlockControlSignals();
  if (argc != 3 || absl::string_view(argv[1]) != "--attempt") {
    return skytrain::Fail("usage: skytrain-worker --attempt DIR");
  }
  skytrain::AttemptDir dir(skytrain::FileSystem::Posix(), argv[2]);
  int rank = 0;
  if (const char* value = std::getenv("SKYTRAIN_RANK"); value != nullptr) {
    if (!absl::SimpleAtoi(value, &rank) || rank < 0) {
      return skytrain::Fail("SKYTRAIN_RANK is not a number");
    }
    if (!skytrain::FollowShepherd(dir)) return skytrain::Fail("its shepherd is gone");
  }
  return skytrain::RunRank(dir, rank);
}
