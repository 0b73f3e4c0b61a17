#include "client/commands/architecture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors.h"

namespace skytrain::client {
namespace {

using testing::HasSubstr;

TEST(ParseArchitecture, KnowsTheNamesThatPeopleUse) {
  EXPECT_EQ(ParseArchitecture("resnet50")->resnet().depth(), 50);
  EXPECT_EQ(ParseArchitecture("wide_resnet40_10")->wide_resnet().depth(), 40);
  EXPECT_EQ(ParseArchitecture("wide-resnet40-10")->wide_resnet().widen(), 10);
  EXPECT_EQ(ParseArchitecture("ConvNeXt_Nano")->convnext().variant(), v1::Convnext::VARIANT_NANO);
  EXPECT_EQ(ParseArchitecture("convnext_tiny")->convnext().variant(), v1::Convnext::VARIANT_TINY);
  EXPECT_TRUE(ParseArchitecture("efficientnet_b0")->has_efficientnet());
  for (const char* name :
       {"vit_small", "vit_small_16", "vit_small_patch16", "vit_small_patch16_224"}) {
    EXPECT_EQ(ParseArchitecture(name)->vit().patch(), 16) << name;
  }
  EXPECT_EQ(ParseArchitecture("vit_small_patch8_224")->vit().patch(), 8);
}

TEST(ParseArchitecture, OtherNamesAreRefusedWithTheNearest) {
  for (const char* name : {"", "resnet", "resnet19", "resnet18x", "wide_resnet50", "wide_resnet_4",
                           "vit_smaller", "vit_small_patch", "vit_small_16_224_1", "alexnet"}) {
    EXPECT_EQ(ReasonOf(ParseArchitecture(name).status()), "BAD_ARCHITECTURE") << name;
  }
  EXPECT_THAT(std::string(ParseArchitecture("convnext_tini").status().message()),
              HasSubstr("did you mean 'convnext_tiny'?"));
}

TEST(NameAfter, IsAName) { EXPECT_EQ(NameAfter("Wide_resnet28_4"), "wide-resnet28-4"); }

}  // namespace
}  // namespace skytrain::client
