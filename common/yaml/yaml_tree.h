#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace skytrain::yaml {

// Where a value was written.
struct Position {
  std::string source;  // File name, or "--set".
  int line = 0;        // From 1; 0: the source has no lines.
  int column = 0;      // From 1.

  // "galaxies.yaml:9:3", or the source alone.
  std::string ToString() const;
};

struct Problem {
  Position at;
  std::string text;
};

// A parsed document. Scalars stay text: what they mean is decided by the field they go to, so that
// an 18-digit id never passes through a double and `yes` never becomes a boolean by accident.
struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry;

  Kind kind = Kind::kNull;
  Position at;
  std::string scalar;
  bool quoted = false;         // "12" is text, 12 is a number.
  std::vector<Node> items;     // kList.
  std::vector<Entry> entries;  // kMap, in the order of the file; keys differ.

  Entry* Find(absl::string_view key);
};

struct Node::Entry {
  std::string key;
  Position key_at;
  Node value;
};

inline constexpr size_t kMaxBytes = 1 << 20;
inline constexpr size_t kMaxNodes = 100'000;  // After aliases are resolved ("billion laughs").

inline constexpr size_t kMaxOverrideKeys = 32;  // Of an override's "a.b.c".

// Text of the user's, fit for a message: valid UTF-8 and not overlong.
std::string Quotable(absl::string_view text);

// Parses one document (none is a null). `source` names it in positions. Syntax errors, duplicate
// keys, keys that are not text, a second document, text that is not UTF-8 and too large a document
// go to `problems`. Everything in the tree and in `problems` is valid UTF-8 where `source` is.
Node ParseTree(absl::string_view text, const std::string& source, std::vector<Problem>& problems);

// Applies "a.b=c": the value is YAML, maps on the way are made where they are missing.
void ApplyOverride(absl::string_view assignment, Node& root, std::vector<Problem>& problems);

}  // namespace skytrain::yaml
