#pragma once

#include <string>
#include <utility>
#include <vector>

#include "client/render/terminal.h"
#include "skytrain/v1/experiment.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain::client {

// What a search for a learning rate (train.find_lr) found.

// The loss over the logarithm of the rate; `points`: (rate, loss), rates rising. Empty when there
// are none.
std::string LrPlot(const std::vector<std::pair<double, double>>& points, const Terminal& terminal);

// The line of an experiment file: "optimizer: {sgd: {lr: 0.013, momentum: 0.9}}" of `optimizer`
// with `rate`, to two digits, as its learning rate. Muon's two rates keep their ratio, as in the
// search.
std::string OptimizerLine(v1::Optimizer optimizer, double rate);

// "learning rate 0.013", or why there is none; of a job that succeeded.
std::string SuggestionText(const v1::Job& job);

}  // namespace skytrain::client
