#include "client/api/relay.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace skytrain::client {
namespace {

// stdin and stdout as ssh has them, and the daemon's end of the socket.
class RelayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    ASSERT_EQ(pipe(in_), 0);
    ASSERT_EQ(pipe(out_), 0);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, socket_), 0);
    relay_ = std::thread([this] { status_ = Relay(in_[0], out_[1], socket_[0]); });
  }
  void TearDown() override {
    for (const int fd : {in_[0], in_[1], out_[0], out_[1], socket_[0], socket_[1]}) {
      if (fd >= 0) close(fd);
    }
  }
  static void Close(int& fd) {
    close(fd);
    fd = -1;
  }
  static std::string ReadAll(int fd) {
    std::string all;
    char buffer[1 << 16];
    ssize_t got;
    while ((got = read(fd, buffer, sizeof(buffer))) > 0) all.append(buffer, got);
    return all;
  }
  static void WriteAll(int fd, const std::string& text) {
    ASSERT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  int in_[2], out_[2], socket_[2];
  absl::Status status_;
  std::thread relay_;
};

TEST_F(RelayTest, CarriesBothWaysAndPassesTheHalfCloseOn) {
  const std::string up(500'000, 'u'), down(700'000, 'd');
  std::thread caller([&] {
    WriteAll(in_[1], up);
    Close(in_[1]);
  });
  std::string arrived;
  std::thread reader([&] { arrived = ReadAll(out_[0]); });
  // The daemon answers only after it has seen the end.
  EXPECT_EQ(ReadAll(socket_[1]), up);
  WriteAll(socket_[1], down);
  Close(socket_[1]);
  relay_.join();
  Close(out_[1]);
  caller.join();
  reader.join();
  EXPECT_TRUE(status_.ok());
  EXPECT_EQ(arrived, down);
}

TEST_F(RelayTest, EndsWhenTheDaemonEnds) {
  Close(socket_[1]);
  relay_.join();
  EXPECT_TRUE(status_.ok());
}

TEST_F(RelayTest, EndsWhenNobodyReadsItsOutput) {
  Close(out_[0]);
  relay_.join();
  EXPECT_TRUE(status_.ok());
}

}  // namespace
}  // namespace skytrain::client
