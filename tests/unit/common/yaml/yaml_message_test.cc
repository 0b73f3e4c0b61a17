#include "common/yaml/yaml_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/utf8.h"
#include "skytrain/v1/experiment.pb.h"

namespace skytrain::yaml {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// The mistakes of `text`, one line each.
std::vector<std::string> Mistakes(const std::string& text,
                                  const std::vector<std::string>& overrides = {}) {
  v1::Experiment experiment;
  const absl::Status status = ParseMessage(text, "g.yaml", overrides, experiment, nullptr);
  std::vector<std::string> lines;
  for (const FieldViolation& violation : ViolationsOf(status)) {
    lines.push_back(absl::StrCat(violation.field, ": ", violation.description));
  }
  EXPECT_EQ(status.ok(), lines.empty()) << status;
  EXPECT_EQ(ReasonOf(status), status.ok() ? "" : "INVALID_YAML");
  return lines;
}

v1::Experiment Parsed(const std::string& text, const std::vector<std::string>& overrides = {}) {
  v1::Experiment experiment;
  const absl::Status status = ParseMessage(text, "g.yaml", overrides, experiment, nullptr);
  EXPECT_TRUE(status.ok()) << status;
  return experiment;
}

TEST(YamlMessage, ListStandsForAMessageThatIsNothingElse) {
  const v1::Experiment e =
      Parsed("data: {classes: {merge: {smooth: [\"0\", \"5\"]}, drop: [\"4\"]}}");
  EXPECT_THAT(e.data().classes().merge().at("smooth").names(), ElementsAre("0", "5"));
  EXPECT_THAT(e.data().classes().drop(), ElementsAre("4"));
  EXPECT_THAT(Mistakes("data: {classes: {merge: {smooth: [{a: b}]}}}"),
              ElementsAre("g.yaml:1:35: data.classes.merge.smooth[0] must be text, not a map"));
  EXPECT_THAT(Mistakes("data: {classes: [a]}"),
              ElementsAre("g.yaml:1:17: data.classes must be a map of keys, not a list"));
}

TEST(YamlMessage, ReadsAnExperimentWhole) {
  const v1::Experiment e = Parsed(R"(
name: galaxies
data:
  files: {images: [a.zip, "b.tar"], table: t.csv, id: OBJID}
  image: {center_crop: 0.5, size: 64, normalize: {imagenet: {}}}
  augment: {rotate90: true, flip: false}
  splits: {validation: {fraction: 0.1, seed: 18446744073709551615}}
  unmatched: skip
task: {classification: {class_weights: balanced}}
model: {mlp: {hidden: [64, 32], activation: gelu}}
train: {epochs: 30, precision: auto, select: {metric: val/loss, goal: min}}
optimizer: {adamw: {lr: 1.0e-3, weight_decay: 0}}
schedule:
  one_cycle:
limits: {time: 1h30m, stall: 90s}
labels: {who: ana, night: "12"}
)");
  EXPECT_THAT(e.data().files().images(), ElementsAre("a.zip", "b.tar"));
  EXPECT_TRUE(e.data().image().normalize().has_imagenet());
  EXPECT_EQ(e.data().splits().validation().seed(), 18446744073709551615u);
  EXPECT_EQ(e.data().unmatched(), v1::Data::POLICY_SKIP);
  EXPECT_EQ(e.task().classification().class_weights(), v1::Classification::CLASS_WEIGHTS_BALANCED);
  EXPECT_THAT(e.model().mlp().hidden(), ElementsAre(64, 32));
  EXPECT_EQ(e.train().select().goal(), v1::Select::GOAL_MIN);
  EXPECT_EQ(e.optimizer().adamw().lr(), 1e-3);
  EXPECT_TRUE(e.optimizer().adamw().has_weight_decay());
  EXPECT_TRUE(e.schedule().has_one_cycle()) << "a key without a value is an empty message";
  EXPECT_EQ(e.limits().time().seconds(), 5400);
  EXPECT_EQ(e.labels().at("night"), "12");
}

TEST(YamlMessage, IdsStayText) {
  EXPECT_EQ(Parsed("data: {files: {id: 587722952230174735}}").data().files().id(),
            "587722952230174735");
}

struct MistakeCase {
  const char* name;
  const char* text;
  const char* mistake;
};

class YamlMistakes : public ::testing::TestWithParam<MistakeCase> {};

TEST_P(YamlMistakes, AreNamedWithTheirPlace) {
  EXPECT_THAT(Mistakes(GetParam().text), ElementsAre(GetParam().mistake));
}

INSTANTIATE_TEST_SUITE_P(
    All, YamlMistakes,
    ::testing::Values(
        MistakeCase{"UnknownKey", "train:\n  epochs: 3\n  batchsize: 4\n",
                    "g.yaml:3:3: unknown key 'batchsize' in train; did you mean 'batch_size'?"},
        MistakeCase{"UnknownKeyWithNothingNear", "model: {resnet: {zzzzzzzz: 1}}",
                    "g.yaml:1:18: unknown key 'zzzzzzzz' in model.resnet; it knows depth, stem, "
                    "width, dropout"},
        MistakeCase{"UnknownKeyAtTheTop", "trian: {}",
                    "g.yaml:1:1: unknown key 'trian'; did you mean 'train'?"},
        MistakeCase{"NotANumber", "optimizer: {adamw: {lr: 1e-3x}}",
                    "g.yaml:1:25: optimizer.adamw.lr must be a number, not \"1e-3x\""},
        MistakeCase{"QuotedNumber", "optimizer: {adamw: {lr: \"0.1\"}}",
                    "g.yaml:1:25: optimizer.adamw.lr must be a number, not the text \"0.1\""},
        MistakeCase{"InfiniteNumber", "optimizer: {adamw: {lr: inf}}",
                    "g.yaml:1:25: optimizer.adamw.lr must be a number, not \"inf\""},
        MistakeCase{"HugeNumber", "optimizer: {adamw: {lr: 1e999}}",
                    "g.yaml:1:25: optimizer.adamw.lr must be a number, not \"1e999\""},
        MistakeCase{"FloatForInteger", "train: {epochs: 1.0}",
                    "g.yaml:1:17: train.epochs must be a whole number, not \"1.0\""},
        MistakeCase{"TooLargeInteger", "train: {epochs: 3000000000}",
                    "g.yaml:1:17: train.epochs must be a whole number from -2147483648 to "
                    "2147483647, not \"3000000000\""},
        MistakeCase{"NegativeUnsigned", "train: {seed: -1}",
                    "g.yaml:1:15: train.seed must be a whole number, 0 or more, not \"-1\""},
        MistakeCase{"YesIsNoBoolean", "data: {augment: {flip: yes}}",
                    "g.yaml:1:24: data.augment.flip must be true or false, not \"yes\""},
        MistakeCase{"UnknownEnumValue", "train: {precision: fp64}",
                    "g.yaml:1:20: train.precision must be one of auto, fp32, bf16, not \"fp64\""},
        MistakeCase{"EnumValueByItsLongName", "train: {precision: PRECISION_AUTO}",
                    "g.yaml:1:20: train.precision must be one of auto, fp32, bf16, not "
                    "\"PRECISION_AUTO\""},
        MistakeCase{"DurationWithoutAUnit", "limits: {time: 90}",
                    "g.yaml:1:16: limits.time must be a time such as 90s, 30m or 1h30m, not "
                    "\"90\""},
        MistakeCase{"EndlessDuration", "limits: {time: inf}",
                    "g.yaml:1:16: limits.time must be a time such as 90s, 30m or 1h30m, not "
                    "\"inf\""},
        MistakeCase{"NegativeDuration", "limits: {time: -90s}",
                    "g.yaml:1:16: limits.time must be a time such as 90s, 30m or 1h30m, not "
                    "\"-90s\""},
        MistakeCase{"MapForText", "name: {a: b}", "g.yaml:1:7: name must be text, not a map"},
        MistakeCase{"NothingForText", "name:\n", "g.yaml:1:1: name must be text, not nothing"},
        MistakeCase{"TextForMap", "train: fast",
                    "g.yaml:1:8: train must be a map of keys, not \"fast\""},
        MistakeCase{"TextForList", "data: {files: {images: a.zip}}",
                    "g.yaml:1:24: data.files.images must be a list, [a, b], not \"a.zip\""},
        MistakeCase{"BadElement", "model: {mlp: {hidden: [8, x]}}",
                    "g.yaml:1:27: model.mlp.hidden[1] must be a whole number, not \"x\""},
        MistakeCase{"ListForFile", "- a\n",
                    "g.yaml:1:1: the file must be a map of keys, not a list"},
        MistakeCase{"TwoOfOneOneof", "optimizer:\n  sgd: {lr: 1}\n  adamw: {lr: 1}\n",
                    "g.yaml:3:3: 'adamw' and 'sgd' (g.yaml:2:3) exclude each other in optimizer; "
                    "keep one"},
        MistakeCase{"DuplicateKey", "train:\n  epochs: 1\n  epochs: 2\n",
                    "g.yaml:3:3: key 'epochs' is set twice, first at line 2"},
        MistakeCase{"KeyThatIsNoWord", "? [a, b]\n: c\n", "g.yaml:1:3: a key must be a word"},
        MistakeCase{"SecondDocument", "name: a\n---\nname: b\n",
                    "g.yaml:3:1: a second document; one file holds one"}),
    [](const auto& info) { return info.param.name; });

TEST(YamlMessage, SyntaxErrorHasItsPlace) {
  const std::vector<std::string> mistakes = Mistakes("train: {epochs: 3\n");
  ASSERT_THAT(mistakes, SizeIs(1));
  EXPECT_THAT(mistakes[0], HasSubstr("g.yaml:2:1: not valid YAML: "));
}

TEST(YamlMessage, AllMistakesAreReportedAtOnceUpToTwenty) {
  EXPECT_THAT(Mistakes("a: 1\ntrain: {epochs: x, seed: y}\n"), SizeIs(3));
  std::string text;
  for (int i = 0; i < 30; ++i) absl::StrAppend(&text, "unknown", i, ": 1\n");
  EXPECT_THAT(Mistakes(text), SizeIs(20));
}

TEST(YamlMessage, AliasesAreFollowed) {
  const v1::Experiment e = Parsed("labels: {a: &x hello, b: *x}\n");
  EXPECT_EQ(e.labels().at("b"), "hello");
}

TEST(YamlMessage, AliasBombIsRefused) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    absl::StrAppend(&text, "a", i, ": &a", i, " [");
    for (int j = 0; j < 10; ++j) absl::StrAppend(&text, j == 0 ? "" : ", ", "*a", i - 1);
    absl::StrAppend(&text, "]\n");
  }
  EXPECT_THAT(Mistakes(text),
              ElementsAre("g.yaml: has more than 100000 values once aliases are resolved"));
}

