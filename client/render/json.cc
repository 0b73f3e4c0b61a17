#include "client/render/json.h"

#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "client/render/format.h"
#include "common/timestamp.h"
#include "common/yaml/yaml_message.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace skytrain::client {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

std::string Escape(absl::string_view text) {
  std::string escaped;
  for (const char c : ValidUtf8(text)) {
    switch (c) {
      case '"':
        escaped += "\\\"";
        break;
      case '\\':
        escaped += "\\\\";
        break;
      case '\n':
        escaped += "\\n";
        break;
      case '\t':
        escaped += "\\t";
        break;
      case '\r':
        escaped += "\\r";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          absl::StrAppendFormat(&escaped, "\\u%04x", c);
        } else {
          escaped += c;
        }
    }
  }
  return escaped;
}

bool IsTimestamp(const FieldDescriptor& field) {
  return field.message_type()->full_name() == "google.protobuf.Timestamp";
}

void WriteTime(const google::protobuf::Timestamp& time, JsonWriter& json) {
  json.String(absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", ToTime(time), absl::UTCTimeZone()));
}

void WriteScalar(const Message& message, const FieldDescriptor& field, int index,
                 JsonWriter& json) {
  const Reflection& r = *message.GetReflection();
  const bool list = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Message& below =
          list ? r.GetRepeatedMessage(message, &field, index) : r.GetMessage(message, &field);
      if (IsTimestamp(field)) {
        return WriteTime(static_cast<const google::protobuf::Timestamp&>(below), json);
      }
      if (field.message_type()->full_name() == "google.protobuf.Duration") {
        const auto& span = static_cast<const google::protobuf::Duration&>(below);
        return json.Number(static_cast<double>(span.seconds()) + span.nanos() * 1e-9);
      }
      return WriteMessage(below, json);
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return json.String(list ? r.GetRepeatedString(message, &field, index)
                              : r.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return json.Bool(list ? r.GetRepeatedBool(message, &field, index)
                            : r.GetBool(message, &field));
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number =
          list ? r.GetRepeatedEnumValue(message, &field, index) : r.GetEnumValue(message, &field);
      const auto* value = field.enum_type()->FindValueByNumber(number);
      // A newer server may send values that this client has no name for.
      return json.String(value == nullptr ? absl::StrCat(number) : yaml::ShortEnumName(*value));
    }
    case FieldDescriptor::CPPTYPE_INT32:
      return json.Number(
          int64_t{list ? r.GetRepeatedInt32(message, &field, index) : r.GetInt32(message, &field)});
    case FieldDescriptor::CPPTYPE_INT64:
      return json.Number(list ? r.GetRepeatedInt64(message, &field, index)
                              : r.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return json.Number(int64_t{list ? r.GetRepeatedUInt32(message, &field, index)
                                      : r.GetUInt32(message, &field)});
    case FieldDescriptor::CPPTYPE_UINT64:
      return json.Number(static_cast<int64_t>(list ? r.GetRepeatedUInt64(message, &field, index)
                                                   : r.GetUInt64(message, &field)));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return json.Number(list ? r.GetRepeatedDouble(message, &field, index)
                              : r.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return json.Number(
          double{list ? r.GetRepeatedFloat(message, &field, index) : r.GetFloat(message, &field)});
  }
}

void WriteMap(const Message& message, const FieldDescriptor& field, JsonWriter& json) {
  // Sorted: the order of a protobuf map changes from run to run.
  std::map<std::string, const Message*> entries;
  const Reflection& r = *message.GetReflection();
  for (int i = 0; i < r.FieldSize(message, &field); ++i) {
    const Message& entry = r.GetRepeatedMessage(message, &field, i);
    entries[entry.GetReflection()->GetString(entry, field.message_type()->map_key())] = &entry;
  }
  json.BeginObject();
  for (const auto& [key, entry] : entries) {
    json.Key(key);
    WriteScalar(*entry, *field.message_type()->map_value(), -1, json);
  }
  json.EndObject();
}

void WriteField(const Message& message, const FieldDescriptor& field, JsonWriter& json) {
  json.Key(field.name());
  if (field.is_map()) {
    WriteMap(message, field, json);
  } else if (field.is_repeated()) {
    json.BeginList();
    const int size = message.GetReflection()->FieldSize(message, &field);
    for (int i = 0; i < size; ++i) WriteScalar(message, field, i, json);
    json.EndList();
  } else {
    WriteScalar(message, field, -1, json);
  }
}

// Of an experiment only what its author set. Of what the server says, numbers and lists also when
// they are 0 and empty, so that scripts find the keys they look for.
bool IsWritten(const Message& message, const FieldDescriptor& field) {
  const Reflection& r = *message.GetReflection();
  const bool spec = message.GetDescriptor()->file()->name() == "skytrain/v1/experiment.proto";
  if (field.is_repeated()) return !spec || r.FieldSize(message, &field) > 0;
  if (spec || field.has_presence()) return r.HasField(message, &field);
  return r.HasField(message, &field) || (field.cpp_type() != FieldDescriptor::CPPTYPE_STRING &&
                                         field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM);
}

void WritePoints(const v1::MetricBatch& batch, JsonWriter& json) {
  json.BeginList();
  for (int i = 0; i < batch.value_size(); ++i) {
    json.BeginObject();
    json.Key("name");
    json.String(batch.names(batch.name(i)));
    json.Key("step");
    json.Number(batch.step(i));
    json.Key("epoch");
    json.Number(int64_t{batch.epoch(i)});
    json.Key("value");
    json.Number(batch.value(i));
    json.EndObject();
  }
  json.EndList();
}

bool WellFormed(const v1::MetricBatch& batch) {
  const int points = batch.value_size();
  if (batch.name_size() != points || batch.step_size() != points || batch.epoch_size() != points) {
    return false;
  }
  for (const uint32_t name : batch.name()) {
    if (name >= static_cast<uint32_t>(batch.names_size())) return false;
  }
  return true;
}

}  // namespace

std::string ShortestNumber(double value) {
  for (int digits = 15; digits < 17; ++digits) {
    std::string text = absl::StrFormat("%.*g", digits, value);
    if (std::stod(text) == value) return text;
  }
  return absl::StrFormat("%.17g", value);
}

void JsonWriter::Key(absl::string_view key) {
  BeforeValue();
  absl::StrAppend(&text_, "\"", Escape(key), "\": ");
  after_key_ = true;
}

void JsonWriter::String(absl::string_view value) {
  BeforeValue();
  absl::StrAppend(&text_, "\"", Escape(value), "\"");
}

void JsonWriter::Number(double value) {
  if (std::isnan(value)) return String("NaN");
  if (std::isinf(value)) return String(value > 0 ? "Infinity" : "-Infinity");
  BeforeValue();
  text_ += ShortestNumber(value);
}

void JsonWriter::Number(int64_t value) {
  BeforeValue();
  absl::StrAppend(&text_, value);
}

void JsonWriter::Bool(bool value) {
  BeforeValue();
  text_ += value ? "true" : "false";
}

void JsonWriter::Begin(char bracket) {
  BeforeValue();
  text_ += bracket;
  empty_.push_back(true);
}

void JsonWriter::End(char bracket) {
  const bool empty = empty_.back();
  empty_.pop_back();
  if (!empty) NewLine();
  text_ += bracket;
}

void JsonWriter::BeforeValue() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (empty_.empty()) return;
  if (!empty_.back()) text_ += pretty_ ? "," : ", ";
  empty_.back() = false;
  NewLine();
}

