#include <errno.h>
#include <string.h>

#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/commands/commands.h"
#include "client/commands/data_argument.h"
#include "client/render/format.h"
#include "common/status_macros.h"

namespace skytrain::client {
namespace {

absl::Status WriteFile(const std::string& path, const std::string& bytes) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(path.c_str(), "we"), fclose);
  if (file != nullptr && fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size() &&
      fflush(file.get()) == 0) {
    return absl::OkStatus();
  }
  return absl::UnknownError(absl::StrCat("cannot write ", path, ": ", strerror(errno)));
}

void PrintSheet(Context& context, const std::string& file,
                const v1::PreviewDatasetResponse& sheet) {
  if (context.format != Format::kTable) {
    JsonWriter json(context.format == Format::kJson);
    json.BeginObject();
    json.Key("file");
    json.String(file);
    v1::PreviewDatasetResponse rest = sheet;
    rest.clear_png();
    WriteFields(rest, json);
    json.EndObject();
    return context.Out(json.Finish());
  }
  context.Out(absl::StrCat(file, "  ", sheet.width(), "x", sheet.height(), " pixels, ",
                           FormatBytes(static_cast<int64_t>(sheet.png().size())), "\n"));
  if (sheet.groups_shown() < sheet.groups()) {
    context.Err(absl::StrCat("there was room for ", sheet.groups_shown(), " of ", sheet.groups(),
                             " classes: take smaller tiles, or fewer images of each\n"));
  }
  if (sheet.undecodable() > 0) {
    context.Err(absl::StrCat(Plural(sheet.undecodable(), "image"), " cannot be decoded\n"));
  }
}

}  // namespace

absl::StatusOr<ExitCode> PreviewDataset(Context& context, const PreviewDatasetOptions& options) {
  ASSIGN_OR_RETURN(Client* const client, context.Connect());
  ASSIGN_OR_RETURN(const NamedData named, FindData(*client, options.data));
  v1::PreviewDatasetRequest request;
  *request.mutable_data() = named.data;
  if (options.center_crop != 0) {
    request.mutable_data()->mutable_image()->set_center_crop(options.center_crop);
  }
  *request.mutable_task() = TypedTask(options.data);
  request.set_per_class(options.per_class);
  request.set_tile_size(options.tile_size);
  request.set_split(options.only_split);
  request.set_seed(options.seed);
  ASSIGN_OR_RETURN(const v1::PreviewDatasetResponse sheet, client->PreviewDataset(request));
  if (options.file == "-") {
    context.Out(sheet.png());
    return kExitOk;
  }
  RETURN_IF_ERROR(WriteFile(options.file, sheet.png()));
  PrintSheet(context, options.file, sheet);
  return kExitOk;
}

}  // namespace skytrain::client
