#include "common/yaml/yaml_tree.h"

#include <yaml-cpp/yaml.h>

// yaml.h leaves the event interface out.
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/utf8.h"

namespace skytrain::yaml {
namespace {

void Report(std::vector<Problem>& problems, Position at, std::string text) {
  problems.push_back(Problem{std::move(at), std::move(text)});
}

Position Whole(const std::string& source) {
  Position position;
  position.source = source;
  return position;
}

// Text that the parser reads as it stands. It would take zeros for UTF-16 or UTF-32, whose
// characters it does not check. Messages quote the text, and travel as protobuf's strings.
bool IsText(absl::string_view text, const Position& at, std::vector<Problem>& problems) {
  if (IsValidUtf8(text) && !absl::StrContains(text, '\0')) return true;
  Report(problems, at, "is not UTF-8 text");
  return false;
}

size_t CountNodes(const Node& node) {
  size_t count = 1;
  for (const Node& item : node.items) count += CountNodes(item);
  for (const Node::Entry& entry : node.entries) count += CountNodes(entry.value);
  return count;
}

// Builds the tree from the parser's events. yaml-cpp's own nodes would let duplicate keys pass and
// would expand aliases without a bound.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& source, std::vector<Problem>& problems)
      : source_(source), problems_(problems) {}

  Node TakeRoot() { return std::move(root_); }
  bool too_large() const { return too_large_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node = At(mark);
    Add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (too_large_) return;  // Anchors are no longer kept.
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      Node node = At(mark);
      Report(problems_, node.at, "an alias to a value that contains it");
      Add(std::move(node), 0);
      return;
    }
    if (!Count(CountNodes(found->second) - 1)) return;
    Add(found->second, 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node = At(mark);
    // Plain scalars come with the tag "?", quoted ones with "!".
    node.quoted = tag == "!";
    const bool null = !node.quoted && (value.empty() || value == "~" || value == "null");
    node.kind = null ? Node::Kind::kNull : Node::Kind::kScalar;
    node.scalar = value;
    Add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, Node::Kind::kList, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, Node::Kind::kMap, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Frame {
    Node node;
    YAML::anchor_t anchor;
    std::optional<Node> key;
  };

  Node At(const YAML::Mark& mark) const {
    Node node;
    node.at = {source_, mark.line + 1, mark.column + 1};
    return node;
  }

  bool Count(size_t nodes) {
    nodes_ += nodes;
    too_large_ = too_large_ || nodes_ > kMaxNodes;
    return !too_large_;
  }

  void Open(const YAML::Mark& mark, Node::Kind kind, YAML::anchor_t anchor) {
    Frame frame{At(mark), anchor, std::nullopt};
    frame.node.kind = kind;
    stack_.push_back(std::move(frame));
  }

  void Close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    Add(std::move(frame.node), frame.anchor);
  }

  void Add(Node node, YAML::anchor_t anchor) {
    if (!Count(1)) return;
    if (anchor != 0) {
      // The copy counts as well: anchors within anchors would else hold the file many times over.
      if (!Count(CountNodes(node))) return;
      anchors_[anchor] = node;
    }
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.kind == Node::Kind::kList) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.key.has_value()) {
      frame.key = std::move(node);
    } else {
      AddEntry(frame.node, *std::move(frame.key), std::move(node));
      frame.key.reset();
    }
  }

  void AddEntry(Node& map, Node key, Node value) {
    if (key.kind != Node::Kind::kScalar) {
      Report(problems_, key.at, "a key must be a word");
      return;
    }
    if (const Node::Entry* first = map.Find(key.scalar)) {
      Report(problems_, key.at,
             absl::StrCat("key '", Quotable(key.scalar), "' is set twice, first at line ",
                          first->key_at.line));
      return;
    }
    // The parser places a value that is not there at whatever follows.
    if (value.kind == Node::Kind::kNull) value.at = key.at;
    map.entries.push_back({key.scalar, key.at, std::move(value)});
  }

  const std::string& source_;
  std::vector<Problem>& problems_;
  Node root_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, Node> anchors_;
  size_t nodes_ = 0;
  bool too_large_ = false;
};

