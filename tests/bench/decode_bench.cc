// How fast images become cache: decode_bench [ARCHIVE] [SIZE] [CENTER_CROP] [THREADS]
// Default: galaxies3.tar of the samples, 64 px, 0.5, 1 thread. Prints images per second of
// processor time (that is, per core) of libjpeg-turbo alone (whole image to RGB), of DecodeToCanvas
// (scaled decode, cut, Lanczos), of a whole OpenDataset without cache (container, decode, digest,
// sync) and with it, and the ratios to the first.
#include <turbojpeg.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/data/container.h"
#include "server/data/dataset.h"
#include "server/data/image.h"
#include "server/data/parallel.h"
#include "tests/support/temp_dir.h"

namespace skytrain::data {
namespace {

// Of processor time, so that the numbers are those of one core even on a busy machine.
double Seconds(const std::function<void()>& work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

void DecodeWhole(const std::string& bytes) {
  thread_local tjhandle handle = tjInitDecompress();
  thread_local std::vector<uint8_t> rgb;
  int width, height, subsampling, colorspace;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  tjDecompressHeader3(handle, data, bytes.size(), &width, &height, &subsampling, &colorspace);
  rgb.resize(size_t{3} * width * height);
  tjDecompress2(handle, data, bytes.size(), rgb.data(), width, 0, height, TJPF_RGB,
                TJFLAG_ACCURATEDCT);
}

int Main(int argc, char** argv) {
  const std::string path =
      argc > 1 ? argv[1] : absl::StrCat(SKYTRAIN_SOURCE_DIR, "/tests/data/galaxies3.tar");
  const View view{argc > 3 ? std::atof(argv[3]) : 0.5, argc > 2 ? std::atoi(argv[2]) : 64};
  const int threads = argc > 4 ? std::atoi(argv[4]) : 1;
  const auto container = OpenContainer(path, {});
  if (!container.ok()) {
    std::fprintf(stderr, "%s\n", std::string(container.status().message()).c_str());
    return 1;
  }
  std::vector<std::string> images((*container)->entries().size());
  std::vector<size_t> all(images.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  (void)(*container)->Read(all, 1, [&](size_t i, absl::string_view bytes) {
    images[i] = std::string(bytes);
    return true;
  });
  auto on_all = [&](const std::function<void(const std::string&)>& work) {
    return Seconds([&] {
      std::atomic<bool> stop{false};
      (void)ParallelFor(images.size(), threads, stop, [&](size_t i) {
        work(images[i]);
        return absl::OkStatus();
      });
    });
  };
  TempDir cache;
  OpenOptions options;
  options.data.set_dataset(path);
  options.data.mutable_image()->set_size(view.size);
  options.data.mutable_image()->set_center_crop(view.center_crop);
  options.cache_dir = cache.path();
  options.threads = threads;

  on_all(DecodeWhole);  // Warms up.
  const double whole = on_all(DecodeWhole);
  const double canvas = on_all([&](const std::string& bytes) {
    thread_local std::vector<uint8_t> out(size_t{3} * view.size * view.size);
    (void)DecodeToCanvas(bytes, view, out.data());
  });
  const double open = Seconds([&] { (void)OpenDataset(options); });
  const double again = Seconds([&] { (void)OpenDataset(options); });
  const auto n = static_cast<double>(images.size());
  std::printf("%.0f images, %d px canvas, center_crop %.2f, %d threads\n", n, view.size,
              view.center_crop, threads);
  std::printf("  libjpeg-turbo, whole image   %8.0f images/s\n", n / whole);
  std::printf("  DecodeToCanvas               %8.0f images/s   %.2fx\n", n / canvas,
              whole / canvas);
  std::printf("  OpenDataset, no cache        %8.0f images/s   %.2fx\n", n / open, whole / open);
  std::printf("  OpenDataset, cached          %8.1f ms\n", again * 1000);
  return 0;
}

}  // namespace
}  // namespace skytrain::data

int main(int argc, char** argv) { return skytrain::data::Main(argc, argv); }