void JsonWriter::NewLine() {
  if (pretty_) absl::StrAppend(&text_, "\n", std::string(2 * empty_.size(), ' '));
}

void WriteFields(const Message& message, JsonWriter& json) {
  const auto& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    if (IsWritten(message, *type.field(i))) WriteField(message, *type.field(i), json);
  }
}

void WriteMessage(const Message& message, JsonWriter& json) {
  json.BeginObject();
  WriteFields(message, json);
  json.EndObject();
}

void WriteEvent(const v1::Event& event, JsonWriter& json) {
  json.BeginObject();
  json.Key("seq");
  json.Number(event.seq());
  json.Key("attempt");
  json.Number(int64_t{event.attempt()});
  json.Key("time");
  WriteTime(event.time(), json);
  const auto* field = event.GetReflection()->GetOneofFieldDescriptor(
      event, event.GetDescriptor()->FindOneofByName("kind"));
  if (event.has_metrics() && WellFormed(event.metrics())) {
    json.Key("metrics");
    WritePoints(event.metrics(), json);
  } else if (event.has_report()) {
    json.Key("report");
    WriteReport(event.report(), json);
  } else if (field != nullptr) {
    WriteField(event, *field, json);
  }
  json.EndObject();
}

void WriteJob(const v1::Job& job, JsonWriter& json) {
  v1::Job shown = job;
  shown.set_name(ShortName(job.name()));
  WriteMessage(shown, json);
}

namespace {

void WriteClasses(const v1::EvaluationReport& report, JsonWriter& json) {
  json.Key("accuracy");
  json.Number(report.accuracy());
  json.Key("balanced_accuracy");
  json.Number(report.balanced_accuracy());
  json.Key("classes");
  json.BeginList();
  for (const std::string& name : report.classes()) json.String(name);
  json.EndList();
  json.Key("recall");
  json.BeginList();
  for (const double recall : report.recall()) json.Number(recall);
  json.EndList();
  json.Key("confusion_matrix");
  json.BeginList();
  const int classes = report.classes_size();
  for (int row = 0; row < classes && report.confusion_matrix_size() == classes * classes; ++row) {
    json.BeginList();
    for (int column = 0; column < classes; ++column) {
      json.Number(report.confusion_matrix(row * classes + column));
    }
    json.EndList();
  }
  json.EndList();
}

}  // namespace

void WriteReport(const v1::EvaluationReport& report, JsonWriter& json) {
  json.BeginObject();
  json.Key("split");
  json.String(report.split());
  json.Key("count");
  json.Number(report.count());
  json.Key("loss");
  json.Number(report.loss());
  if (!report.task().empty()) {  // Reports of older workers have neither.
    json.Key("task");
    json.String(report.task());
    json.Key("measures");
    json.BeginObject();
    for (const auto& measure : report.measures()) {
      json.Key(measure.name());
      json.Number(measure.value());
    }
    json.EndObject();
  }
  if (report.classes_size() > 0) WriteClasses(report, json);
  json.EndObject();
}

}  // namespace skytrain::client
