#include "server/shepherd/control_watch.h"

#include "common/status_macros.h"

namespace skytrain {

using internal::v1::Control;

absl::StatusOr<std::optional<Control>> ControlWatch::Look() {
  ASSIGN_OR_RETURN(std::optional<Control> control, dir_.ReadControl());
  if (!control.has_value() || control->generation() <= generation_) return std::nullopt;
  generation_ = control->generation();
  return control;
}

absl::Status ControlWatch::AnnounceStop(Control::Cause cause) {
  Control control;
  control.set_generation(generation_ + 1);
  control.set_want(Control::WANT_STOP);
  control.set_cause(cause);
  RETURN_IF_ERROR(dir_.WriteControl(control));
  generation_ = control.generation();
  return absl::OkStatus();
}

}  // namespace skytrain
