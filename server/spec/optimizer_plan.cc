#include "server/spec/optimizer_plan.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"

namespace skytrain::spec {
namespace {

void CheckPositive(const std::string& field, double value, Violations& v) {
  if (value > 0 && std::isfinite(value)) return;
  v.Add(field, absl::StrCat("must be a finite number greater than 0, not ", value));
}

OptimizerPlan PlanMuon(const v1::Muon& muon, const ModelPlan& model, Violations& v) {
  OptimizerPlan plan = {OptimizerPlan::Kind::kMuon, muon.lr() == 0 ? 0.02 : muon.lr(),
                        muon.has_momentum() ? muon.momentum() : 0.95, /*nesterov=*/true,
                        muon.has_weight_decay() ? muon.weight_decay() : 0.01};
  plan.adamw_lr = muon.adamw_lr() == 0 ? 1e-3 : muon.adamw_lr();
  CheckPositive("optimizer.muon.adamw_lr", plan.adamw_lr, v);
  if (!(plan.momentum >= 0 && plan.momentum < 1)) {
    v.Add("optimizer.muon.momentum",
          absl::StrCat("must be at least 0 and less than 1, not ", plan.momentum));
  }
  if (model.family == ModelPlan::Family::kMlp && model.hidden.size() < 2) {
    v.Add("optimizer.muon",
          absl::StrCat("needs a network with layers between its first and its "
                       "last; model.mlp.hidden names ",
                       model.hidden.size(), ": give it 2 or more, or take adamw"));
  }
  return plan;
}

}  // namespace

OptimizerPlan PlanOptimizer(const v1::Optimizer& optimizer, const ModelPlan& model, Violations& v) {
  OptimizerPlan plan;
  std::string field;
  switch (optimizer.kind_case()) {
    case v1::Optimizer::kSgd: {
      field = "optimizer.sgd";
      const v1::Sgd& sgd = optimizer.sgd();
      plan = {OptimizerPlan::Kind::kSgd, sgd.lr() == 0 ? 0.1 : sgd.lr(), sgd.momentum(),
              sgd.nesterov(), sgd.weight_decay()};
      if (!(plan.momentum >= 0 && plan.momentum < 1)) {
        v.Add("optimizer.sgd.momentum",
              absl::StrCat("must be at least 0 and less than 1, not ", plan.momentum));
      } else if (plan.nesterov && plan.momentum == 0) {
        v.Add("optimizer.sgd.nesterov", "needs a momentum greater than 0");
      }
      break;
    }
    case v1::Optimizer::kAdam:
      field = "optimizer.adam";
      plan = {OptimizerPlan::Kind::kAdam, optimizer.adam().lr() == 0 ? 1e-3 : optimizer.adam().lr(),
              0, false, optimizer.adam().weight_decay()};
      break;
    case v1::Optimizer::kAdamw:
    case v1::Optimizer::KIND_NOT_SET: {
      field = "optimizer.adamw";
      const v1::AdamW& adamw = optimizer.adamw();
      plan = {OptimizerPlan::Kind::kAdamW, adamw.lr() == 0 ? 1e-3 : adamw.lr(), 0, false,
              adamw.has_weight_decay() ? adamw.weight_decay() : 0.01};
      break;
    }
    case v1::Optimizer::kMuon:
      field = "optimizer.muon";
      plan = PlanMuon(optimizer.muon(), model, v);
      break;
  }
  CheckPositive(field + ".lr", plan.lr, v);
  v.NotNegative(field + ".weight_decay", plan.weight_decay);
  if (optimizer.has_sam()) {
    plan.sam_rho = optimizer.sam().rho() == 0 ? 0.05 : optimizer.sam().rho();
    plan.sam_adaptive = optimizer.sam().adaptive();
    CheckPositive("optimizer.sam.rho", plan.sam_rho, v);
  }
  return plan;
}

SchedulePlan PlanSchedule(const v1::Schedule& schedule, const TrainingPlan& plan, Violations& v) {
  SchedulePlan out;
  switch (schedule.kind_case()) {
    case v1::Schedule::kCosine:
      out.kind = SchedulePlan::Kind::kCosine;
      out.warmup_epochs = schedule.cosine().warmup_epochs();
      out.min_lr = schedule.cosine().min_lr();
      if (!(out.warmup_epochs >= 0) ||
          (plan.epochs > 0 && !plan.find_lr && out.warmup_epochs > plan.epochs)) {
        v.Add("schedule.cosine.warmup_epochs",
              absl::StrCat("must be between 0 and train.epochs, not ", out.warmup_epochs));
      }
      if (!(out.min_lr >= 0 && out.min_lr <= plan.optimizer.lr)) {
        v.Add("schedule.cosine.min_lr",
              absl::StrCat("must be between 0 and the optimizer's lr, not ", out.min_lr));
      }
      break;
    case v1::Schedule::kOneCycle:
      out.kind = SchedulePlan::Kind::kOneCycle;
      break;
    case v1::Schedule::kConstant:
    case v1::Schedule::KIND_NOT_SET:
      break;
  }
  return out;
}

}  // namespace skytrain::spec
