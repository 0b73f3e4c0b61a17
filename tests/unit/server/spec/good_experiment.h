#pragma once

#include <functional>
#include <limits>

#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/spec/check.h"

namespace skytrain::spec {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInf = std::numeric_limits<double>::infinity();

// An experiment that says no more than it must.
inline v1::Experiment Good() {
  v1::Experiment e;
  e.mutable_data()->set_dataset("galaxies.tar");
  e.mutable_data()->mutable_image()->set_size(64);
  e.mutable_task()->mutable_classification();
  e.mutable_model()->mutable_resnet();
  e.mutable_train()->set_epochs(3);
  return e;
}

// What is wrong with an experiment that is good but for that.
struct Mistake {
  const char* name;  // Of the test.
  std::function<void(v1::Experiment&)> make;
  const char* field;
  const char* says;
};

// The one violation names the field and says what is allowed.
inline void ExpectNamed(const Mistake& mistake) {
  v1::Experiment e = Good();
  mistake.make(e);
  const auto violations = ViolationsOf(MakePlan(e).status());
  ASSERT_EQ(violations.size(), 1u) << MakePlan(e).status();
  EXPECT_EQ(violations[0].field, mistake.field);
  EXPECT_THAT(violations[0].description, testing::HasSubstr(mistake.says));
}

}  // namespace skytrain::spec
