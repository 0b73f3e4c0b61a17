#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/spec/plan.h"
#include "skytrain/v1/dataset_service.pb.h"

namespace skytrain::data {

// Some images of each class on one sheet, as a PNG of at most 4 MB. Decodes no others. `targets`:
// the columns that the request's task asks for. Errors are
// those of OpenDataset; DATA_INVALID for a table, which has none, and for numbers out of range.
absl::StatusOr<v1::PreviewDatasetResponse> PreviewDataset(
    const v1::PreviewDatasetRequest& request, const spec::TargetColumns& targets,
    const std::vector<std::string>& data_roots);

}  // namespace skytrain::data
