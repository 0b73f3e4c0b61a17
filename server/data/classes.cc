#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "server/data/data_errors.h"
#include "server/data/sample_index.h"

namespace skytrain::data {

void SortClasses(std::vector<std::string>& classes) {
  std::vector<std::pair<double, std::string>> numbers;
  for (const std::string& name : classes) {
    double value;
    if (!absl::SimpleAtod(name, &value) || !std::isfinite(value)) break;
    numbers.emplace_back(value, name);
  }
  if (numbers.size() != classes.size()) {
    std::sort(classes.begin(), classes.end());
    return;
  }
  std::sort(numbers.begin(), numbers.end());
  for (size_t i = 0; i < classes.size(); ++i) classes[i] = std::move(numbers[i].second);
}

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
