#include "common/yaml/yaml_message.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "common/errors.h"
#include "common/utf8.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"

namespace skytrain::yaml {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::OneofDescriptor;
using ::google::protobuf::Reflection;

constexpr size_t kMaxProblems = 20;

// "CLASS_WEIGHTS_" of CLASS_WEIGHTS_UNSPECIFIED; empty when the zero value is no such name.
std::string EnumPrefix(const EnumDescriptor& type) {
  absl::string_view zero = type.value(0)->name();
  if (!absl::ConsumeSuffix(&zero, "UNSPECIFIED")) return "";
  for (int i = 1; i < type.value_count(); ++i) {
    if (!absl::StartsWith(type.value(i)->name(), zero)) return "";
  }
  return std::string(zero);
}

// What stands there instead, for an error.
std::string Quote(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
    case Node::Kind::kScalar:
      break;
  }
  return absl::StrCat(node.quoted ? "the text " : "", "\"", Quotable(node.scalar), "\"");
}

// Sets one value: a field that is not repeated, or a new element of one that is.
struct Slot {
  Message& message;
  const FieldDescriptor& field;

  const Reflection& reflection() const { return *message.GetReflection(); }

  void Set(int32_t v) const {
    field.is_repeated() ? reflection().AddInt32(&message, &field, v)
                        : reflection().SetInt32(&message, &field, v);
  }
  void Set(int64_t v) const {
    field.is_repeated() ? reflection().AddInt64(&message, &field, v)
                        : reflection().SetInt64(&message, &field, v);
  }
  void Set(uint32_t v) const {
    field.is_repeated() ? reflection().AddUInt32(&message, &field, v)
                        : reflection().SetUInt32(&message, &field, v);
  }
  void Set(uint64_t v) const {
    field.is_repeated() ? reflection().AddUInt64(&message, &field, v)
                        : reflection().SetUInt64(&message, &field, v);
  }
  void Set(double v) const {
    field.is_repeated() ? reflection().AddDouble(&message, &field, v)
                        : reflection().SetDouble(&message, &field, v);
  }
  void Set(float v) const {
    field.is_repeated() ? reflection().AddFloat(&message, &field, v)
                        : reflection().SetFloat(&message, &field, v);
  }
  void Set(bool v) const {
    field.is_repeated() ? reflection().AddBool(&message, &field, v)
                        : reflection().SetBool(&message, &field, v);
  }
  void Set(const std::string& v) const {
    field.is_repeated() ? reflection().AddString(&message, &field, v)
                        : reflection().SetString(&message, &field, v);
  }
  void SetEnum(int v) const {
    field.is_repeated() ? reflection().AddEnumValue(&message, &field, v)
                        : reflection().SetEnumValue(&message, &field, v);
  }
  Message& Mutable() const {
    return field.is_repeated() ? *reflection().AddMessage(&message, &field)
                               : *reflection().MutableMessage(&message, &field);
  }
};

class Reader {
 public:
  Reader(std::vector<Problem>& problems, PositionMap* positions)
      : problems_(problems), positions_(positions) {}

  void ReadMessage(const Node& node, const std::string& path, Message& message) {
    if (node.kind == Node::Kind::kNull) return;
    if (node.kind != Node::Kind::kMap) {
      Fail(node, absl::StrCat(path.empty() ? "the file" : path, " must be a map of keys, not ",
                              Quote(node)));
      return;
    }
    std::map<const OneofDescriptor*, const Node::Entry*> chosen;
    for (const Node::Entry& entry : node.entries) {
      const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(entry.key);
      if (field == nullptr) {
        UnknownKey(entry, path, *message.GetDescriptor());
        continue;
      }
      if (const OneofDescriptor* oneof = field->real_containing_oneof()) {
        const auto [first, inserted] = chosen.emplace(oneof, &entry);
        if (!inserted) {
          Fail(entry.key_at, absl::StrCat("'", entry.key, "' and '", first->second->key, "' (",
                                          first->second->key_at.ToString(), ") exclude each other",
                                          path.empty() ? "" : " in ", path, "; keep one"));
          continue;
        }
      }
      ReadField(entry.value, absl::StrCat(path, path.empty() ? "" : ".", entry.key), message,
                *field);
    }
  }

