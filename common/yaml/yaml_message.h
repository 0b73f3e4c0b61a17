#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/yaml/yaml_tree.h"
#include "google/protobuf/message.h"

namespace skytrain::yaml {

// Where each field of a message was written: "train.epochs" → galaxies.yaml:9:11.
class PositionMap {
 public:
  void Add(std::string path, Position at) { positions_[std::move(path)] = std::move(at); }
  // Of `path`, or of the nearest field above it that the file sets (a required key that is missing
  // has no place of its own); the file's name alone when there is none.
  Position Find(absl::string_view path) const;

 private:
  std::map<std::string, Position> positions_;
};

// Fills `message` from one YAML document. Keys are the field names; enum values are written in
// lower case without the enum's prefix ("balanced"); durations as 90s, 30m, 1h30m; a message field
// without a value (`classification:`) is set and empty. `overrides` ("a.b=c") are applied first.
// The error is INVALID_ARGUMENT (INVALID_YAML) with one FieldViolation per mistake (at most 20),
// whose `field` is the position and whose description names the key:
//   galaxies.yaml:9:3: unknown key 'batchsize' in train; did you mean 'batch_size'?
// `positions` may be null; it is filled as far as the document was understood.
absl::Status ParseMessage(absl::string_view text, const std::string& file,
                          absl::Span<const std::string> overrides,
                          google::protobuf::Message& message, PositionMap* positions);

// The short name of an enum value in YAML and JSON: "balanced" for CLASS_WEIGHTS_BALANCED; the name
// itself where values carry no prefix ("RUNNING").
std::string ShortEnumName(const google::protobuf::EnumValueDescriptor& value);

}  // namespace skytrain::yaml
