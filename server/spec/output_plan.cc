#include "server/spec/output_plan.h"

namespace skytrain::spec {
namespace {

using Format = OutputPlan::Format;

constexpr int kMostMistakes = 400;

Format FormatOf(v1::Output::Format format, Format by_default, Violations& v) {
  switch (format) {
    case v1::Output::FORMAT_UNSPECIFIED:
      return by_default;
    case v1::Output::FORMAT_NONE:
      return Format::kNone;
    case v1::Output::FORMAT_CSV:
      return Format::kCsv;
    case v1::Output::FORMAT_PARQUET:
      return Format::kParquet;
    case v1::Output::FORMAT_JSON_LINES:
      return Format::kJsonLines;
    default:
      v.Add("output.predictions",
            "is no format that this server knows: take csv, parquet, json_lines or none");
      return by_default;
  }
}

}  // namespace

OutputPlan PlanOutput(const v1::Output& output, const OutputDefaults& defaults, bool images,
                      Violations& v) {
  OutputPlan plan;
  plan.predictions = FormatOf(output.predictions(), defaults.predictions, v);
  plan.features = output.features();
  if (plan.features && plan.predictions == Format::kNone) {
    v.Add("output.features",
          "are a column of the predictions: set output.predictions to csv or parquet");
  }
  if (plan.features && plan.predictions == Format::kJsonLines) {
    v.Add("output.features", "are not for json_lines: set output.predictions to csv or parquet");
  }
  plan.mistakes = output.has_mistakes() ? output.mistakes() : images ? defaults.mistakes : 0;
  v.Range("output.mistakes", plan.mistakes, 0, kMostMistakes);
  if (plan.mistakes > 0 && !images) {
    v.Add("output.mistakes", "is for images, and the samples are rows of a table: leave it out");
  }
  return plan;
}

}  // namespace skytrain::spec
