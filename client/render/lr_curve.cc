#include "client/render/lr_curve.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "client/render/plot.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace skytrain::client {
namespace {

constexpr int kWidth = 72, kHeight = 10;

double TwoDigits(double value) {
  double rounded = value;
  (void)absl::SimpleAtod(absl::StrFormat("%.2g", value), &rounded);
  return rounded;
}

// YAML in one line, of messages that hold numbers, booleans and messages.
std::string FlowText(const google::protobuf::Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  std::vector<std::string> parts;
  for (const google::protobuf::FieldDescriptor* field : fields) {
    std::string value;
    switch (field->cpp_type()) {
      case google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE:
        value = ShortestNumber(reflection.GetDouble(message, field));
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_BOOL:
        value = reflection.GetBool(message, field) ? "true" : "false";
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE:
        value = FlowText(reflection.GetMessage(message, field));
        break;
      default:
        continue;
    }
    parts.push_back(absl::StrCat(std::string(field->name()), ": ", value));
  }
  return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
}

}  // namespace

std::string LrPlot(const std::vector<std::pair<double, double>>& points, const Terminal& terminal) {
  std::vector<std::pair<double, double>> curve;
  for (const auto& [rate, loss] : points) {
    if (rate > 0) curve.emplace_back(std::log10(rate), loss);
  }
  const int width = terminal.width > 0 ? std::min(terminal.width - 1, kWidth) : kWidth;
  return LinePlot(curve, width, kHeight, "log10(learning rate)");
}

std::string OptimizerLine(v1::Optimizer optimizer, double rate) {
  const double lr = TwoDigits(rate);
  switch (optimizer.kind_case()) {
    case v1::Optimizer::kSgd:
      optimizer.mutable_sgd()->set_lr(lr);
      break;
    case v1::Optimizer::kAdam:
      optimizer.mutable_adam()->set_lr(lr);
      break;
    case v1::Optimizer::kMuon: {
      v1::Muon& muon = *optimizer.mutable_muon();
      const double ratio =
          (muon.adamw_lr() > 0 ? muon.adamw_lr() : 1e-3) / (muon.lr() > 0 ? muon.lr() : 0.02);
      muon.set_lr(lr);
      muon.set_adamw_lr(TwoDigits(ratio * rate));
      break;
    }
    case v1::Optimizer::kAdamw:
    case v1::Optimizer::KIND_NOT_SET:
      optimizer.mutable_adamw()->set_lr(lr);
      break;
  }
  return absl::StrCat("optimizer: ", FlowText(optimizer));
}

std::string SuggestionText(const v1::Job& job) {
  const auto found = job.metrics().find("find_lr/suggestion");
  if (found == job.metrics().end()) return Printable(job.termination().message());
  return absl::StrCat("learning rate ", ShortestNumber(TwoDigits(found->second)));
}

}  // namespace skytrain::client
