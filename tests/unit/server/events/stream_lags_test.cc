#include "server/events/stream_lags.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skytrain {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(StreamLags, AreWhatIsCommittedAndNotSent) {
  StreamLags lags;
  EXPECT_THAT(lags.Events(), IsEmpty());
  const auto slow = lags.Add();
  auto quick = lags.Add();
  EXPECT_THAT(lags.Events(), ElementsAre(0, 0));
  for (const auto& stream : {slow.get(), quick.get()}) stream->Committed(100);
  slow->Sent(10);
  quick->Sent(97);
  EXPECT_THAT(lags.Events(), ElementsAre(3, 90));
  quick->Sent(100);
  EXPECT_THAT(lags.Events(), ElementsAre(0, 90));
  quick.reset();
  EXPECT_THAT(lags.Events(), ElementsAre(90)) << "a stream that is over is behind nothing";
}

TEST(StreamLags, NewsThatOvertakeEachOtherDoNotGoBack) {
  StreamLags lags;
  const auto stream = lags.Add();
  stream->Committed(50);
  stream->Committed(40);
  EXPECT_THAT(lags.Events(), ElementsAre(50));
  stream->Sent(60);  // Read from the log before its news came.
  EXPECT_THAT(lags.Events(), ElementsAre(0));
}

}  // namespace
}  // namespace skytrain