 private:
  void Fail(const Position& at, std::string text) {
    problems_.push_back(Problem{at, std::move(text)});
  }
  void Fail(const Node& node, std::string text) { Fail(node.at, std::move(text)); }
  void WrongType(const Node& node, absl::string_view path, absl::string_view wanted) {
    Fail(node, absl::StrCat(path, " must be ", wanted, ", not ", Quote(node)));
  }

  void UnknownKey(const Node::Entry& entry, absl::string_view path, const Descriptor& type) {
    std::vector<std::string> names;
    for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
    std::string text =
        absl::StrCat("unknown key '", Quotable(entry.key), "'", path.empty() ? "" : " in ", path);
    if (const std::string nearest = NearestName(entry.key, names); !nearest.empty()) {
      absl::StrAppend(&text, "; did you mean '", nearest, "'?");
    } else {
      absl::StrAppend(&text, "; it knows ", absl::StrJoin(names, ", "));
    }
    Fail(entry.key_at, std::move(text));
  }

  void ReadField(const Node& node, const std::string& path, Message& message,
                 const FieldDescriptor& field) {
    if (positions_ != nullptr) positions_->Add(path, node.at);
    if (field.is_map()) {
      ReadMap(node, path, message, field);
    } else if (field.is_repeated()) {
      ReadList(node, path, message, field);
    } else {
      ReadValue(node, path, {message, field});
    }
  }

  void ReadMap(const Node& node, const std::string& path, Message& message,
               const FieldDescriptor& field) {
    if (node.kind == Node::Kind::kNull) return;
    if (node.kind != Node::Kind::kMap) return WrongType(node, path, "a map of keys");
    for (const Node::Entry& entry : node.entries) {
      Message& pair = Slot{message, field}.Mutable();
      Node key;
      key.kind = Node::Kind::kScalar;
      key.scalar = entry.key;
      key.at = entry.key_at;
      const std::string below = absl::StrCat(path, ".", entry.key);
      ReadValue(key, below, {pair, *field.message_type()->map_key()});
      ReadField(entry.value, below, pair, *field.message_type()->map_value());
    }
  }

  void ReadList(const Node& node, const std::string& path, Message& message,
                const FieldDescriptor& field) {
    if (node.kind == Node::Kind::kNull) return;
    if (node.kind != Node::Kind::kList) return WrongType(node, path, "a list, [a, b]");
    for (size_t i = 0; i < node.items.size(); ++i) {
      const std::string below = absl::StrCat(path, "[", i, "]");
      if (positions_ != nullptr) positions_->Add(below, node.items[i].at);
      ReadValue(node.items[i], below, {message, field});
    }
  }

  void ReadValue(const Node& node, const std::string& path, const Slot& slot) {
    switch (slot.field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (slot.field.message_type()->full_name() == "google.protobuf.Duration") {
          return ReadDuration(node, path, slot.Mutable());
        }
        // Of a message that is nothing but a list, such as the value of a map can be, the list is
        // written alone.
        if (const Descriptor& type = *slot.field.message_type();
            node.kind == Node::Kind::kList && type.field_count() == 1 &&
            type.field(0)->is_repeated() && !type.field(0)->is_map()) {
          return ReadList(node, path, slot.Mutable(), *type.field(0));
        }
        return ReadMessage(node, path, slot.Mutable());
      case FieldDescriptor::CPPTYPE_STRING:
        if (node.kind != Node::Kind::kScalar) return WrongType(node, path, "text");
        return slot.Set(node.scalar);
      case FieldDescriptor::CPPTYPE_BOOL:
        return ReadBool(node, path, slot);
      case FieldDescriptor::CPPTYPE_ENUM:
        return ReadEnum(node, path, slot);
      case FieldDescriptor::CPPTYPE_INT32:
        return ReadInteger<int32_t>(node, path, slot);
      case FieldDescriptor::CPPTYPE_INT64:
        return ReadInteger<int64_t>(node, path, slot);
      case FieldDescriptor::CPPTYPE_UINT32:
        return ReadInteger<uint32_t>(node, path, slot);
      case FieldDescriptor::CPPTYPE_UINT64:
        return ReadInteger<uint64_t>(node, path, slot);
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        return ReadNumber(node, path, slot);
    }
  }

  static bool IsPlain(const Node& node) { return node.kind == Node::Kind::kScalar && !node.quoted; }

