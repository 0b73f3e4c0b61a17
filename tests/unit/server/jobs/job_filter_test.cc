#include "server/jobs/job_filter.h"

#include "common/errors.h"
#include "common/timestamp.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skytrain {
namespace {

using ::testing::HasSubstr;

v1::Job SpiralJob() {
  v1::Job job;
  job.set_name("jobs/spirals-7");
  job.set_owner("ana");
  job.set_state(v1::RUNNING);
  *job.mutable_create_time() = ToTimestamp(absl::FromUnixSeconds(1769882400));  // 2026-01-31T18:00Z
  v1::Experiment& experiment = *job.mutable_experiment();
  experiment.mutable_queue()->set_priority(5);
  (*experiment.mutable_labels())["run"] = "x";
  (*experiment.mutable_labels())["fold"] = "10";
  (*experiment.mutable_labels())["my note"] = "a \"b\"";
  return job;
}

TEST(JobFilter, HoldsOrDoesNot) {
  const struct {
    const char* filter;
    bool matches;
  } cases[] = {
      {"", true},
      {"  ", true},
      {"state=RUNNING", true},
      {"state = running", true},
      {"state!=RUNNING", false},
      {"state=QUEUED", false},
      {"owner=ana", true},
      {"owner=ben", false},
      {"owner=an*", true},
      {"owner!=b*", true},
      {"name=spirals-7", true},
      {"name=jobs/spirals-7", true},
      {"name=spirals", false},
      {"name=spi*", true},
      {"name=jobs/spi*", true},
      {"name=*", true},
      {"labels.run=x", true},
      {"labels.run!=x", false},
      {"labels.run=y", false},
      {"labels.fold=10.0", true},
      {"labels.fold>9", true},  // As numbers: as text 10 comes before 9.
      {"labels.fold<9", false},
      {"labels.run<y", true},
      {"labels.other=x", false},
      {"labels.other!=x", true},
      {"labels.other<x", false},
      {"labels.other>=x", false},
      {"labels.'my note'=\"a \\\"b\\\"\"", true},
      {"create_time>2026-01-31", true},
      {"create_time<2026-01-31T18:00:00Z", false},
      {"create_time<=2026-01-31T18:00:00Z", true},
      {"create_time=2026-01-31T19:00:00+01:00", true},
      {"create_time<\"2026-02-01\"", true},
      {"priority>=5", true},
      {"priority>5", false},
      {"priority<6", true},
      {"priority!=-1", true},
      {"state=RUNNING AND labels.run=x", true},
      {"state=RUNNING AND labels.run=y", false},
      {"state=RUNNING AND state!=RUNNING", false},
      {"priority>1\n AND\tpriority<9", true},
  };
  const v1::Job job = SpiralJob();
  for (const auto& c : cases) {
    const auto filter = JobFilter::Parse(c.filter);
    ASSERT_TRUE(filter.ok()) << c.filter << ": " << filter.status();
    EXPECT_EQ(filter->Matches(job), c.matches) << c.filter;
  }
}

TEST(JobFilter, EvaluationsHaveNoLabelsAndPriorityZero) {
  v1::Job job;
  job.mutable_evaluation();
  EXPECT_TRUE(JobFilter::Parse("priority=0")->Matches(job));
  EXPECT_FALSE(JobFilter::Parse("labels.run=x")->Matches(job));
}

TEST(JobFilter, MistakesAreNamedWithTheirColumn) {
  const struct {
    const char* filter;
    const char* message;
  } cases[] = {
      {"stat=RUNNING", "column 1: no field 'stat'"},
      {"=RUNNING", "column 1: here must stand a field"},
      {"state", "column 6: here must stand ="},
      {"state RUNNING", "column 7: here must stand ="},
      {"state=", "column 7: here must stand a value"},
      {"state=WALKING", "column 7: no state 'WALKING'; there are QUEUED"},
      {"state<RUNNING", "column 6: a state takes = or !="},
      {"state=JOB_STATE_UNSPECIFIED", "column 7: no state"},
      {"owner>ana", "column 6: a name takes = or !="},
      {"state=RUNNING OR owner=ana", "column 15: comparisons are joined by AND"},
      {"state=RUNNING AND", "column 18: here must stand a field"},
      {"state=RUNNING owner=ana", "column 15: comparisons are joined by AND"},
      {"create_time>yesterday", "column 13: a time is written"},
      {"priority>high", "column 10: a priority is a whole number"},
      {"labels.=x", "column 8: here must stand a label's key"},
      {"labels.run=\"x", "column 12: this quote is not closed"},
  };
  for (const auto& c : cases) {
    const absl::Status status = JobFilter::Parse(c.filter).status();
    EXPECT_EQ(ReasonOf(status), "BAD_FILTER") << c.filter;
    EXPECT_THAT(status.message(), HasSubstr(c.message));
  }
}

TEST(JobFilter, HasABoundedSize) {
  std::string filter = "priority=0";
  for (int i = 0; i < 40; ++i) filter += " AND priority=0";
  EXPECT_EQ(ReasonOf(JobFilter::Parse(filter).status()), "BAD_FILTER");
  EXPECT_EQ(ReasonOf(JobFilter::Parse("name=" + std::string(5000, 'x')).status()), "BAD_FILTER");
}

TEST(JobFilter, TellsTheStoreWhatItNeedNotRead) {
  const auto filter = JobFilter::Parse("state=QUEUED AND owner=ana AND name=x*");
  EXPECT_EQ(filter->States(), uint64_t{1} << v1::QUEUED);
  EXPECT_EQ(filter->Owner(), "ana");
  EXPECT_EQ(JobFilter::Parse("state!=QUEUED")->States(), ~(uint64_t{1} << v1::QUEUED));
  EXPECT_EQ(JobFilter::Parse("state=QUEUED AND state=FAILED")->States(), 0u);
  EXPECT_EQ(JobFilter::Parse("owner=a*")->Owner(), "");
  EXPECT_EQ(JobFilter::Parse("owner!=ana")->Owner(), "");
}

}  // namespace
}  // namespace skytrain
