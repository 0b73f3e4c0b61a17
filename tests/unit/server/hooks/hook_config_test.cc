#include "server/hooks/hook_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The hooks in `text`; problems, one a line, as "LINE:COLUMN: TEXT".
std::vector<Hook> Read(const std::string& text, std::string* problems) {
  std::vector<yaml::Problem> found;
  const yaml::Node root = yaml::ParseTree(text, "f", found);
  std::vector<Hook> hooks = ReadHooks(root, found);
  *problems = absl::StrJoin(found, "\n", [](std::string* out, const yaml::Problem& problem) {
    absl::StrAppend(out, problem.at.line, ":", problem.at.column, ": ", problem.text);
  });
  return hooks;
}

v1::Job JobIn(v1::JobState state, const std::string& run) {
  v1::Job job;
  job.set_state(state);
  (*job.mutable_experiment()->mutable_labels())["run"] = run;
  return job;
}

v1::StateChange To(v1::JobState state) {
  v1::StateChange change;
  change.set_from(v1::STARTING);
  change.set_to(state);
  return change;
}

TEST(HookConfig, ReadsEveryKey) {
  std::string problems;
  const auto hooks = Read(R"(
- name: notify
  on: [running, SUSPENDED]
  filter: "labels.run=x"
  exec: [/usr/local/bin/on-job, --flag]
  timeout: 30s
  max_age: 1h
- name: chat
  url: https://chat.example.org/skytrain
  secret_file: /etc/skytrain/secret
  ca: /etc/skytrain/ca.pem
)",
                          &problems);
  ASSERT_EQ(problems, "");
  ASSERT_EQ(hooks.size(), 2u);
  EXPECT_EQ(hooks[0].name, "notify");
  EXPECT_THAT(hooks[0].exec, ElementsAre("/usr/local/bin/on-job", "--flag"));
  EXPECT_EQ(hooks[0].timeout, absl::Seconds(30));
  EXPECT_EQ(hooks[0].max_age, absl::Hours(1));
  EXPECT_TRUE(hooks[0].Wants(JobIn(v1::RUNNING, "x"), To(v1::RUNNING)));
  EXPECT_TRUE(hooks[0].Wants(JobIn(v1::SUSPENDED, "x"), To(v1::SUSPENDED)));
  EXPECT_FALSE(hooks[0].Wants(JobIn(v1::RUNNING, "y"), To(v1::RUNNING)));
  EXPECT_FALSE(hooks[0].Wants(JobIn(v1::FAILED, "x"), To(v1::FAILED)));
  EXPECT_EQ(hooks[1].url, "https://chat.example.org/skytrain");
  EXPECT_EQ(hooks[1].secret_file, "/etc/skytrain/secret");
  EXPECT_EQ(hooks[1].ca, "/etc/skytrain/ca.pem");
  EXPECT_EQ(hooks[1].timeout, absl::Seconds(10));
  EXPECT_EQ(hooks[1].max_age, absl::Hours(24));
}

TEST(HookConfig, TellsOfEndsWhenNothingElseIsSaid) {
  std::string problems;
  const auto hooks = Read("[{name: h, exec: /bin/true}]", &problems);
  ASSERT_EQ(problems, "");
  for (int number = v1::QUEUED; number <= v1::JobState_MAX; ++number) {
    const auto state = static_cast<v1::JobState>(number);
    const bool end = state == v1::SUCCEEDED || state == v1::FAILED || state == v1::CANCELLED;
    EXPECT_EQ(hooks[0].Wants(JobIn(state, ""), To(state)), end) << v1::JobState_Name(state);
  }
  v1::StateChange remark = To(v1::FAILED);
  remark.set_from(v1::FAILED);
  EXPECT_FALSE(hooks[0].Wants(JobIn(v1::FAILED, ""), remark));
}