TEST(YamlMessage, LargeFileIsRefused) {
  EXPECT_THAT(Mistakes(std::string(kMaxBytes + 1, ' ')),
              ElementsAre("g.yaml: is larger than 1 MiB"));
}

TEST(YamlMessage, DeepNestingIsRefused) {
  const std::vector<std::string> mistakes = Mistakes(std::string(5000, '['));
  ASSERT_THAT(mistakes, SizeIs(1));
  EXPECT_THAT(mistakes[0], HasSubstr("not valid YAML"));
}

TEST(YamlMessage, TextThatTheParserWouldTakeForAnotherEncodingIsRefused) {
  using namespace std::string_literals;
  for (const std::string& text : {"name: \xff\n"s, "name: a\0b\n"s, "\0 \0\0"s, "\xc3"s}) {
    EXPECT_THAT(Mistakes(text), ElementsAre("g.yaml: is not UTF-8 text"));
  }
}

TEST(YamlMessage, MistakesAreUtf8WhereverTheyCutTheText) {
  for (size_t shift = 0; shift < 4; ++shift) {
    std::string text(shift, 'x');
    for (int i = 0; i < 60; ++i) text += "\u00e9\u2022";
    for (const std::string& mistake :
         Mistakes("train: {epochs: " + text + ", " + text + ": 1}\n")) {
      EXPECT_TRUE(IsValidUtf8(mistake)) << mistake;
      EXPECT_THAT(mistake, HasSubstr("…"));
    }
  }
  EXPECT_THAT(Mistakes("name: \"\\\u00e9\"\n"), ElementsAre(HasSubstr("not valid YAML")))
      << "the parser names the first byte of a character after a backslash";
}