  void ReadBool(const Node& node, const std::string& path, const Slot& slot) {
    if (!IsPlain(node) || (node.scalar != "true" && node.scalar != "false")) {
      return WrongType(node, path, "true or false");
    }
    slot.Set(node.scalar == "true");
  }

  void ReadEnum(const Node& node, const std::string& path, const Slot& slot) {
    const EnumDescriptor& type = *slot.field.enum_type();
    std::vector<std::string> names;
    for (int i = 1; i < type.value_count(); ++i) {
      names.push_back(absl::AsciiStrToLower(ShortEnumName(*type.value(i))));
      if (node.kind == Node::Kind::kScalar && node.scalar == names.back()) {
        return slot.SetEnum(type.value(i)->number());
      }
    }
    WrongType(node, path,
              absl::StrCat(names.size() > 1 ? "one of " : "", absl::StrJoin(names, ", ")));
  }

  template <typename T>
  void ReadInteger(const Node& node, const std::string& path, const Slot& slot) {
    constexpr bool kSigned = std::numeric_limits<T>::is_signed;
    const absl::string_view digits =
        absl::StripPrefix(node.scalar, kSigned ? absl::string_view("-") : absl::string_view(""));
    const bool whole = IsPlain(node) && !digits.empty() &&
                       std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit);
    if (!whole) {
      return WrongType(node, path, kSigned ? "a whole number" : "a whole number, 0 or more");
    }
    T value;
    if (!absl::SimpleAtoi(node.scalar, &value)) {
      return WrongType(node, path,
                       absl::StrCat("a whole number from ", std::numeric_limits<T>::min(), " to ",
                                    std::numeric_limits<T>::max()));
    }
    slot.Set(value);
  }

  void ReadNumber(const Node& node, const std::string& path, const Slot& slot) {
    double value = 0;
    if (!IsPlain(node) || !absl::SimpleAtod(node.scalar, &value) || !std::isfinite(value)) {
      return WrongType(node, path, "a number");
    }
    if (slot.field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
      slot.Set(static_cast<float>(value));
    } else {
      slot.Set(value);
    }
  }

  void ReadDuration(const Node& node, const std::string& path, Message& message) {
    absl::Duration value;
    if (!IsPlain(node) || !absl::ParseDuration(node.scalar, &value) ||
        value == absl::InfiniteDuration() || value < absl::ZeroDuration()) {
      return WrongType(node, path, "a time such as 90s, 30m or 1h30m");
    }
    auto& duration = static_cast<google::protobuf::Duration&>(message);
    duration.set_seconds(absl::IDivDuration(value, absl::Seconds(1), &value));
    duration.set_nanos(static_cast<int32_t>(value / absl::Nanoseconds(1)));
  }

  std::vector<Problem>& problems_;
  PositionMap* positions_;
};

}  // namespace

std::string ShortEnumName(const google::protobuf::EnumValueDescriptor& value) {
  const std::string prefix = EnumPrefix(*value.type());
  if (prefix.empty()) return value.name();
  return absl::AsciiStrToLower(absl::StripPrefix(value.name(), prefix));
}

Position PositionMap::Find(absl::string_view path) const {
  while (true) {
    if (const auto found = positions_.find(std::string(path)); found != positions_.end()) {
      return found->second;
    }
    if (path.empty()) return Position();
    const size_t cut = path.find_last_of(".[");
    path = path.substr(0, cut == absl::string_view::npos ? 0 : cut);
  }
}

absl::Status ParseMessage(absl::string_view text, const std::string& file,
                          absl::Span<const std::string> overrides, Message& message,
                          PositionMap* positions) {
  // A file name may be any bytes; the errors that it goes into may not.
  const std::string source = IsValidUtf8(file) ? file : absl::CHexEscape(file);
  std::vector<Problem> problems;
  Node root = ParseTree(text, source, problems);
  for (const std::string& assignment : overrides) ApplyOverride(assignment, root, problems);
  if (positions != nullptr) {
    Position whole;
    whole.source = source;
    positions->Add("", std::move(whole));
  }
  Reader(problems, positions).ReadMessage(root, "", message);
  if (problems.empty()) return absl::OkStatus();

  std::vector<FieldViolation> violations;
  for (size_t i = 0; i < problems.size() && i < kMaxProblems; ++i) {
    violations.push_back({problems[i].at.ToString(), problems[i].text});
  }
  return BadRequestError("INVALID_YAML", std::move(violations));
}

}  // namespace skytrain::yaml
