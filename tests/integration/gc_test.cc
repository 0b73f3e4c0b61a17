// CollectGarbage of a real daemon: who may ask for it, and that it does what it said that it would.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/grpc/status.h"
#include "common/ids.h"
#include "skytrain/v1/node_service.grpc.pb.h"
#include "tests/integration/daemon.h"
#include "tests/integration/tls_world.h"

namespace skytrain {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

absl::StatusOr<v1::CollectGarbageResponse> Collect(const std::shared_ptr<grpc::Channel>& channel,
                                                   bool validate_only) {
  grpc::ClientContext context;
  v1::CollectGarbageRequest request;
  request.set_validate_only(validate_only);
  v1::CollectGarbageResponse response;
  const auto stub = v1::NodeService::NewStub(channel);
  const absl::Status status = FromGrpcStatus(stub->CollectGarbage(&context, request, &response));
  if (!status.ok()) return status;
  return response;
}

TEST(CollectGarbage, IsForAdminsAndRemovesWhatItSaidThatItWould) {
  const TlsWorld world;
  Daemon daemon(world.Flags());
  const absl::Status started = daemon.Start();
  ASSERT_TRUE(started.ok()) << started;
  // Attempts of jobs that are gone, one of them of two files.
  const std::string attempts = daemon.WorkDir() + "/attempts";
  std::vector<std::string> orphans;
  for (int i = 0; i < 3; ++i) {
    orphans.push_back(absl::StrCat(attempts, "/", NewUid(), "-1"));
    std::filesystem::create_directories(orphans.back() + "/checkpoints");
    std::ofstream(orphans.back() + "/rank-0.spool") << std::string(1000, 'x');
    std::ofstream(orphans.back() + "/checkpoints/state.json") << std::string(i * 100, 'x');
  }
  const auto user =
      TlsWorld::Connect(daemon.TlsAddress(), world.Client(TlsWorld::Token(daemon, "ana")));
  const auto admin = TlsWorld::Connect(
      daemon.TlsAddress(), world.Client(TlsWorld::Token(daemon, "cleo", {"--role", "admin"})));
  for (const bool validate_only : {true, false}) {
    const absl::Status refused = Collect(user, validate_only).status();
    EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
    EXPECT_EQ(ReasonOf(refused), "NOT_ADMIN");
  }
  const auto told = Collect(admin, /*validate_only=*/true);
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_THAT(told->garbage(), SizeIs(orphans.size()));
  for (const std::string& orphan : orphans) EXPECT_TRUE(std::filesystem::exists(orphan)) << orphan;
  const auto removed = Collect(admin, /*validate_only=*/false);
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(removed->DebugString(), told->DebugString());
  for (const std::string& orphan : orphans) EXPECT_FALSE(std::filesystem::exists(orphan)) << orphan;
  EXPECT_THAT(Collect(admin, /*validate_only=*/true)->garbage(), IsEmpty());
}

}  // namespace
}  // namespace skytrain
