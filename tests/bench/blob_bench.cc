// Files to the daemon and back over its Unix socket, beside what the machine can do at all:
// blob_bench [MEGABYTES]
//
// In each of five rounds one new file of MEGABYTES (256) is copied and hashed (`cp`, `sync` of the
// copy, `sha256sum`), uploaded and downloaded, one after the other; medians and their ratios are
// printed. An upload is hashed, sent, hashed again, and synced before it is answered.
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/api/download.h"
#include "client/api/upload.h"
#include "common/status_macros.h"
#include "tests/integration/daemon.h"
#include "tests/support/temp_dir.h"

namespace skytrain {
namespace {

constexpr int kRounds = 5;

void WriteRandom(const std::string& path, int megabytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> block((size_t{1} << 20) / sizeof(uint64_t));
  std::ofstream file(path, std::ios::binary);
  for (int i = 0; i < megabytes; ++i) {
    for (uint64_t& word : block) word = random();
    file.write(reinterpret_cast<const char*>(block.data()), 1 << 20);
  }
}

// MB/s of `work` on so many megabytes.
absl::StatusOr<double> Rate(int megabytes, const std::function<absl::Status()>& work) {
  const absl::Time start = absl::Now();
  RETURN_IF_ERROR(work());
  return megabytes / absl::ToDoubleSeconds(absl::Now() - start);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

absl::Status Run(int megabytes) {
  Daemon daemon;
  RETURN_IF_ERROR(daemon.Start());
  TempDir dir;
  const std::string file = dir.File("data"), copy = dir.File("copy"), back = dir.File("back");
  const std::string copy_and_hash = absl::StrCat("cp ", file, " ", copy, " && sync ", copy,
                                                 " && sha256sum ", copy, " > /dev/null");
  client::Interrupt interrupt;
  client::Client client(client::Target::Unix(daemon.SocketPath()), interrupt);
  std::vector<double> copied, uploaded, downloaded;
  for (int round = 0; round < kRounds; ++round) {
    WriteRandom(file, megabytes, round);
    ASSIGN_OR_RETURN(copied.emplace_back(), Rate(megabytes, [&]() -> absl::Status {
                       return system(copy_and_hash.c_str()) == 0
                                  ? absl::OkStatus()
                                  : absl::InternalError(copy_and_hash);
                     }));
    v1::Blob blob;
    ASSIGN_OR_RETURN(uploaded.emplace_back(), Rate(megabytes, [&]() -> absl::Status {
                       client::UploadOptions options;
                       options.path = file;
                       ASSIGN_OR_RETURN(blob, client::Upload(client, std::move(options)));
                       return absl::OkStatus();
                     }));
    ASSIGN_OR_RETURN(downloaded.emplace_back(), Rate(megabytes, [&] {
                       client::DownloadOptions options;
                       options.blob = blob.name();
                       options.path = back;
                       options.size = blob.size_bytes();
                       options.sha256 = blob.sha256();
                       return client::Download(client, std::move(options));
                     }));
  }
  const double floor = Median(copied);
  std::printf("cp + sync + sha256sum  %.0f MB/s\n", floor);
  std::printf("upload                 %.0f MB/s  (%.2f x)\n", Median(uploaded),
              Median(uploaded) / floor);
  std::printf("download               %.0f MB/s  (%.2f x)\n", Median(downloaded),
              Median(downloaded) / floor);
  return absl::OkStatus();
}

}  // namespace
}  // namespace skytrain

int main(int argc, char** argv) {
  int megabytes = 256;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtoi(argv[1], &megabytes) || megabytes < 1))) {
    std::fprintf(stderr, "usage: blob_bench [MEGABYTES]\n");
    return 2;
  }
  const absl::Status status = skytrain::Run(megabytes);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