void SetSource(const Position& at, Node& node) {
  node.at = at;
  for (Node& item : node.items) SetSource(at, item);
  for (Node::Entry& entry : node.entries) {
    entry.key_at = at;
    SetSource(at, entry.value);
  }
}

}  // namespace

std::string Quotable(absl::string_view text) {
  constexpr size_t kLongest = 100;
  const absl::string_view cut = Utf8Prefix(text, kLongest);
  return absl::StrCat(IsValidUtf8(cut) ? std::string(cut) : absl::CHexEscape(cut),
                      cut.size() < text.size() ? "…" : "");
}

std::string Position::ToString() const {
  return line == 0 ? source : absl::StrCat(source, ":", line, ":", column);
}

Node::Entry* Node::Find(absl::string_view key) {
  for (Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

Node ParseTree(absl::string_view text, const std::string& source, std::vector<Problem>& problems) {
  if (text.size() > kMaxBytes) {
    Report(problems, Whole(source), "is larger than 1 MiB");
    return Node();
  }
  if (!IsText(text, Whole(source), problems)) return Node();
  TreeBuilder builder(source, problems);
  // The one place where yaml-cpp's exceptions are caught.
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return Node();
    Node root = builder.TakeRoot();
    if (builder.too_large()) {
      Report(problems, Whole(source),
             absl::StrCat("has more than ", kMaxNodes, " values once aliases are resolved"));
      return Node();
    }
    TreeBuilder second(source, problems);
    if (parser.HandleNextDocument(second)) {
      Report(problems, second.TakeRoot().at, "a second document; one file holds one");
    }
    return root;
  } catch (const YAML::Exception& e) {
    Position at = Whole(source);
    at.line = e.mark.line + 1;
    at.column = e.mark.column + 1;
    Report(problems, std::move(at), absl::StrCat("not valid YAML: ", Quotable(e.msg)));
  }
  return Node();
}

void ApplyOverride(absl::string_view assignment, Node& root, std::vector<Problem>& problems) {
  const Position at = Whole("--set");
  if (!IsText(assignment, at, problems)) return;
  const size_t equals = assignment.find('=');
  const absl::string_view path = absl::StripAsciiWhitespace(assignment.substr(0, equals));
  if (equals == absl::string_view::npos || path.empty()) {
    Report(problems, at, absl::StrCat("write KEY=VALUE, not '", Quotable(assignment), "'"));
    return;
  }
  const std::vector<absl::string_view> keys = absl::StrSplit(path, '.');
  if (keys.size() > kMaxOverrideKeys) {
    Report(problems, at, absl::StrCat("more than ", kMaxOverrideKeys, " keys in ", Quotable(path)));
    return;
  }
  std::vector<Problem> found;
  Node value = ParseTree(assignment.substr(equals + 1), "--set", found);
  for (Problem& problem : found) {
    Report(problems, at, absl::StrCat(Quotable(path), ": ", problem.text));
  }
  if (!found.empty()) return;
  SetSource(at, value);

  Node* node = &root;
  for (const absl::string_view key : keys) {
    if (node->kind == Node::Kind::kNull) {
      node->kind = Node::Kind::kMap;
      if (node->at.source.empty()) node->at = at;
    }
    if (node->kind != Node::Kind::kMap) {
      Report(problems, at,
             absl::StrCat(Quotable(path), ": '", Quotable(key), "' lies below a value, not a map"));
      return;
    }
    Node::Entry* entry = node->Find(key);
    if (entry == nullptr) {
      node->entries.push_back({std::string(key), at, Node()});
      entry = &node->entries.back();
      entry->value.at = at;
    }
    node = &entry->value;
  }
  *node = std::move(value);
}

}  // namespace skytrain::yaml
