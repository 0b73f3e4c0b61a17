#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace skytrain::spec {

// An experiment with every default filled in and every value checked: what the training engine
// works from. Plain data: no protobuf, no LibTorch. The proto's comments hold the meaning of each
// field.

struct ModelPlan {
  enum class Family { kResnet, kSmallCnn, kMlp, kWideResnet, kConvnext, kEfficientnet, kVit };
  enum class Stem { kImagenet, kCifar };
  enum class Activation { kRelu, kTanh, kGelu };
  enum class Convnext { kNano, kTiny };
  Family family = Family::kResnet;
  int depth = 18;               // kResnet, kWideResnet
  Stem stem = Stem::kImagenet;  // kResnet
  int channels = 64;            // kResnet: of the first stage.
  int width = 32;               // kSmallCnn
  std::vector<int> hidden;      // kMlp
  Activation activation = Activation::kRelu;
  int widen = 4;                        // kWideResnet
  Convnext convnext = Convnext::kTiny;  // kConvnext
  int patch = 16;                       // kVit
  double dropout = 0.0;
  double stochastic_depth = 0.0;  // kConvnext, kEfficientnet
  // As torchvision calls it where it has the family: "resnet18", "convnext_tiny",
  // "efficientnet_b0", "vit_small_16", "wide_resnet28_4", "small_cnn", "mlp".
  std::string Name() const;
};

struct ViewPlan {
  // kModel: the numbers of the model that training starts from.
  enum class Normalize { kDataset, kImagenet, kNone, kModel };
  double center_crop = 1.0;
  int size = 0;  // 0: a table.
  Normalize normalize = Normalize::kDataset;
};

struct AugmentPlan {
  bool rotate90 = false;
  bool flip = false;
  double rotate_degrees = 0.0;
  double scale_low = 1.0, scale_high = 1.0;
  double translate = 0.0;
  double brightness = 0.0, contrast = 0.0, saturation = 0.0;
  double greyscale = 0.0;
  double noise = 0.0;
  double cutout = 0.0;
  std::vector<std::pair<std::string, std::string>> flip_swaps_classes = {};
};

struct OptimizerPlan {
  enum class Kind { kSgd, kAdam, kAdamW, kMuon };
  Kind kind = Kind::kAdamW;
  double lr = 1e-3;  // kMuon: of the hidden layers' matrices.
  double momentum = 0.0;
  bool nesterov = false;
  double weight_decay = 0.01;
  double adamw_lr = 1e-3;  // kMuon: of all else.
  double sam_rho = 0.0;    // 0: one pass a step.
  bool sam_adaptive = false;
};

struct SchedulePlan {
  enum class Kind { kConstant, kCosine, kOneCycle };
  Kind kind = Kind::kConstant;
  double warmup_epochs = 0.0;
  double min_lr = 0.0;
};

// What a task reads of each sample, from a table's row or, a class, from a folder's name.
struct TargetColumns {
  std::string field;                // Of the experiment, for messages: "task.regression.targets".
  std::string class_column;         // Of classification; empty: see v1.Classification.target.
  std::vector<std::string> values;  // Columns of numbers. Empty: the samples have classes instead.
  // That a value may be.
  double lowest = -std::numeric_limits<double>::infinity();
  double highest = std::numeric_limits<double>::infinity();
  bool empty_is_zero = false;  // Else an empty cell is refused.
  // Nothing of the above is asked: samples that are only predicted need no class and no numbers.
  bool unlabelled = false;
  // No task is known yet: where no column of a table stands out as that of the classes, the samples
  // are described without.
  bool undecided = false;
};

// The questions that volunteers were asked. Their answers are the columns of the targets.
struct TreePlan {
  struct Question {
    std::string name;
    int first = 0, answers = 0;  // Columns first to first + answers - 1.
    std::vector<int> after;  // Columns of the answers that lead here; empty: asked of everybody.
  };
  std::vector<Question> questions;  // Each behind those that lead to it.
  std::vector<std::string> columns;
};

struct TaskPlan {
  enum class Kind { kClassification, kRegression, kMultiLabel, kVoteFractions, kVoteCounts };
  Kind kind = Kind::kClassification;
  TargetColumns targets;
  // kClassification: a class counts (N / (K * its samples)) ^ this; 0: all samples count the same.
  double class_weight_power = 0.0;
  double label_smoothing = 0.0;
  double focal_gamma = 0.0;
  bool huber = false;  // kRegression
  double huber_delta = 1.0;
  TreePlan tree;                    // kVoteFractions, kVoteCounts
  bool vote_cross_entropy = false;  // kVoteFractions
  std::string Name() const;         // "classification", as in v1.Task.
};

// The model that training starts from.
struct InitPlan {
  enum class Head { kAuto, kNew, kKeep };
  std::string model;  // "models/{model}/versions/{version}"
  Head head = Head::kAuto;
  std::vector<int> freeze;  // Places in StageNames.
  double layer_decay = 1.0;
};

// What layers compute in. Plans of experiments say kAuto until the device is known.
enum class Precision { kAuto, kFp32, kBf16 };

struct EarlyStopPlan {
  int patience = 0;  // 0: never.
  double min_delta = 0.0;
};

// What a job writes besides weights and metrics.
struct OutputPlan {
  enum class Format { kNone, kCsv, kParquet, kJsonLines };
  Format predictions = Format::kNone;
  bool features = false;
  int mistakes = 0;  // Images on the sheet; 0: none is written.
  // Is there anything to write?
  bool Any() const { return predictions != Format::kNone || mistakes > 0; }
};

// A mean of the weights at the ends of the epochs after `start` of them all.
struct SwaPlan {
  double start = 0.75;
  double lr = 0.0;  // 0: the schedule goes on.
};

struct FindLrPlan {
  double min = 1e-7, max = 10.0;
  int steps = 100;
};

struct TrainingPlan {
  std::string name;
  TaskPlan task;
  ModelPlan model;
  std::optional<InitPlan> init;  // Empty: random weights.
  ViewPlan view;
  AugmentPlan augment;
  OptimizerPlan optimizer;
  SchedulePlan schedule;
  int epochs = 1;
  int batch_size = 128;
  uint64_t seed = 0;
  Precision precision = Precision::kFp32;
  bool deterministic = false;
  std::string select_metric = "val/accuracy";
  bool select_max = true;
  int checkpoint_every_epochs = 1;
  int checkpoint_every_steps = 0;
  int checkpoint_keep = 2;
  double clip_grad_norm = 0.0;
  double mixup = 0.0;
  int micro_batch = 0;  // 0: batch_size.
  EarlyStopPlan early_stop;
  double ema_decay = 0.0;  // 0: no average.
  OutputPlan output;
  std::optional<SwaPlan> swa;
  std::optional<FindLrPlan> find_lr;  // Instead of training.
  int gpus = 0;
  int cpus = 2;
};

}  // namespace skytrain::spec
