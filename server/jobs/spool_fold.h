#pragma once

#include "absl/status/status.h"
#include "server/events/spool_tailer.h"
#include "server/jobs/job_journal.h"
#include "skytrain/v1/model.pb.h"

namespace skytrain {

// Turns up to 1 MiB of new frames into events of `draft`, folds them into its job, and moves its
// offsets: one transaction of the exactly-once protocol of SpoolTailer. `more`: there may be more
// to read. States and models are the daemon's to tell: such events of a worker are left out.
// Damaged frames are told as a Gap. IsNothingNew(status): nothing was read, so nothing is to be
// stored.
absl::Status FoldSpools(SpoolTailer& tailer, JobJournal::Draft& draft, bool* more);
bool IsNothingNew(const absl::Status& status);

// The ModelPublished event and Job.model.
void AppendPublished(const v1::Model& model, JobJournal::Draft& draft);

}  // namespace skytrain
