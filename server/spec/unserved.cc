#include "server/spec/unserved.h"

#include <string>
#include <vector>

#include "absl/strings/str_split.h"

namespace skytrain::spec {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Whoever makes one of these work removes its line.
constexpr const char* kUnserved[] = {
    "train.micro_batch",
    "train.early_stop",
    "train.ema",
};

bool IsSet(const Message& message, const std::vector<std::string>& path) {
  const Message* at = &message;
  for (size_t i = 0; i < path.size(); ++i) {
    const FieldDescriptor* field = at->GetDescriptor()->FindFieldByName(path[i]);
    if (field == nullptr) return false;
    const Reflection* reflection = at->GetReflection();
    const bool set = field->is_repeated() ? reflection->FieldSize(*at, field) > 0
                                          : reflection->HasField(*at, field);
    if (!set) return false;
    // An evaluation's `model` is a name.
    if (i + 1 < path.size() && field->message_type() == nullptr) return false;
    if (i + 1 < path.size()) at = &reflection->GetMessage(*at, field);
  }
  return true;
}

}  // namespace

void RefuseUnserved(const Message& message, Violations& violations) {
  for (const char* field : kUnserved) {
    const std::vector<std::string> path = absl::StrSplit(field, '.');
    if (IsSet(message, path)) violations.Add(field, "is not served by this version of skytrain");
  }
}

}  // namespace skytrain::spec