TEST(YamlMessage, AFileNameThatIsNotUtf8IsEscaped) {
  v1::Experiment experiment;
  const absl::Status status = ParseMessage("nme: a\n", "\xff.yaml", {}, experiment, nullptr);
  ASSERT_THAT(ViolationsOf(status), SizeIs(1));
  EXPECT_EQ(ViolationsOf(status)[0].field, "\\xff.yaml:1:1");
}

TEST(YamlMessage, NestedAnchorsAreBoundedAlsoWhenNothingRefersToThem) {
  // Each anchor keeps a copy of all that lies below it: 200 anchors around 1000 values.
  std::string text;
  for (int i = 0; i < 200; ++i) text += "&a" + std::to_string(i) + " [";
  for (int i = 0; i < 1000; ++i) text += "1,";
  text += std::string(200, ']');
  const std::vector<std::string> mistakes = Mistakes(text);
  ASSERT_THAT(mistakes, SizeIs(1));
  EXPECT_THAT(mistakes[0], HasSubstr("has more than 100000 values"));
}

TEST(YamlOverride, HostileOnesAreRefused) {
  EXPECT_THAT(Mistakes("", {"train.\xff=1"}), ElementsAre("--set: is not UTF-8 text"));
  EXPECT_THAT(Mistakes("", {"name=\xff"}), ElementsAre("--set: is not UTF-8 text"));
  std::string deep = "a";
  for (int i = 0; i < 100'000; ++i) deep += ".a";
  EXPECT_THAT(Mistakes("", {deep + "=1"}), ElementsAre(HasSubstr("more than 32 keys")));
}

TEST(YamlOverride, ReplacesAndAddsValues) {
  const v1::Experiment e =
      Parsed("train: {epochs: 30}\n",
             {"train.epochs=3", "optimizer.sgd.lr=0.5", "model.mlp.hidden=[8, 8]", "labels.a=x=y"});
  EXPECT_EQ(e.train().epochs(), 3);
  EXPECT_EQ(e.optimizer().sgd().lr(), 0.5);
  EXPECT_THAT(e.model().mlp().hidden(), ElementsAre(8, 8));
  EXPECT_EQ(e.labels().at("a"), "x=y");
}

TEST(YamlOverride, WorksOnAnEmptyFile) {
  EXPECT_EQ(Parsed("", {"train.epochs=3"}).train().epochs(), 3);
}

TEST(YamlOverride, MistakesNameTheirSource) {
  EXPECT_THAT(Mistakes("", {"train.epochs=x"}),
              ElementsAre("--set: train.epochs must be a whole number, not \"x\""));
  EXPECT_THAT(Mistakes("", {"train.epoch=1"}),
              ElementsAre("--set: unknown key 'epoch' in train; did you mean 'epochs'?"));
  EXPECT_THAT(Mistakes("", {"train.epochs"}),
              ElementsAre("--set: write KEY=VALUE, not 'train.epochs'"));
  EXPECT_THAT(Mistakes("name: a\n", {"name.b=1"}),
              ElementsAre("--set: name.b: 'b' lies below a value, not a map"));
  EXPECT_THAT(Mistakes("optimizer: {adamw: {}}\n", {"optimizer.sgd.lr=1"}),
              ElementsAre("--set: 'sgd' and 'adamw' (g.yaml:1:13) exclude each other in optimizer; "
                          "keep one"));
}

TEST(PositionMap, LeadsFromAFieldToItsPlace) {
  v1::Experiment experiment;
  PositionMap positions;
  ASSERT_TRUE(ParseMessage("train:\n  epochs: -3\nmodel: {mlp: {hidden: [8, 0]}}\n", "g.yaml",
                           {"train.seed=1"}, experiment, &positions)
                  .ok());
  EXPECT_EQ(positions.Find("train.epochs").ToString(), "g.yaml:2:11");
  EXPECT_EQ(positions.Find("train.seed").ToString(), "--set");
  EXPECT_EQ(positions.Find("model.mlp.hidden[1]").ToString(), "g.yaml:3:27");
  EXPECT_EQ(positions.Find("train.select.metric").ToString(), "g.yaml:2:3")
      << "a missing key lies where the one above it is";
  EXPECT_EQ(positions.Find("data").ToString(), "g.yaml");
}

TEST(ShortEnumName, StripsThePrefixOfTheEnum) {
  EXPECT_EQ(ShortEnumName(*v1::Precision_descriptor()->FindValueByNumber(v1::PRECISION_FP32)),
            "fp32");
}

}  // namespace
}  // namespace skytrain::yaml
