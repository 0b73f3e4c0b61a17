#include "server/training/cpu/conv_weight_gradient.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "ATen/ATen.h"
#include "server/training/cpu/bf16_kernels.h"
#include "server/training/cpu/parallel_tasks.h"

namespace skytrain::training {
namespace {

// What a task reads again for each tap stays below this: half of a usual second-level cache.
constexpr int64_t kCacheBytes = 256 << 10;

const uint16_t* Bits(const at::Tensor& tensor) {
  return reinterpret_cast<const uint16_t*>(tensor.const_data_ptr<at::BFloat16>());
}

uint16_t* MutableBits(const at::Tensor& tensor) {
  return reinterpret_cast<uint16_t*>(tensor.mutable_data_ptr<at::BFloat16>());
}

// A batch in pairs of images: [pairs, blocks, height, width, block, 2], channels padded to whole
// blocks; the last image of an odd batch is paired with zeros.
struct Pairs {
  at::Tensor values;
  int64_t pairs, blocks, height, width, block;

  int64_t Row() const { return width * block * 2; }
  int64_t Block() const { return height * Row(); }
  int64_t Pair() const { return blocks * Block(); }
};

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Takes every `step`-th row and column of `tensor` [N, C, H, W].
Pairs MakePairs(const at::Tensor& tensor, int64_t block, int64_t step) {
  const int64_t images = tensor.size(0), channels = tensor.size(1);
  Pairs out;
  out.pairs = CeilDivide(images, 2);
  out.blocks = CeilDivide(channels, block);
  out.height = CeilDivide(tensor.size(2), step);
  out.width = CeilDivide(tensor.size(3), step);
  out.block = block;
  out.values = at::empty({out.pairs * out.Pair()}, tensor.options());
  const int64_t row = tensor.size(3) * channels, image = tensor.size(2) * row;
  const std::vector<uint16_t> zeros(channels);
  const uint16_t* from = Bits(tensor);
  uint16_t* to = MutableBits(out.values);
  ParallelTasks(out.pairs, [&](int64_t pair) {
    const uint16_t* a = from + 2 * pair * image;
    const bool whole = 2 * pair + 1 < images;
    for (int64_t y = 0; y < out.height; ++y) {
      for (int64_t x = 0; x < out.width; ++x) {
        const uint16_t* pixel = a + y * step * row + x * step * channels;
        InterleaveBf16(pixel, whole ? pixel + image : zeros.data(), channels,
                       static_cast<int>(block), out.Block(),
                       to + pair * out.Pair() + y * out.Row() + x * block * 2);
      }
    }
  });
  return out;
}

// For few channels: [pairs, height + 2 padding, width + 2 padding, channels, 2], zeros around.
// A kernel's row of taps is then one run of kernel * channels lanes at each pixel.
Pairs MakePaddedPairs(const at::Tensor& tensor, int64_t padding) {
  const int64_t images = tensor.size(0), channels = tensor.size(1);
  Pairs out;
  out.pairs = CeilDivide(images, 2);
  out.blocks = 1;
  out.height = tensor.size(2) + 2 * padding;
  out.width = tensor.size(3) + 2 * padding;
  out.block = channels;
  // The last pixels' loads reach past the end.
  out.values = at::zeros({out.pairs * out.Pair() + 2 * kTileLanes}, tensor.options());
  const int64_t row = tensor.size(3) * channels, image = tensor.size(2) * row;
  const uint16_t* from = Bits(tensor);
  uint16_t* to = MutableBits(out.values);
  ParallelTasks(out.pairs, [&](int64_t pair) {
    const uint16_t* a = from + 2 * pair * image;
    const bool whole = 2 * pair + 1 < images;
    for (int64_t y = 0; y < tensor.size(2); ++y) {
      uint16_t* line = to + pair * out.Pair() + (y + padding) * out.Row() + padding * channels * 2;
      for (int64_t i = 0; i < row; ++i) {
        line[2 * i] = a[y * row + i];
        if (whole) line[2 * i + 1] = a[image + y * row + i];
      }
    }
  });
  return out;
}

// Outputs [begin, end) whose input lies inside for one tap of one axis.
struct Range {
  int64_t begin, end;
};

Range InsideRange(int64_t tap, int64_t in, int64_t out, const ConvGeometry& g) {
  const int64_t begin = std::max<int64_t>(0, CeilDivide(g.padding - tap, g.stride));
  const int64_t last = in - 1 + g.padding - tap;
  return {begin, std::max(begin, last < 0 ? 0 : std::min(out, last / g.stride + 1))};
}

class WeightGradient {
 public:
  WeightGradient(const at::Tensor& input, const at::Tensor& grad_output, const ConvGeometry& g)
      : g_(g),
        channels_(input.size(1)),
        outputs_(grad_output.size(1)),
        by_rows_(g.kernel * channels_ <= kTileLanes && g.kernel > 1),
        gradient_(at::empty({outputs_, channels_, g.kernel, g.kernel},
                            input.options().dtype(at::kFloat), at::MemoryFormat::ChannelsLast)) {
    if (by_rows_) {
      x_ = MakePaddedPairs(input, g_.padding);
      g_.padding = 0;
    } else if (g.kernel == 1 && g.padding == 0) {
      x_ = MakePairs(input, kTileLanes, g.stride);
      g_.stride = 1;
    } else {
      x_ = MakePairs(input, kTileLanes, 1);
    }
    y_ = MakePairs(grad_output, kTileRows, 1);
    const int64_t pair_bytes = 2 * (x_.Block() + y_.Block());
    chunk_ = std::clamp<int64_t>(kCacheBytes / pair_bytes, 1, x_.pairs);
  }

