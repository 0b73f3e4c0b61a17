// The YAML file.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/file/file_system.h"
#include "common/status_macros.h"
#include "common/yaml/yaml_tree.h"
#include "server/config/bad_config.h"
#include "server/config/config.h"
#include "server/config/config_key.h"
#include "server/hooks/hook_config.h"

namespace skytrain {
namespace {

constexpr absl::string_view kHooks = "hooks";  // A list of maps: nothing for a flag.

// Walks the file's tree and sets every key.
class FileReader {
 public:
  FileReader(Config& config, std::vector<yaml::Problem>& problems)
      : config_(config), problems_(problems) {}

  void ReadMap(const yaml::Node& node, const std::string& prefix) {
    if (node.kind == yaml::Node::Kind::kNull) return;
    if (node.kind != yaml::Node::Kind::kMap) {
      problems_.push_back({node.at, "must be a map of keys"});
      return;
    }
    for (const yaml::Node::Entry& entry : node.entries) ReadEntry(entry, prefix);
  }

 private:
  void ReadEntry(const yaml::Node::Entry& entry, const std::string& prefix) {
    const std::string path = absl::StrCat(prefix, entry.key);
    std::vector<std::string> known;
    if (prefix.empty()) {
      if (path == kHooks) {
        config_.hooks = ReadHooks(entry.value, problems_);
        return;
      }
      known.emplace_back(kHooks);
    }
    for (const ConfigKey& key : ConfigKeys()) {
      if (key.path == path) return ReadValue(key, entry.value);
      absl::string_view rest = key.path;
      if (!absl::ConsumePrefix(&rest, prefix)) continue;
      const std::string name(rest.substr(0, rest.find('.')));
      if (name != rest && name == entry.key) return ReadMap(entry.value, path + ".");
      known.push_back(name);
    }
    const std::string nearest = NearestName(entry.key, known);
    problems_.push_back(
        {entry.key_at,
         absl::StrCat("unknown key '", entry.key, "'",
                      nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?"))});
  }

  void ReadValue(const ConfigKey& key, const yaml::Node& value) {
    ConfigKey::Values values;
    if (value.kind == yaml::Node::Kind::kScalar) {
      values.push_back(value.scalar);
    } else if (value.kind == yaml::Node::Kind::kList && key.list) {
      for (const yaml::Node& item : value.items) {
        if (item.kind != yaml::Node::Kind::kScalar) {
          problems_.push_back({item.at, absl::StrCat(key.path, ": must be text")});
          return;
        }
        values.push_back(item.scalar);
      }
    }
    if (values.empty()) {
      problems_.push_back({value.at, absl::StrCat(key.path, ": must be ",
                                                  key.list ? "a list of text" : "one value")});
      return;
    }
    if (const std::string wrong = key.set(config_, values); !wrong.empty()) {
      problems_.push_back({value.at, absl::StrCat(key.path, ": ", wrong)});
    }
  }

  Config& config_;
  std::vector<yaml::Problem>& problems_;
};

}  // namespace

absl::Status ApplyConfigText(absl::string_view text, const std::string& source, Config* config) {
  std::vector<yaml::Problem> problems;
  const yaml::Node root = yaml::ParseTree(text, source, problems);
  FileReader(*config, problems).ReadMap(root, "");
  if (problems.empty()) return absl::OkStatus();
  std::vector<std::string> lines;
  for (const yaml::Problem& problem : problems) {
    lines.push_back(absl::StrCat(problem.at.ToString(), ": ", problem.text));
  }
  return BadConfig(absl::StrJoin(lines, "\n"));
}

absl::Status ApplyConfigFile(const std::string& path, Config* config) {
  ASSIGN_OR_RETURN(const std::string text, FileSystem::Posix().ReadFile(path, yaml::kMaxBytes + 1));
  return ApplyConfigText(text, path, config);
}

}  // namespace skytrain
