// Stored events: walked over without decoding, and filtered for a stream.
#include <google/protobuf/stubs/logging.h>

#include "common/wire.h"
#include "server/events/event_filter.h"
#include "skytrain/v1/job_service.pb.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skytrain;
  // Or it says of each string that it is not UTF-8.
  [[maybe_unused]] static auto* const said = google::protobuf::SetLogHandler(nullptr);
  fuzz::Taker taker(fuzz::View(data, size));
  const auto after_seq = static_cast<int64_t>(taker.Number(1));
  const auto kind = static_cast<v1::EventKind>(taker.Number(1) % 8);
  const absl::string_view bytes = taker.Rest();

  WireReader reader(bytes);
  WireField field;
  size_t inside = 0;
  while (reader.Next(&field)) {
    if (field.type == 0) continue;
    inside += field.bytes.size();
    fuzz::Check(inside <= bytes.size());
    if (field.type != 2) continue;
    absl::string_view column = field.bytes;
    uint64_t value;
    (void)TakeLastVarint(&column, &value);
    while (TakeVarint(&column, &value)) {
    }
  }
  EventBatch batch;
  batch.first_seq = 1;
  batch.last_seq = 3;
  batch.bytes = std::string(bytes);
  const auto filtered = FilterBatch(batch, after_seq, {{kind}, {"a"}, 2}, {});
  if (filtered.ok() && !filtered->bytes.empty()) {
    v1::WatchEventsResponse response;
    fuzz::Check(response.ParseFromString(filtered->bytes));
  }
  return 0;
}