  at::Tensor Run() {
    ParallelTasks(y_.blocks * x_.blocks,
                  [this](int64_t task) { RunTask(task / x_.blocks, task % x_.blocks); });
    return gradient_;
  }

 private:
  // All taps of one block of outputs and one of inputs.
  void RunTask(int64_t y_block, int64_t x_block) const {
    for (int64_t first = 0; first < x_.pairs; first += chunk_) {
      for (int64_t r = 0; r < g_.kernel; ++r) {
        for (int64_t s = 0; s < (by_rows_ ? 1 : g_.kernel); ++s) {
          RunTap(y_block, x_block, first, r, s);
        }
      }
    }
  }

  void RunTap(int64_t y_block, int64_t x_block, int64_t first, int64_t r, int64_t s) const {
    const Range rows = InsideRange(r, x_.height, y_.height, g_);
    const Range columns = by_rows_ ? Range{0, y_.width} : InsideRange(s, x_.width, y_.width, g_);
    const int64_t top = rows.begin * g_.stride + r - g_.padding;
    const int64_t left = columns.begin * g_.stride + s - g_.padding;
    Bf16Tile tile;
    tile.x = Bits(x_.values) + first * x_.Pair() + x_block * x_.Block() + top * x_.Row() +
             left * x_.block * 2;
    tile.x_image = x_.Pair();
    tile.x_row = g_.stride * x_.Row();
    tile.x_column = g_.stride * x_.block * 2;
    tile.y = Bits(y_.values) + first * y_.Pair() + y_block * y_.Block() + rows.begin * y_.Row() +
             columns.begin * y_.block * 2;
    tile.y_image = y_.Pair();
    tile.y_row = y_.Row();
    tile.images = std::min(chunk_, x_.pairs - first);
    tile.rows = std::max<int64_t>(0, rows.end - rows.begin);
    tile.columns = std::max<int64_t>(0, columns.end - columns.begin);
    const int64_t taps = g_.kernel * g_.kernel;
    tile.out_stride = taps * channels_;
    tile.out = gradient_.mutable_data_ptr<float>() + y_block * kTileRows * tile.out_stride +
               (r * g_.kernel + s) * channels_ + x_block * kTileLanes;
    tile.out_rows = static_cast<int>(std::min<int64_t>(kTileRows, outputs_ - y_block * kTileRows));
    tile.lanes = static_cast<int>(
        by_rows_ ? g_.kernel * channels_
                 : std::min<int64_t>(kTileLanes, channels_ - x_block * kTileLanes));
    tile.accumulate = first > 0;
    RunBf16Tile(tile);
  }

  ConvGeometry g_;
  const int64_t channels_, outputs_;
  const bool by_rows_;  // One tap is a kernel's whole row.
  Pairs x_, y_;
  int64_t chunk_;  // Pairs of images between two visits of a tap.
  const at::Tensor gradient_;
};

}  // namespace

at::Tensor ConvWeightGradient(const at::Tensor& input, const at::Tensor& grad_output,
                              const ConvGeometry& geometry) {
  return WeightGradient(input.contiguous(at::MemoryFormat::ChannelsLast),
                        grad_output.contiguous(at::MemoryFormat::ChannelsLast), geometry)
      .Run();
}

}  // namespace skytrain::training
