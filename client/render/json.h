#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "skytrain/v1/event.pb.h"
#include "skytrain/v1/job.pb.h"

namespace skytrain::client {

// Writes one JSON document, keys in the order given. With `pretty`, two spaces of indent; else one
// line. Numbers that JSON does not know are the strings "NaN", "Infinity" and "-Infinity"; bytes
// that are not UTF-8 are replaced.
class JsonWriter {
 public:
  explicit JsonWriter(bool pretty) : pretty_(pretty) {}

  void BeginObject() { Begin('{'); }
  void EndObject() { End('}'); }
  void BeginList() { Begin('['); }
  void EndList() { End(']'); }
  void Key(absl::string_view key);
  void String(absl::string_view value);
  void Number(double value);
  void Number(int64_t value);
  void Bool(bool value);

  // The document, with a newline.
  std::string Finish() { return text_ + "\n"; }

 private:
  void Begin(char bracket);
  void End(char bracket);
  void BeforeValue();
  void NewLine();

  const bool pretty_;
  std::string text_;
  std::vector<bool> empty_;  // Of each open bracket: nothing written in it yet.
  bool after_key_ = false;
};

// The shortest text that reads back as the same (finite) number.
std::string ShortestNumber(double value);

// The rules for every message: snake_case keys; text without a value is left out, numbers and lists
// only in an experiment; enum values by their short names; times as RFC 3339 in UTC, durations in
// seconds; bytes as text.
void WriteMessage(const google::protobuf::Message& message, JsonWriter& json);
// The same without its braces, as keys of the object that is being written.
void WriteFields(const google::protobuf::Message& message, JsonWriter& json);

// One event as `watch --output jsonl` has it: seq, attempt, time and what happened. Metrics are a
// list of points (name, step, epoch, value).
void WriteEvent(const v1::Event& event, JsonWriter& json);

// A job as in `show` and `list`: `name` is the short one.
void WriteJob(const v1::Job& job, JsonWriter& json);

// task, split, count, loss, measures (an object); of classification also accuracy,
// balanced_accuracy, classes, recall, confusion_matrix ([K][K]).
void WriteReport(const v1::EvaluationReport& report, JsonWriter& json);

}  // namespace skytrain::client