TEST(HookConfig, NamesEveryMistakeAndWhatWasMeant) {
  const struct {
    const char* text;
    const char* problem;
  } kCases[] = {
      {"{name: h}", "1:1: hooks: must be a list"},
      {"[h]", "1:2: hooks: must be a map of keys"},
      {"[{name: h, exec: /x, on: [FAILD]}]",
       "1:26: hooks: on: no state of a job: 'FAILD'; did you mean 'FAILED'?"},
      {"[{name: h, exec: /x, on: [JOB_STATE_UNSPECIFIED]}]", "no state of a job"},
      {"[{name: h, exec: /x, on: []}]", "1:26: hooks: on: must be a list of text"},
      {"[{name: h, exce: /x}]", "1:12: hooks: unknown key 'exce'; did you mean 'exec'?"},
      {"[{name: Some Hook, exec: /x}]", "1:9: hooks: name: must be 1 to 32 of a-z, 0-9 and -"},
      {"[{exec: /x}]", "a hook needs a name"},
      {"[{name: h}]", "'h' needs either exec or url"},
      {"[{name: h, exec: /x, url: 'https://a.b', secret_file: /s}]", "needs either exec or url"},
      {"[{name: h, exec: on-job}]", "exec: must begin with the absolute path of a program"},
      {"[{name: h, url: 'http://a.b/', secret_file: /s}]",
       "url: http:// is taken for this machine"},
      {"[{name: h, url: 'https://a.b/'}]", "'h' needs secret_file"},
      {"[{name: h, exec: /x, secret_file: /s}]", "'h' has secret_file or ca without url"},
      {"[{name: h, url: 'https://a.b/', secret_file: s}]", "secret_file: must be an absolute path"},
      {"[{name: h, exec: /x, filter: 'stat=FAILED'}]", "filter: filter, column 1"},
      {"[{name: h, exec: /x, timeout: 0s}]", "timeout: must be 1s to 10m"},
      {"[{name: h, exec: /x, max_age: soon}]", "1:31: hooks: max_age: "},
      {"[{name: h, exec: /x}, {name: h, exec: /y}]", "1:23: hooks: there are two 'h'"},
  };
  for (const auto& test : kCases) {
    std::string problems;
    Read(test.text, &problems);
    EXPECT_THAT(problems, HasSubstr(test.problem)) << test.text;
  }
}

class CheckHookTest : public ::testing::Test {
 protected:
  std::string File(const std::string& name, const std::string& text, unsigned mode) {
    const std::string path = dir_.File(name);
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  static std::string Problem(const Hook& hook) { return std::string(CheckHook(hook).message()); }

  TempDir dir_;
};

TEST_F(CheckHookTest, LooksAtTheProgram) {
  Hook hook;
  hook.exec = {File("good", "#!/bin/sh\n", 0755)};
  EXPECT_TRUE(CheckHook(hook).ok()) << CheckHook(hook);
  hook.exec = {dir_.File("absent")};
  EXPECT_THAT(Problem(hook), HasSubstr("absent: No such file"));
  hook.exec = {File("plain", "#!/bin/sh\n", 0644)};
  EXPECT_THAT(Problem(hook), HasSubstr("is no program that the daemon may execute"));
  hook.exec = {dir_.path()};
  EXPECT_THAT(Problem(hook), HasSubstr("is no program"));
  hook.exec = {File("open", "#!/bin/sh\n", 0757)};
  EXPECT_THAT(Problem(hook), HasSubstr("everybody may write to "));
}

TEST_F(CheckHookTest, LooksAtSecretAndCa) {
  Hook hook;
  hook.url = "https://example.org/";
  const std::string key(32, 'k');
  hook.secret_file = File("secret", key + "\n", 0600);
  EXPECT_TRUE(CheckHook(hook).ok()) << CheckHook(hook);
  EXPECT_EQ(*ReadSecret(hook.secret_file), key);
  hook.ca = File("ca.pem", "-----BEGIN PRIVATE KEY-----\n", 0644);
  EXPECT_THAT(Problem(hook), HasSubstr("holds no PEM certificate"));
  hook.secret_file = File("open", key, 0640);
  EXPECT_THAT(Problem(hook), HasSubstr("is open to others: chmod 600"));
  hook.secret_file = File("short", "hunter2\n", 0600);
  EXPECT_THAT(Problem(hook), HasSubstr("has 7 bytes, and needs 16 at least"));
  hook.secret_file = dir_.File("absent");
  EXPECT_THAT(Problem(hook), HasSubstr("absent: No such file"));
}

}  // namespace
}  // namespace skytrain
