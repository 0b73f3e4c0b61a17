#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/attempt/attempt_dir.h"
#include "common/file/file_identity.h"
#include "grpcpp/channel.h"
#include "server/accounts/account.h"
#include "skytrain/v1/blob_service.grpc.pb.h"
#include "skytrain/v1/dataset_service.grpc.pb.h"
#include "skytrain/v1/model_service.grpc.pb.h"
#include "skytrain/v1/node_service.grpc.pb.h"
#include "tests/integration/daemon.h"

namespace skytrain {

// A daemon in mode: site, and two users of this machine who use it. Skips without root, or where
// the machine lacks the users.
class SiteWorld : public ::testing::Test {
 protected:
  // What a user calls. Each connection is made with the user's uid, which the kernel tells.
  struct User {
    Account account;
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<JobClient> jobs;
    std::unique_ptr<v1::ModelService::Stub> models;
    std::unique_ptr<v1::DatasetService::Stub> datasets;
    std::unique_ptr<v1::BlobService::Stub> blobs;
    std::unique_ptr<v1::NodeService::Stub> node;

    uid_t uid() const { return account.ids.uid; }
  };

  void SetUp() override;

  void Start(std::vector<std::string> flags = {});
  // Connects everybody anew; after the daemon was started again.
  void Reconnect();
  std::shared_ptr<grpc::Channel> ConnectAs(uid_t uid);

  // A job of `user` on `dataset` (empty: what everybody may read), scripted by labels.
  absl::StatusOr<v1::Job> Create(User& user, const std::map<std::string, std::string>& labels,
                                 const std::string& dataset = "");
  // Its end, as its owner learns it.
  v1::Job Finish(User& user, const v1::Job& job);
  // One that runs until it is told to stop, and has begun.
  v1::Job StartHanging(User& user);
  absl::StatusOr<v1::DatasetManifest> Inspect(User& user, const std::string& dataset);
  absl::StatusOr<v1::Model> GetModel(User& user, const std::string& name);
  // Whether `body` is right within 30 s.
  static bool Eventually(const std::function<bool()>& body);

  AttemptDir Attempt(const v1::Job& job, int number = 1) const;
  // A file with `text` that belongs to `owner`.
  std::string WriteFile(const std::string& name, const std::string& text, uid_t owner,
                        mode_t mode) const;
  std::string Path(const std::string& name) const { return daemon_->root() + "/" + name; }
  // What `user` does at a shell: `body`, with that user's rights over files.
  static void As(const User& user, const std::function<void()>& body);
  // The line of /proc/PID/status that begins with `key`, in words.
  static std::vector<std::string> StatusOf(int pid, const std::string& key);

  std::unique_ptr<Daemon> daemon_;
  User ana_, ben_;
  std::unique_ptr<JobClient> root_;
  std::string iris_;  // Everybody may read it.
};

}  // namespace skytrain
