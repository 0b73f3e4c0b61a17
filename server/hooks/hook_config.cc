#include "server/hooks/hook_config.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/duration.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "server/hooks/hook_url.h"

namespace skytrain {
namespace {

using yaml::Node;
using yaml::Problem;

constexpr size_t kMaxNameBytes = 32;
constexpr size_t kMaxArguments = 64;
constexpr uint64_t kTerminalStates = 1u << v1::SUCCEEDED | 1u << v1::FAILED | 1u << v1::CANCELLED;

// Empty: set. Else what is wrong.
using Setter = std::function<std::string(Hook&, const std::vector<std::string>&)>;

struct Key {
  const char* name;
  bool list;
  Setter set;
};

std::string DidYouMean(absl::string_view word, const std::vector<std::string>& known) {
  const std::string nearest = NearestName(word, known);
  return nearest.empty() ? absl::StrCat("; there are ", absl::StrJoin(known, ", "))
                         : absl::StrCat("; did you mean '", nearest, "'?");
}

std::string SetName(Hook& hook, const std::vector<std::string>& values) {
  const std::string& name = values[0];
  const bool valid = !name.empty() && name.size() <= kMaxNameBytes &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
                     });
  if (!valid) return "must be 1 to 32 of a-z, 0-9 and -";
  hook.name = name;
  return "";
}

std::string SetStates(Hook& hook, const std::vector<std::string>& values) {
  std::vector<std::string> known;
  for (int state = v1::QUEUED; state <= v1::JobState_MAX; ++state) {
    known.push_back(v1::JobState_Name(static_cast<v1::JobState>(state)));
  }
  hook.states = 0;
  for (const std::string& value : values) {
    const std::string name = absl::AsciiStrToUpper(value);
    v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
    if (!v1::JobState_Parse(name, &state) || state == v1::JOB_STATE_UNSPECIFIED) {
      return absl::StrCat("no state of a job: '", yaml::Quotable(value), "'",
                          DidYouMean(name, known));
    }
    hook.states |= uint64_t{1} << state;
  }
  return "";
}

std::string SetFilter(Hook& hook, const std::vector<std::string>& values) {
  auto filter = JobFilter::Parse(values[0]);
  if (!filter.ok()) return std::string(filter.status().message());
  hook.filter = *std::move(filter);
  return "";
}

std::string SetExec(Hook& hook, const std::vector<std::string>& values) {
  if (!absl::StartsWith(values[0], "/")) return "must begin with the absolute path of a program";
  if (values.size() > kMaxArguments) return absl::StrCat("has more than ", kMaxArguments, " items");
  hook.exec = values;
  return "";
}

std::string SetUrl(Hook& hook, const std::vector<std::string>& values) {
  if (const absl::Status valid = CheckHookUrl(values[0]); !valid.ok()) {
    return std::string(valid.message());
  }
  hook.url = values[0];
  return "";
}

Setter File(std::string Hook::*field) {
  return [field](Hook& hook, const std::vector<std::string>& values) -> std::string {
    if (!absl::StartsWith(values[0], "/")) return "must be an absolute path";
    hook.*field = values[0];
    return "";
  };
}

Setter Time(absl::Duration Hook::*field, absl::Duration most) {
  return [=](Hook& hook, const std::vector<std::string>& values) -> std::string {
    const auto time = ParseDuration(values[0]);
    if (!time.ok()) return std::string(time.status().message());
    if (*time < absl::Seconds(1) || *time > most) {
      return absl::StrCat("must be 1s to ", absl::FormatDuration(most));
    }
    hook.*field = *time;
    return "";
  };
}

const std::vector<Key>& Keys() {
  static const std::vector<Key> keys{
      {"name", false, SetName},
      {"on", true, SetStates},
      {"filter", false, SetFilter},
      {"exec", true, SetExec},
      {"url", false, SetUrl},
      {"secret_file", false, File(&Hook::secret_file)},
      {"ca", false, File(&Hook::ca)},
      {"timeout", false, Time(&Hook::timeout, absl::Minutes(10))},
      {"max_age", false, Time(&Hook::max_age, absl::Hours(30 * 24))},
  };
  return keys;
}

