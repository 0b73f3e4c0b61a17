#include <algorithm>

#include "server/data/data_errors.h"
#include "server/data/sample_index.h"

namespace skytrain::data {

void AddProblem(std::vector<v1::DatasetManifest::Problem>& problems, const std::string& kind,
                const std::string& name) {
  constexpr int kMostNames = 20;
  auto problem = std::find_if(problems.begin(), problems.end(),
                              [&](const auto& p) { return p.kind() == kind; });
  if (problem == problems.end()) {
    problem = problems.emplace(problems.end());
    problem->set_kind(kind);
  }
  problem->set_count(problem->count() + 1);
  if (problem->names_size() < kMostNames) problem->add_names(Quotable(name));
}

}  // namespace skytrain::data
