#include "server/config/config.h"

#include <gtest/gtest.h>

#include "common/errors.h"

namespace skytrain {
namespace {

Surroundings Home() { return {"", "/home/ana", false, "/opt/skytrain/bin"}; }

TEST(ConfigTest, DefaultsDependOnWhoAndWhere) {
  const struct {
    const char* what;
    Surroundings surroundings;
    const char* listen;
    const char* state_dir;
  } kCases[] = {
      {"a user", Home(), "unix:/home/ana/.skytrain/run/skytraind.sock",
       "/home/ana/.skytrain/state"},
      {"a user with a runtime folder",
       {"/run/user/1000", "/home/ana", false, "/b"},
       "unix:/run/user/1000/skytrain/skytraind.sock",
       "/home/ana/.skytrain/state"},
      {"root", {"", "/root", true, "/b"}, "unix:/run/skytrain/skytraind.sock", "/var/lib/skytrain"},
  };
  for (const auto& test : kCases) {
    Config config;
    ASSERT_TRUE(CompleteConfig(test.surroundings, &config).ok()) << test.what;
    EXPECT_EQ(config.listen, std::vector<std::string>{test.listen}) << test.what;
    EXPECT_EQ(config.state_dir, test.state_dir) << test.what;
    EXPECT_EQ(config.work_dir, std::string(test.state_dir) + "/work") << test.what;
  }
}

TEST(ConfigTest, HooksAreReadFromTheFile) {
  Config config;
  const absl::Status good = ApplyConfigText("hooks: [{name: mail, exec: /bin/mail}]", "f", &config);
  ASSERT_TRUE(good.ok()) << good;
  ASSERT_EQ(config.hooks.size(), 1u);
  EXPECT_EQ(config.hooks[0].name, "mail");
  const absl::Status bad = ApplyConfigText("cpus: 1\nhooks: [{name: mail}]", "f", &config);
  EXPECT_EQ(bad.message(), "f:2:9: hooks: 'mail' needs either exec or url");
  EXPECT_EQ(ApplyConfigText("hoks: []", "f", &config).message(),
            "f:1:1: unknown key 'hoks'; did you mean 'hooks'?");
}

TEST(ConfigTest, BinariesLieBesideTheDaemon) {
  Config config;
  config.worker_binary = "/elsewhere/worker";
  ASSERT_TRUE(CompleteConfig(Home(), &config).ok());
  EXPECT_EQ(config.worker_binary, "/elsewhere/worker");
  EXPECT_EQ(config.shepherd_binary, "/opt/skytrain/bin/skytrain-shepherd");
  EXPECT_EQ(config.probe_binary, "/opt/skytrain/bin/skytrain-probe");
}

TEST(ConfigTest, FileSetsEveryKey) {
  Config config;
  const absl::Status status = ApplyConfigText(R"(
listen: ["unix:/tmp/x/s.sock", "tls:[::]:7443"]
state_dir: /s
work_dir: /w
data_roots: [/tmp, /usr]
launcher: local
mode: shared
auth: {admins: [ana, ben]}
tls: {certificate: /t/c, key: /t/k, client_ca: /t/a}
cpus: 3
gpus: 0
limits: {queued_jobs: 7, queued_jobs_per_owner: 3, running_jobs_per_owner: 2, priority: 5,
         spec_bytes: 2048, log_bytes: 4096, memory_bytes: 8192}
log_json: true
jobs_visible_to: all
worker: /b/w
shepherd: /b/s
probe: /b/p
)",
                                              "s.yaml", &config);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(config.SocketPaths(), std::vector<std::string>{"/tmp/x/s.sock"});
  EXPECT_EQ(config.TlsAddresses(), std::vector<std::string>{"[::]:7443"});
  EXPECT_EQ(config.mode, Mode::kShared);
  EXPECT_EQ(config.admins, (std::vector<std::string>{"ana", "ben"}));
  EXPECT_EQ(config.tls_certificate, "/t/c");
  EXPECT_EQ(config.tls_key, "/t/k");
  EXPECT_EQ(config.tls_client_ca, "/t/a");
  EXPECT_EQ(config.state_dir, "/s");
  EXPECT_EQ(config.work_dir, "/w");
  EXPECT_EQ(config.data_roots, (std::vector<std::string>{"/tmp", "/usr"}));
  EXPECT_EQ(config.cpus, 3);
  EXPECT_EQ(config.gpus, 0);
  EXPECT_EQ(config.max_queued_jobs, 7);
  EXPECT_EQ(config.max_queued_jobs_per_owner, 3);
  EXPECT_EQ(config.max_running_jobs_per_owner, 2);
  EXPECT_EQ(config.max_priority, 5);
  EXPECT_EQ(config.max_spec_bytes, 2048);
  EXPECT_EQ(config.log_quota_bytes, 4096);
  EXPECT_TRUE(config.log_json);
  EXPECT_TRUE(config.jobs_visible_to_all);
  EXPECT_EQ(config.memory_limit_bytes, 8192);
  EXPECT_EQ(config.probe_binary, "/b/p");
}

TEST(ConfigTest, MistakesOfAFileAreNamedWithTheirPlace) {
  const struct {
    const char* text;
    const char* expected;
  } kCases[] = {
      {"stat_dir: /s\n", "s.yaml:1:1: unknown key 'stat_dir'; did you mean 'state_dir'?"},
      {"cpus: 2\nlimits:\n  queued_job: 3\n",
       "s.yaml:3:3: unknown key 'queued_job'; did you mean 'queued_jobs'?"},
      {"colour: red\n", "s.yaml:1:1: unknown key 'colour'"},
      {"cpus: many\n", "s.yaml:1:7: cpus: must be a whole number"},
      {"cpus: -2\n", "s.yaml:1:7: cpus: must be a whole number from 0"},
      {"limits: 3\n", "s.yaml:1:9: must be a map of keys"},
      {"state_dir: [/a, /b]\n", "s.yaml:1:12: state_dir: must be one value"},
      {"mode: public\n", "s.yaml:1:7: mode: must be personal, shared or site"},
      {"auth: {admins: ['ana lopez']}\n", "cannot be the name of an owner"},
      {"log_json: yes\n", "must be true or false"},
      {"jobs_visible_to: group\n", "must be owner or all"},
      {"cpus: 1\ncpus: 2\n", "s.yaml:2:1"},
  };
  for (const auto& test : kCases) {
    Config config;
    const absl::Status status = ApplyConfigText(test.text, "s.yaml", &config);
    EXPECT_EQ(ReasonOf(status), "BAD_CONFIG") << test.text;
    EXPECT_NE(status.message().find(test.expected), absl::string_view::npos) << status;
  }
}

TEST(ConfigTest, AllMistakesAreNamedAtOnce) {
  Config config;
  const absl::Status status = ApplyConfigText("a: 1\nb: 2\n", "s.yaml", &config);
  EXPECT_NE(status.message().find("s.yaml:1:1"), absl::string_view::npos) << status;
  EXPECT_NE(status.message().find("s.yaml:2:1"), absl::string_view::npos) << status;
}

TEST(ConfigTest, WhatThisVersionCannotServeIsRefusedAtTheStart) {
  const struct {
    std::string Config::*field;
    const char* value;
    const char* reason;
  } kCases[] = {
      {&Config::launcher, "slurm", "NOT_AVAILABLE"},
      {&Config::launcher, "kubernetes", "BAD_CONFIG"},
      {&Config::metrics_listen, "9464", "BAD_CONFIG"},
      {&Config::metrics_listen, "127.0.0.1:99999", "BAD_CONFIG"},
  };
  for (const auto& test : kCases) {
    Config config;
    config.*test.field = test.value;
    EXPECT_EQ(ReasonOf(CompleteConfig(Home(), &config)), test.reason) << test.value;
  }
}

TEST(ConfigTest, EverythingThatCannotBeServedIsNamedAtOnce) {
  Config config;
  config.launcher = "kubernetes";
  config.listen = {"nonsense", "tls:0.0.0.0:7443"};
  config.metrics_listen = "9464";
  config.data_roots = {"/nowhere/a", "/usr", "/nowhere/b"};
  const absl::Status status = CompleteConfig(Home(), &config);
  EXPECT_EQ(ReasonOf(status), "BAD_CONFIG");
  for (const char* part : {"launcher:", "nonsense", "tls.certificate",
                           "metrics_listen:", "/nowhere/a", "/nowhere/b"}) {
    EXPECT_NE(status.message().find(part), absl::string_view::npos) << part << "\n" << status;
  }
}

TEST(ConfigTest, AddressesThatCannotBeServedAreRefused) {
  const struct {
    const char* listen;
    const char* message;
  } kCases[] = {
      {"unix:relative.sock", "absolute path"},
      {"localhost:80", "TCP without encryption is not offered"},
      {"tcp:127.0.0.1:80", "Write tls:127.0.0.1:80"},
      {"tls:0.0.0.0", "tls:HOST:PORT"},
      {"tls:0.0.0.0:70000", "tls:HOST:PORT"},
      {"tls::1:7443", "in brackets"},
      {"tls::7443", "tls:HOST:PORT"},
      {"tls:0.0.0.0:7443", "tls.certificate and tls.key"},
  };
  for (const auto& test : kCases) {
    Config config;
    config.listen = {test.listen};
    const absl::Status status = CompleteConfig(Home(), &config);
    EXPECT_EQ(ReasonOf(status), "BAD_CONFIG") << test.listen;
    EXPECT_NE(status.message().find(test.message), absl::string_view::npos) << status;
  }
}

TEST(ConfigTest, SharedAndSiteDaemonServeWhereEverybodyLooks) {
  Surroundings root = Home();
  root.root = true;
  root.xdg_runtime_dir = "/run/user/0";
  Config config;
  config.mode = Mode::kShared;
  ASSERT_TRUE(CompleteConfig(root, &config).ok());
  EXPECT_EQ(config.listen, std::vector<std::string>{"unix:/run/skytrain/skytraind.sock"});
  Config site;
  site.mode = Mode::kSite;
  ASSERT_TRUE(CompleteConfig(root, &site).ok());
  EXPECT_EQ(site.listen, config.listen);
}

TEST(ConfigTest, SiteModeNeedsRootAndStartsShepherdsItself) {
  Surroundings root = Home();
  root.root = true;
  Config config;
  config.mode = Mode::kSite;
  const absl::Status user = CompleteConfig(Home(), &config);
  EXPECT_EQ(ReasonOf(user), "BAD_CONFIG");
  EXPECT_NE(user.message().find("needs root"), absl::string_view::npos) << user;
  config.launcher = "slurm";
  const absl::Status slurm = CompleteConfig(root, &config);
  EXPECT_EQ(ReasonOf(slurm), "BAD_CONFIG");
  EXPECT_NE(slurm.message().find("mode: personal only"), absl::string_view::npos) << slurm;
}

TEST(ConfigTest, AbsentDataRootIsRefused) {
  Config config;
  config.data_roots = {"/nowhere/galaxies"};
  const absl::Status status = CompleteConfig(Home(), &config);
  EXPECT_EQ(ReasonOf(status), "BAD_CONFIG");
  EXPECT_NE(status.message().find("/nowhere/galaxies"), absl::string_view::npos);
}

TEST(ConfigTest, FlagsGoBeforeTheDefaults) {
  const char* argv[] = {"skytraind",   "--listen", "unix:/tmp/d/s.sock",
                        "--data-root", "/tmp",     "--data-root",
                        "/usr",        "--cpus",   "2"};
  const Invocation invocation = ParseCommandLine(std::size(argv), const_cast<char**>(argv), Home());
  ASSERT_FALSE(invocation.exit_now);
  EXPECT_EQ(invocation.config.listen, std::vector<std::string>{"unix:/tmp/d/s.sock"});
  EXPECT_EQ(invocation.config.data_roots, (std::vector<std::string>{"/tmp", "/usr"}));
  EXPECT_EQ(invocation.config.cpus, 2);
}

TEST(ConfigTest, WrongFlagsEndWithTwo) {
  for (const auto& [flag, value] : {std::pair{"--cpus", "x"}, std::pair{"--nonsense", "1"},
                                    std::pair{"--listen", "nonsense"}}) {
    const char* argv[] = {"skytraind", flag, value};
    const Invocation invocation = ParseCommandLine(3, const_cast<char**>(argv), Home());
    EXPECT_TRUE(invocation.exit_now) << flag;
    EXPECT_EQ(invocation.exit_code, 2) << flag;
  }
}

}  // namespace
}  // namespace skytrain
