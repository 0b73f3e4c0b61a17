#include "absl/strings/str_cat.h"
#include "client/api/watch.h"
#include "client/commands/arguments.h"
#include "client/commands/commands.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

class LogPrinter : public WatchObserver {
 public:
  LogPrinter(Context& context, const LogsOptions& options) : context_(context), options_(options) {}

  void OnEvent(const v1::Event& event) override {
    if (!event.has_log()) return;
    const v1::LogChunk& log = event.log();
    if (options_.rank.has_value() && log.rank() != *options_.rank) return;
    if (options_.stream != v1::LogChunk::STREAM_UNSPECIFIED && log.stream() != options_.stream) {
      return;
    }
    if (context_.format != Format::kTable) {
      JsonWriter line(/*pretty=*/false);
      WriteEvent(event, line);
      return context_.Out(line.Finish());
    }
    // To a file the bytes as they were written; to a terminal nothing that could steer it.
    context_.Out(context_.out().width > 0 ? Printable(log.data()) : log.data());
  }

  void OnLinkLost(absl::string_view reason) override {
    context_.Err(absl::StrCat("link lost (", reason, "); trying again …\n"));
  }
  void OnLinkBack(absl::Duration away, int64_t, int64_t) override {
    context_.Err(absl::StrCat("link back after ", FormatSpan(away), "\n"));
  }

 private:
  Context& context_;
  const LogsOptions& options_;
};

}  // namespace

absl::StatusOr<ExitCode> Logs(Context& context, const LogsOptions& options) {
  ASSIGN_OR_RETURN(const std::string job, JobArgument(options.job));
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  LogPrinter printer(context, options);
  WatchOptions watch;
  watch.job = job;
  watch.follow = options.follow;
  watch.kinds = {v1::LOG};
  RETURN_IF_ERROR(Watch(*client, std::move(watch), printer));
  return kExitOk;
}

}  // namespace skytrain::client
