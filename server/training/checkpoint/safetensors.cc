#include "server/training/checkpoint/safetensors.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/digest/digest.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "nlohmann/json.hpp"

namespace skytrain::training {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // As the reference implementation bounds it.
constexpr size_t kLongestShown = 100;              // Of a name in a message.
constexpr char kMetadata[] = "__metadata__";

int64_t BytesOf(absl::string_view dtype) {
  static const auto* const sizes = new std::map<std::string, int64_t>{
      {"F64", 8}, {"I64", 8}, {"U64", 8},  {"F32", 4}, {"I32", 4}, {"U32", 4}, {"F16", 2},
      {"I16", 2}, {"U16", 2}, {"BF16", 2}, {"I8", 1},  {"U8", 1},  {"BOOL", 1}};
  const auto found = sizes->find(std::string(dtype));
  return found == sizes->end() ? 0 : found->second;
}

absl::Status Corrupt(const std::string& what) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "SAFETENSORS_CORRUPT",
                         absl::StrCat("not a whole safetensors file: ", what));
}

// Product of `shape` times the type's size, or -1 where it is negative or overflows.
int64_t ExpectedBytes(const TensorView& tensor) {
  int64_t bytes = BytesOf(tensor.dtype);
  for (const int64_t side : tensor.shape) {
    if (side < 0 || __builtin_mul_overflow(bytes, side, &bytes)) return -1;
  }
  return bytes;
}

absl::Status ParseTensor(const std::string& name, const Json& entry, absl::string_view data,
                         TensorView& tensor) {
  const std::string shown = absl::CHexEscape(name.substr(0, kLongestShown));
  const auto is_number = [](const Json& value) { return value.is_number_unsigned(); };
  const auto numbers = [&](const char* key) {
    const auto list = entry.find(key);
    return list != entry.end() && list->is_array() &&
           std::all_of(list->begin(), list->end(), is_number);
  };
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
      !numbers("shape") || !numbers("data_offsets") || entry["data_offsets"].size() != 2) {
    return Corrupt(absl::StrCat("the entry of tensor \"", shown, "\" is malformed"));
  }
  tensor.name = name;
  tensor.dtype = entry["dtype"].get<std::string>();
  if (BytesOf(tensor.dtype) == 0) {
    return Corrupt(absl::StrCat("tensor \"", shown, "\" has the unknown type \"",
                                absl::CHexEscape(tensor.dtype.substr(0, kLongestShown)), "\""));
  }
  for (const Json& side : entry["shape"]) tensor.shape.push_back(side.get<int64_t>());
  const uint64_t begin = entry["data_offsets"][0].get<uint64_t>();
  const uint64_t end = entry["data_offsets"][1].get<uint64_t>();
  if (begin > end || end > data.size()) {
    return Corrupt(absl::StrCat("tensor \"", shown, "\" lies at bytes ", begin, " to ", end, " of ",
                                data.size()));
  }
  tensor.data = data.substr(begin, end - begin);
  if (ExpectedBytes(tensor) != static_cast<int64_t>(end - begin)) {
    return Corrupt(absl::StrCat("tensor \"", shown, "\" has ", end - begin,
                                " bytes, which its shape contradicts"));
  }
  return absl::OkStatus();
}

// The tensors must tile the data without gap or overlap.
absl::Status CheckTiling(const Safetensors& file, absl::string_view data) {
  std::vector<absl::string_view> pieces;
  for (const TensorView& tensor : file.tensors) pieces.push_back(tensor.data);
  std::sort(pieces.begin(), pieces.end(), [](absl::string_view a, absl::string_view b) {
    return std::pair(a.data(), a.size()) < std::pair(b.data(), b.size());
  });
  const char* at = data.data();
  for (const absl::string_view piece : pieces) {
    if (piece.data() != at) return Corrupt("tensors overlap or leave a gap");
    at += piece.size();
  }
  if (at != data.data() + data.size()) {
    return Corrupt(absl::StrCat(data.data() + data.size() - at, " bytes belong to no tensor"));
  }
  return absl::OkStatus();
}

std::string Header(absl::Span<const TensorView> tensors,
                   const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + tensor.data.size()}}};
    offset += tensor.data.size();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

absl::StatusOr<FileDigest> WriteSafetensors(FileSystem& fs, const std::string& path,
                                            absl::Span<const TensorView> tensors,
                                            const std::map<std::string, std::string>& metadata) {
  ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, fs.CreateExclusive(path));
  Sha256 sha256;
  FileDigest digest;
  const auto append = [&](absl::string_view bytes) {
    sha256.Update(bytes);
    digest.size_bytes += static_cast<int64_t>(bytes.size());
    return file->Append(bytes);
  };
  const std::string header = Header(tensors, metadata);
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
  RETURN_IF_ERROR(append(length + header));
  for (const TensorView& tensor : tensors) RETURN_IF_ERROR(append(tensor.data));
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(file->Close());
  digest.sha256 = sha256.HexDigest();
  return digest;
}

absl::StatusOr<Safetensors> ParseSafetensors(absl::string_view content) {
  if (content.size() < 8) return Corrupt(absl::StrCat("it has only ", content.size(), " bytes"));
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<uint8_t>(content[i]);
  if (length > kMaxHeaderBytes || length > content.size() - 8) {
    return Corrupt(absl::StrCat("its header claims ", length, " bytes"));
  }
  const absl::string_view text = content.substr(8, length);
  const Json header = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) return Corrupt("its header is not a JSON object");
  const absl::string_view data = content.substr(8 + length);
  Safetensors result;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadata) {
      if (!entry.is_object()) return Corrupt("__metadata__ is not an object");
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) return Corrupt("__metadata__ holds more than strings");
        result.metadata[key] = value.get<std::string>();
      }
      continue;
    }
    RETURN_IF_ERROR(ParseTensor(name, entry, data, result.tensors.emplace_back()));
  }
  RETURN_IF_ERROR(CheckTiling(result, data));
  return result;
}

}  // namespace skytrain::training
