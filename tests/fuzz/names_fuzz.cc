// Resource names: what is accepted comes back the same.
#include "common/ids.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skytrain;
  const absl::string_view name = fuzz::View(data, size);
  if (const auto job = ParseJobName(name); job.ok()) {
    fuzz::Check(job->find('/') == std::string::npos && *ParseJobName(JobName(*job)) == *job);
  }
  if (const auto model = ParseModelName(name); model.ok()) {
    fuzz::Check(model->version >= 0 && ValidateJobId(model->model).ok());
    const auto again = ParseModelName(model->ToString());
    fuzz::Check(again.ok() && again->model == model->model && again->version == model->version &&
                again->alias == model->alias);
  }
  if (const auto dataset = ParseDatasetName(name); dataset.ok()) {
    fuzz::Check(dataset->size() <= 100 && *ParseDatasetName(DatasetName(*dataset)) == *dataset);
  }
  if (const auto sha256 = ParseBlobName(name); sha256.ok()) {
    fuzz::Check(sha256->size() == 64 && BlobName(*sha256) == name);
  }
  return 0;
}