class HookReader {
 public:
  explicit HookReader(std::vector<Problem>& problems) : problems_(problems) {}

  // What could be read; the rest is in the problems.
  Hook Read(const Node& node) {
    Hook hook;
    hook.states = kTerminalStates;
    if (node.kind != Node::Kind::kMap) {
      Report(node.at, "must be a map of keys");
      return hook;
    }
    const size_t before = problems_.size();
    for (const Node::Entry& entry : node.entries) ReadEntry(entry, hook);
    if (problems_.size() == before) CheckWhole(node.at, hook);
    return hook;
  }

 private:
  void Report(const yaml::Position& at, absl::string_view text) {
    problems_.push_back({at, absl::StrCat("hooks: ", text)});
  }

  void ReadEntry(const Node::Entry& entry, Hook& hook) {
    std::vector<std::string> known;
    for (const Key& key : Keys()) {
      if (key.name == entry.key) return ReadValue(key, entry.value, hook);
      known.emplace_back(key.name);
    }
    Report(entry.key_at, absl::StrCat("unknown key '", yaml::Quotable(entry.key), "'",
                                      DidYouMean(entry.key, known)));
  }

  void ReadValue(const Key& key, const Node& value, Hook& hook) {
    std::vector<std::string> values;
    bool good = value.kind == Node::Kind::kScalar;
    if (good) values.push_back(value.scalar);
    if (key.list && value.kind == Node::Kind::kList) {
      good = !value.items.empty();
      for (const Node& item : value.items) {
        good = good && item.kind == Node::Kind::kScalar;
        values.push_back(item.scalar);
      }
    }
    if (!good) {
      return Report(value.at, absl::StrCat(key.name, ": must be ",
                                           key.list ? "a list of text" : "one value"));
    }
    if (const std::string wrong = key.set(hook, values); !wrong.empty()) {
      Report(value.at, absl::StrCat(key.name, ": ", wrong));
    }
  }

  void CheckWhole(const yaml::Position& at, const Hook& hook) {
    if (hook.name.empty()) return Report(at, "a hook needs a name");
    const auto report = [&](absl::string_view text) {
      Report(at, absl::StrCat("'", hook.name, "' ", text));
    };
    if (hook.exec.empty() == hook.url.empty()) return report("needs either exec or url");
    const bool has_files = !hook.secret_file.empty() || !hook.ca.empty();
    if (!hook.exec.empty() && has_files) return report("has secret_file or ca without url");
    if (!hook.url.empty() && hook.secret_file.empty()) {
      report("needs secret_file, whose content signs what is posted: openssl rand -hex 32");
    }
  }

  std::vector<Problem>& problems_;
};

}  // namespace

std::vector<Hook> ReadHooks(const Node& node, std::vector<Problem>& problems) {
  std::vector<Hook> hooks;
  if (node.kind == Node::Kind::kNull) return hooks;
  if (node.kind != Node::Kind::kList || node.items.size() > kMaxHooks) {
    problems.push_back(
        {node.at, absl::StrCat("hooks: must be a list, of ", kMaxHooks, " hooks at most")});
    return hooks;
  }
  HookReader reader(problems);
  for (const Node& item : node.items) {
    const size_t before = problems.size();
    Hook hook = reader.Read(item);
    if (problems.size() > before) continue;
    const bool again = std::any_of(hooks.begin(), hooks.end(),
                                   [&](const Hook& other) { return other.name == hook.name; });
    if (again) {
      problems.push_back({item.at, absl::StrCat("hooks: there are two '", hook.name, "'")});
    } else {
      hooks.push_back(std::move(hook));
    }
  }
  return hooks;
}

}  // namespace skytrain
