#include "server/training/attempt_parts.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace skytrain::training {

using internal::v1::AttemptSpec;

std::string DeviceOf(const AttemptSpec& spec) {
  for (const std::string& device : spec.devices()) {
    if (!absl::StartsWith(device, "gpu:")) continue;
    if (std::getenv("CUDA_VISIBLE_DEVICES") != nullptr) return "cuda:0";
    return absl::StrCat("cuda:", device.substr(4));
  }
  return "cpu";
}

data::OpenOptions DataOptions(const AttemptContext& context, v1::Data source) {
  data::OpenOptions options;
  options.data = std::move(source);
  options.cache_dir =
      context.spec.cache_dir().empty() ? context.dir.path() + "/cache" : context.spec.cache_dir();
  options.data_roots = {context.spec.data_roots().begin(), context.spec.data_roots().end()};
  options.threads = std::max(1, context.spec.threads());
  options.stop = [&control = context.control] { return control.stop.load(); };
  options.progress = [&sink = context.sink](int64_t done, int64_t total) {
    v1::Progress progress;
    progress.set_phase("decode");
    progress.set_unit("images");
    progress.set_done(done);
    progress.set_total(total);
    sink.Progress(progress);
  };
  return options;
}

absl::Status WriteSummary(EventSink& sink, const data::Dataset& dataset) {
  v1::Event event;
  v1::DataSummary& summary = *event.mutable_data();
  summary.set_train(static_cast<int64_t>(dataset.train().size()));
  summary.set_validation(static_cast<int64_t>(dataset.validation().size()));
  summary.set_test(static_cast<int64_t>(dataset.test().size()));
  std::vector<int64_t> counts(dataset.classes().size());
  if (!counts.empty()) {
    for (const int64_t sample : dataset.train()) ++counts[dataset.labels()[sample]];
  }
  for (size_t k = 0; k < counts.size(); ++k) {
    summary.add_classes(dataset.classes()[k]);
    summary.add_train_class_counts(counts[k]);
  }
  summary.set_noisy_labels(dataset.noisy_labels());
  summary.mutable_targets()->Assign(dataset.target_names().begin(), dataset.target_names().end());
  summary.set_skipped(dataset.skipped());
  for (size_t i = 0; i < dataset.skipped_names().size() && i < 20; ++i) {
    summary.add_skipped_names(dataset.skipped_names()[i]);
  }
  summary.set_leaked(dataset.leaked());
  summary.mutable_leaked_names()->Assign(dataset.leaked_names().begin(),
                                         dataset.leaked_names().end());
  summary.set_digest(dataset.manifest().fingerprint());
  return sink.Write(event, /*sync=*/false);
}

std::map<std::string, std::string> DigestsOf(
    const google::protobuf::Map<std::string, std::string>& sha256) {
  return {sha256.begin(), sha256.end()};
}

}  // namespace skytrain::training
