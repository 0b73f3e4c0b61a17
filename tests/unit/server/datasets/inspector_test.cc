#include "server/datasets/inspector.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "common/errors.h"
#include "google/rpc/error_details.pb.h"
#include "server/datasets/fingerprint.h"

namespace skytrain {
namespace {

namespace fs = std::filesystem;

// A probe that is a shell script: each run leaves a line in `runs`, then does what the test says.
class InspectorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/inspector-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    Write(root_ + "/set.csv", "a,b\n1,2\n");
  }
  void TearDown() override { fs::remove_all(root_); }

  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  // $2: request, $4: out.
  void Probe(const std::string& body) {
    Write(root_ + "/probe", "#!/bin/sh\necho \"$@\" >> " + root_ + "/runs\n" + body + "\n");
    chmod((root_ + "/probe").c_str(), 0755);
  }
  void ProbeAnswers(const google::protobuf::Message& message, int exit_code = 0) {
    Write(root_ + "/answer", message.SerializeAsString());
    Probe("cp " + root_ + "/answer \"$4\"; exit " + std::to_string(exit_code));
  }
  std::vector<std::string> Runs() const {
    std::ifstream file(root_ + "/runs");
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

  Inspector::Options Options() const {
    Inspector::Options options;
    options.probe_binary = root_ + "/probe";
    options.scratch_dir = root_ + "/scratch";
    options.data_roots = {root_, "/data"};
    return options;
  }
  static v1::Task Class(const std::string& column) {
    v1::Task task;
    task.mutable_classification()->set_target(column);
    return task;
  }
  v1::Data Set() const {
    v1::Data data;
    data.set_dataset(root_ + "/set.csv");
    return data;
  }

  std::string root_;
};

TEST_F(InspectorTest, AnswersWhatTheProbeFoundAndAsksItOnce) {
  v1::DatasetManifest manifest;
  manifest.set_count(42);
  ProbeAnswers(manifest);
  Inspector inspector(Options());
  for (int i = 0; i < 3; ++i) {
    const auto got = inspector.Inspect(Set(), Class("b"), "ada");
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->count(), 42);
  }
  ASSERT_EQ(Runs().size(), 1u);
  EXPECT_NE(Runs()[0].find("--root " + root_ + " --root /data"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(root_ + "/scratch"));
}

TEST_F(InspectorTest, AsksAgainWhenTheSetOrTheQuestionChanged) {
  ProbeAnswers(v1::DatasetManifest());
  Inspector inspector(Options());
  ASSERT_TRUE(inspector.Inspect(Set(), Class("b"), "ada").ok());
  ASSERT_TRUE(inspector.Inspect(Set(), Class("a"), "ada").ok());
  EXPECT_EQ(Runs().size(), 2u);
  Write(root_ + "/set.csv", "a,b\n1,2\n3,4\n");
  ASSERT_TRUE(inspector.Inspect(Set(), Class("b"), "ada").ok());
  EXPECT_EQ(Runs().size(), 3u);
}

TEST_F(InspectorTest, ViewsAndAugmentationDoNotChangeTheQuestion) {
  ProbeAnswers(v1::DatasetManifest());
  Inspector inspector(Options());
  v1::Data data = Set();
  ASSERT_TRUE(inspector.Inspect(data, Class("b"), "ada").ok());
  data.mutable_image()->set_size(64);
  data.mutable_augment()->set_flip(true);
  ASSERT_TRUE(inspector.Inspect(data, Class("b"), "ada").ok());
  EXPECT_EQ(Runs().size(), 1u);
}

TEST_F(InspectorTest, ErrorsOfTheProbeKeepTheirReasonAndAreNotRemembered) {
  google::rpc::Status status;
  status.set_code(static_cast<int>(absl::StatusCode::kNotFound));
  status.set_message("no such set");
  google::rpc::ErrorInfo info;
  info.set_reason("DATA_NOT_FOUND");
  status.add_details()->PackFrom(info);
  ProbeAnswers(status, 1);
  Inspector inspector(Options());
  for (int i = 0; i < 2; ++i) {
    const auto got = inspector.Inspect(Set(), Class(""), "ada");
    EXPECT_EQ(got.status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(ReasonOf(got.status()), "DATA_NOT_FOUND");
    EXPECT_EQ(got.status().message(), "no such set");
  }
  EXPECT_EQ(Runs().size(), 2u);
}

TEST_F(InspectorTest, BrokenProbesAreTold) {
  const struct {
    const char* body;
    const char* expected;
  } kCases[] = {
      {"echo 'libarchive exploded' >&2; exit 3", "exit code 3; it said: libarchive exploded"},
      {"kill -SEGV $$", "killed by signal 11"},
      {"printf '\\377\\377\\377' > \"$4\"; exit 0", "cannot be read"},
      {"exit 1", ""},
  };
  for (const auto& test : kCases) {
    Probe(test.body);
    Inspector inspector(Options());
    const auto got = inspector.Inspect(Set(), Class(""), "ada");
    EXPECT_FALSE(got.ok()) << test.body;
    EXPECT_NE(got.status().message().find(test.expected), absl::string_view::npos) << got.status();
  }
  Inspector::Options options = Options();
  options.probe_binary = root_ + "/absent";
  EXPECT_EQ(ReasonOf(Inspector(options).Inspect(Set(), Class(""), "ada").status()), "PROBE_FAILED");
}

TEST_F(InspectorTest, SlowProbeIsKilled) {
  Probe("exec sleep 60");
  Inspector::Options options = Options();
  options.timeout = absl::Milliseconds(50);
  EXPECT_EQ(ReasonOf(Inspector(options).Inspect(Set(), Class(""), "ada").status()),
            "PROBE_TIMEOUT");
}

TEST_F(InspectorTest, ShutdownEndsARunningProbe) {
  Probe("exec sleep 60");
  Inspector inspector(Options());
  std::thread asker([&] {
    const absl::Status refused = inspector.Inspect(Set(), Class(""), "ada").status();
    EXPECT_EQ(ReasonOf(refused), "DRAINING");
    EXPECT_GT(RetryDelayOf(refused).value_or(absl::ZeroDuration()), absl::ZeroDuration());
  });
  while (Runs().empty()) std::this_thread::yield();
  inspector.Shutdown();
  asker.join();
}

TEST_F(InspectorTest, AskersOfTheSameSetShareOneProbe) {
  // The probe waits until the test lets it go.
  v1::DatasetManifest manifest;
  manifest.set_count(7);
  Write(root_ + "/answer", manifest.SerializeAsString());
  Probe("while [ ! -e " + root_ + "/go ]; do sleep 0.01; done; cp " + root_ + "/answer \"$4\"");
  Inspector inspector(Options());
  std::vector<std::thread> askers;
  for (int i = 0; i < 4; ++i) {
    askers.emplace_back([&] {
      const auto got = inspector.Inspect(Set(), Class("b"), "ada");
      ASSERT_TRUE(got.ok()) << got.status();
      EXPECT_EQ(got->count(), 7);
    });
  }
  while (Runs().empty()) std::this_thread::yield();
  Write(root_ + "/go", "");
  for (std::thread& asker : askers) asker.join();
  EXPECT_EQ(Runs().size(), 1u);
}

TEST_F(InspectorTest, RemembersOnlyTheNewestSets) {
  ProbeAnswers(v1::DatasetManifest());
  Inspector::Options options = Options();
  options.max_remembered = 2;
  Inspector inspector(options);
  for (const char* target : {"a", "b", "c"})
    ASSERT_TRUE(inspector.Inspect(Set(), Class(target), "ada").ok());
  ASSERT_TRUE(inspector.Inspect(Set(), Class("c"), "ada").ok());
  EXPECT_EQ(Runs().size(), 3u);
  ASSERT_TRUE(inspector.Inspect(Set(), Class("a"), "ada").ok());
  EXPECT_EQ(Runs().size(), 4u);
}

TEST_F(InspectorTest, FingerprintSeesFilesThatComeAndGoInFolders) {
  fs::create_directories(root_ + "/images/train/spiral");
  v1::Data data;
  data.set_dataset(root_ + "/images");
  const std::string folder = root_ + "/images/train/spiral";
  // File systems count time in steps of milliseconds: an old time makes every change a new one.
  const auto old = fs::last_write_time(folder) - std::chrono::hours(1);
  fs::last_write_time(folder, old);
  const std::string before = FingerprintOf(data);
  EXPECT_EQ(FingerprintOf(data), before);
  Write(folder + "/1.jpg", "x");
  EXPECT_NE(FingerprintOf(data), before);

  fs::last_write_time(folder, old);
  const std::string with_file = FingerprintOf(data);
  fs::remove(folder + "/1.jpg");
  EXPECT_NE(FingerprintOf(data), with_file);
}

}  // namespace
}  // namespace skytrain
