#include "server/shepherd/process_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

namespace skytrain {
namespace {

using ::testing::Contains;
using ::testing::Not;

TEST(ProcessMemoryTest, CountsAnonymousAndSharedMemoryButNoFiles) {
  EXPECT_EQ(internal::OwnMemoryIn("VmRSS:\t  100 kB\nRssAnon:\t   7 kB\nRssFile:\t  90 kB\n"
                                  "RssShmem:\t   3 kB\n"),
            10 * 1024);
  EXPECT_EQ(internal::OwnMemoryIn("RssAnon:\tmuch kB\n"), 0);
  EXPECT_EQ(internal::OwnMemoryIn(""), 0);
}

TEST(ProcessMemoryTest, SeesWhatThisProcessTakes) {
  const int self = getpid();
  const int64_t before = MemoryOf({self});
  const std::vector<char> taken(64 << 20, 1);
  EXPECT_GT(MemoryOf({self}), before + (60 << 20)) << taken.back();
  EXPECT_EQ(MemoryOf({-1}), 0);
}

TEST(ProcessMemoryTest, FindsTheProcessesOfAGroup) {
  EXPECT_THAT(ProcessesOfGroup(getpgrp()), Contains(getpid()));
  EXPECT_THAT(ProcessesOfGroup(1 << 30), Not(Contains(getpid())));
}

}  // namespace
}  // namespace skytrain
