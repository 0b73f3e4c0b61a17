// A safetensors file: what is accepted lies within the file and is tiled by its tensors.
#include "server/training/checkpoint/safetensors.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skytrain;
  fuzz::Taker taker(fuzz::View(data, size));
  std::string file(taker.Rest().substr(std::min<size_t>(size, 1)));
  if (taker.Number(1) % 4 != 0 && file.size() > 8) {
    // A header length that leads to the JSON, which ends with the last brace.
    const size_t end = file.rfind('}');
    const uint64_t length = end == std::string::npos || end < 8 ? 0 : end - 7;
    for (int i = 0; i < 8; ++i) file[i] = static_cast<char>(length >> (8 * i));
  }
  const auto parsed = training::ParseSafetensors(file);
  if (!parsed.ok()) return 0;
  size_t bytes = 0;
  for (const auto& tensor : parsed->tensors) {
    if (tensor.data.empty()) continue;
    bytes += tensor.data.size();
    fuzz::Check(tensor.data.data() >= file.data() &&
                tensor.data.data() + tensor.data.size() <= file.data() + file.size());
  }
  fuzz::Check(bytes <= file.size());
  return 0;
}
