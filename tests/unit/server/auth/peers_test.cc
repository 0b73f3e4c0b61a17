#include "server/auth/peers.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "common/errors.h"

namespace skytrain {
namespace {

TEST(PeersTest, NamesTheUserOfADescriptor) {
  Peers peers;
  peers.Add(7, 0);
  EXPECT_EQ(peers.UserAt("fd:7")->name, "root");
}

TEST(PeersTest, UidWithoutANameStillHasAnOwner) {
  Peers peers;
  peers.Add(7, 3999999999u);
  EXPECT_EQ(peers.UserAt("fd:7")->name, "uid-3999999999");
}

TEST(PeersTest, AReusedDescriptorBelongsToTheNewConnection) {
  Peers peers;
  peers.Add(7, 0);
  peers.Add(7, 3999999999u);
  EXPECT_EQ(peers.UserAt("fd:7")->name, "uid-3999999999");
}

TEST(PeersTest, StrangersAreUnauthenticated) {
  Peers peers;
  peers.Add(7, 0);
  for (const char* peer : {"fd:8", "fd:", "fd:x", "ipv4:127.0.0.1:7", "unix:", ""}) {
    EXPECT_EQ(ReasonOf(peers.UserAt(peer).status()), "UNKNOWN_PEER") << peer;
  }
}

}  // namespace
}  // namespace skytrain
