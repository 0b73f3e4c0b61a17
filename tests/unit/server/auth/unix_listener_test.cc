#include "server/auth/unix_listener.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/errors.h"
#include "common/mutex.h"

namespace skytrain {
namespace {

namespace fs = std::filesystem;
constexpr uid_t kNobody = 65534;

class UnixListenerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/skytrain-listener-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/s.sock";
  }
  void TearDown() override { fs::remove_all(folder_); }

  // A connected descriptor, or -1.
  static int Connect(const std::string& path) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return fd;
    close(fd);
    return -1;
  }

  std::string folder_, path_;
};

struct Connection {
  Mutex mu;
  CondVar changed;
  int fd ABSL_GUARDED_BY(mu) = -1;
  uid_t uid ABSL_GUARDED_BY(mu) = 0;
};

TEST_F(UnixListenerTest, HandsOverConnectionsWithTheUidThatTheKernelKnows) {
  auto listener = UnixListener::Bind(path_);
  ASSERT_TRUE(listener.ok()) << listener.status();
  Connection got;
  (*listener)->Start(
      [&](int fd, uid_t uid) {
        MutexLock lock(got.mu);
        got.fd = fd;
        got.uid = uid;
        got.changed.NotifyAll();
      },
      [](uid_t) { FAIL(); });
  const int client = Connect(path_);
  ASSERT_GE(client, 0);
  {
    MutexLock lock(got.mu);
    while (got.fd < 0) got.changed.Wait(got.mu);
    EXPECT_EQ(got.uid, geteuid());
    EXPECT_NE(fcntl(got.fd, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(fcntl(got.fd, F_GETFL) & O_NONBLOCK, 0);
    close(got.fd);
  }
  close(client);
  struct stat info;
  ASSERT_EQ(lstat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  (*listener)->Stop();
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(UnixListenerTest, ForeignUserIsRefusedEvenWhereTheFolderIsOpen) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  auto listener = UnixListener::Bind(path_);
  ASSERT_TRUE(listener.ok()) << listener.status();
  chmod(folder_.c_str(), 0755);
  chmod(path_.c_str(), 0666);
  Connection refused;
  (*listener)->Start([](int, uid_t) { FAIL(); },
                     [&](uid_t uid) {
                       MutexLock lock(refused.mu);
                       refused.uid = uid;
                       refused.changed.NotifyAll();
                     });
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (setgid(kNobody) != 0 || setuid(kNobody) != 0) _exit(2);
    const int fd = Connect(path_);
    if (fd < 0) _exit(3);
    char byte;
    _exit(read(fd, &byte, 1) <= 0 ? 0 : 4);  // Closed at once.
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  MutexLock lock(refused.mu);
  while (refused.uid == 0) refused.changed.Wait(refused.mu);
  EXPECT_EQ(refused.uid, kNobody);
}

TEST_F(UnixListenerTest, ForEveryoneItLetsForeignUsersThrough) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const mode_t mask = umask(0077);
  auto listener = UnixListener::Bind(folder_ + "/open/s.sock", UnixListener::Audience::kEveryone);
  umask(mask);
  ASSERT_TRUE(listener.ok()) << listener.status();
  chmod(folder_.c_str(), 0755);
  Connection got;
  (*listener)->Start(
      [&](int fd, uid_t uid) {
        MutexLock lock(got.mu);
        got.uid = uid;
        close(fd);
        got.changed.NotifyAll();
      },
      [](uid_t) { FAIL(); });
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (setgid(kNobody) != 0 || setuid(kNobody) != 0) _exit(2);
    _exit(Connect(folder_ + "/open/s.sock") >= 0 ? 0 : 3);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 0);
  MutexLock lock(got.mu);
  while (got.uid == 0) got.changed.Wait(got.mu);
  EXPECT_EQ(got.uid, kNobody);
}

TEST_F(UnixListenerTest, StaleSocketIsReplaced) {
  const int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  ASSERT_EQ(bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  close(dead);
  ASSERT_TRUE(fs::exists(path_));
  auto listener = UnixListener::Bind(path_);
  EXPECT_TRUE(listener.ok()) << listener.status();
}

TEST_F(UnixListenerTest, SecondDaemonOnTheSamePathIsRefusedAndDisturbsNothing) {
  auto first = UnixListener::Bind(path_);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = UnixListener::Bind(path_);
  EXPECT_EQ(ReasonOf(second.status()), "SOCKET_IN_USE");
  EXPECT_NE(second.status().message().find(std::to_string(getpid())), absl::string_view::npos);
  const int client = Connect(path_);
  EXPECT_GE(client, 0);
  close(client);
}

TEST_F(UnixListenerTest, SocketOfAnotherProgramIsLeftAlone) {
  const int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  ASSERT_EQ(bind(other, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(other, 1), 0);
  EXPECT_EQ(ReasonOf(UnixListener::Bind(path_).status()), "SOCKET_IN_USE");
  EXPECT_TRUE(fs::exists(path_));
  close(other);
}

TEST_F(UnixListenerTest, StopLeavesASocketThatIsNotOurs) {
  auto listener = UnixListener::Bind(path_);
  ASSERT_TRUE(listener.ok()) << listener.status();
  fs::rename(path_, path_ + ".old");
  std::ofstream(path_) << "someone else's";
  (*listener)->Stop();
  EXPECT_TRUE(fs::exists(path_));
}

TEST_F(UnixListenerTest, FileThatIsNoSocketIsNeverRemoved) {
  std::ofstream(path_) << "precious";
  EXPECT_EQ(ReasonOf(UnixListener::Bind(path_).status()), "BAD_SOCKET_PATH");
  EXPECT_TRUE(fs::exists(path_));
}

TEST_F(UnixListenerTest, PathsThatTheSystemCannotTakeAreNamed) {
  const std::string longest = folder_ + "/" + std::string(107 - folder_.size() - 1, 'x');
  EXPECT_TRUE(UnixListener::Bind(longest).ok());
  const auto status = UnixListener::Bind(longest + "x").status();
  EXPECT_EQ(ReasonOf(status), "BAD_SOCKET_PATH");
  EXPECT_NE(status.message().find("107"), absl::string_view::npos) << status;
  EXPECT_EQ(ReasonOf(UnixListener::Bind("relative.sock").status()), "BAD_SOCKET_PATH");
}

TEST_F(UnixListenerTest, FolderThatOthersCanWriteToIsRefused) {
  ASSERT_EQ(chmod(folder_.c_str(), 01777), 0);
  EXPECT_EQ(ReasonOf(UnixListener::Bind(path_).status()), "UNSAFE_SOCKET_FOLDER");
}

TEST_F(UnixListenerTest, FolderOfAStrangerIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give a folder away";
  ASSERT_EQ(chown(folder_.c_str(), kNobody, kNobody), 0);
  const auto status = UnixListener::Bind(path_).status();
  EXPECT_EQ(ReasonOf(status), "UNSAFE_SOCKET_FOLDER");
  EXPECT_NE(status.message().find("65534"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace skytrain
