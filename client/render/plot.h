#pragma once

#include <string>
#include <utility>
#include <vector>

namespace skytrain::client {

// "0.40 ▁▂▃▄▅▆▇█ 0.84": at most `width` bars; values that are not finite leave a gap.
std::string Sparkline(const std::vector<double>& values, int width);

// A curve drawn in box characters, with a scale on both axes:
//   0.90 ┤        ╭────
//   0.40 ┼────────╯
//        0    10    20  epoch
// `points` are (x, y), x rising. Points that are not finite are left out; empty text when none are
// left.
std::string LinePlot(const std::vector<std::pair<double, double>>& points, int width, int height,
                     const std::string& x_label);

}  // namespace skytrain::client
