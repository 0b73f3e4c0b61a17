// What a worker wrote into its spool, on its way into the daemon: folded into the job, packed into
// a stored row, and read by a client.
#include <google/protobuf/stubs/logging.h>

#include "server/events/event_batch_builder.h"
#include "server/jobs/event_fold.h"
#include "skytrain/v1/job_service.pb.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skytrain;
  // Or it says of each string that it is not UTF-8.
  [[maybe_unused]] static auto* const said = google::protobuf::SetLogHandler(nullptr);
  fuzz::Taker taker(fuzz::View(data, size));
  v1::Job job;
  EventBatchBuilder builder;
  builder.Reset(1);
  while (!taker.empty()) {
    const absl::string_view event = taker.Bytes(taker.Number(2));
    if (KindOf(event) == v1::Event::KIND_NOT_SET) continue;
    FoldEvent(event, job);
    builder.Append(event, 7);
  }
  fuzz::Check(job.metrics_size() <= 64);
  v1::Job sent;
  fuzz::Check(sent.ParseFromString(job.SerializeAsString()));
  int64_t seq = 0;
  for (const EventBatchBuilder::Batch& batch : builder.batches()) {
    v1::WatchEventsResponse response;
    fuzz::Check(response.ParseFromString(batch.bytes));
    fuzz::Check(response.events_size() == batch.count && batch.first_seq == seq + 1);
    for (const v1::Event& told : response.events()) {
      fuzz::Check(told.seq() == ++seq && told.attempt() == 7);
      fuzz::Check(told.kind_case() != v1::Event::KIND_NOT_SET);
    }
  }
  return 0;
}
