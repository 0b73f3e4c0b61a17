// `models import`.
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/commands/architecture.h"
#include "client/commands/commands.h"
#include "client/commands/transfer.h"
#include "client/render/format.h"
#include "client/render/json.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

absl::Status NotSafetensors(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "NOT_SAFETENSORS", what);
}

// How PyTorch's and NumPy's files are converted, which the server does not read: reading a pickle
// runs what is in it.
absl::Status Convert(const std::string& path, bool numpy) {
  const std::string to =
      std::filesystem::path(path).filename().replace_extension(".safetensors").string();
  const std::string from = absl::StrReplaceAll(path, {{"\\", "\\\\"}, {"\"", "\\\""}});
  const std::string target = absl::StrReplaceAll(to, {{"\\", "\\\\"}, {"\"", "\\\""}});
  return NotSafetensors(absl::StrCat(
      Printable(path), " is a file of ", numpy ? "NumPy" : "PyTorch",
      ", not safetensors. Where you trust it, convert it in Python:\n",
      numpy ? absl::StrCat("  import numpy, safetensors.numpy\n"
                           "  safetensors.numpy.save_file(dict(numpy.load(\"",
                           Printable(from), "\")), \"", Printable(target), "\")")
            : absl::StrCat("  import torch, safetensors.torch\n"
                           "  safetensors.torch.save_file({k: v.contiguous() for k, v in "
                           "torch.load(\"",
                           Printable(from), "\", weights_only=True).items()}, \"",
                           Printable(target), "\")")));
}

// Before a large file is sent: is it what the server takes?
absl::Status CheckFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "UNREADABLE_FILE",
                           absl::StrCat("there is no file ", Printable(path), " here"));
  }
  std::string start(4096, '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(file.gcount()));
  const bool numpy = absl::EndsWith(path, ".npz") || absl::EndsWith(path, ".npy");
  if (absl::StartsWith(start, "PK\x03\x04")) {
    // The first entry of an npz is an array, that of a .pth a folder's.
    return Convert(path, numpy || absl::StrContains(start.substr(0, 256), ".npy"));
  }
  if (absl::StartsWith(start, "\x93NUMPY")) return Convert(path, true);
  if (absl::StartsWith(start, "\x80\x02") || absl::StartsWith(start, "\x80\x04")) {
    return Convert(path, false);
  }
  // 8 bytes of length, then JSON.
  if (start.size() > 8 && start[8] == '{') return absl::OkStatus();
  return NotSafetensors(absl::StrCat(Printable(path), " is not a safetensors file"));
}

// Lines of a file, else names with commas between them.
absl::StatusOr<std::vector<std::string>> ClassNames(const std::string& typed) {
  std::vector<std::string> names;
  std::error_code error;
  std::string text = typed;
  char separator = ',';
  if (std::filesystem::is_regular_file(typed, error)) {
    std::ifstream file(typed, std::ios::binary);
    std::stringstream content;
    content << file.rdbuf();
    text = content.str();
    separator = '\n';
  } else if (absl::StrContains(typed, '/')) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "UNREADABLE_FILE",
                           absl::StrCat("there is no file ", Printable(typed), " here"));
  }
  for (const absl::string_view part : absl::StrSplit(text, separator)) {
    const absl::string_view name = absl::StripAsciiWhitespace(part);
    if (!name.empty()) names.emplace_back(name);
  }
  return names;
}

absl::StatusOr<v1::ImportModelRequest> RequestOf(const ImportOptions& options) {
  v1::ImportModelRequest request;
  ASSIGN_OR_RETURN(*request.mutable_architecture(), ParseArchitecture(options.architecture));
  v1::ModelSpec& spec = *request.mutable_architecture();
  if (options.cifar_stem || options.width > 0) {
    if (!spec.has_resnet() && !(spec.has_small_cnn() && !options.cifar_stem)) {
      return ErrorWithReason(
          absl::StatusCode::kInvalidArgument, "BAD_ARCHITECTURE",
          absl::StrCat(options.architecture, " has no --", options.cifar_stem ? "stem" : "width"));
    }
    if (options.cifar_stem) spec.mutable_resnet()->set_stem(v1::Resnet::STEM_CIFAR);
    if (spec.has_resnet()) {
      spec.mutable_resnet()->set_width(options.width);
    } else {
      spec.mutable_small_cnn()->set_width(options.width);
    }
  }
  request.set_model_id(options.name.empty() ? NameAfter(options.architecture) : options.name);
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ClassNames(options.classes));
  request.mutable_outputs()->Assign(names.begin(), names.end());
  v1::ImageView& image = *request.mutable_image();
  image.set_size(options.size);
  image.set_center_crop(options.center_crop);
  if (options.normalize == "none") {
    image.mutable_normalize()->mutable_none();
  } else {
    image.mutable_normalize()->mutable_imagenet();
  }
  request.set_source(options.source.empty()
                         ? std::filesystem::path(options.file).filename().string()
                         : options.source);
  request.set_validate_only(options.dry_run);
  return request;
}

}  // namespace

absl::StatusOr<ExitCode> ImportModel(Context& context, const ImportOptions& options) {
  ASSIGN_OR_RETURN(v1::ImportModelRequest request, RequestOf(options));
  RETURN_IF_ERROR(CheckFile(options.file));
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(*request.mutable_blob(), UploadFile(context, *client, options.file));
  ASSIGN_OR_RETURN(const v1::Model model, client->ImportModel(request));
  if (context.format != Format::kTable) {
    JsonWriter json(context.format == Format::kJson);
    WriteMessage(model, json);
    context.Out(json.Finish());
    return kExitOk;
  }
  if (options.dry_run) {
    context.Out(absl::StrCat("fits: ", Printable(model.family()), ", ",
                             FormatMillions(model.parameters()), " parameters, ",
                             model.classes_size(), " classes; nothing published\n"));
    return kExitOk;
  }
  const std::string name = ShortName(model.name());
  context.Out(absl::StrCat(name, "\n"));
  context.Err(absl::StrCat(Printable(model.family()), ", ", FormatMillions(model.parameters()),
                           " parameters, ", model.classes_size(),
                           " classes. To start from it: init: {model: ", name, "}\n"));
  return kExitOk;
}

}  // namespace skytrain::client
