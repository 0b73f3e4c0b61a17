#pragma once

#include <array>
#include <cstdint>

namespace skytrain::data {

constexpr int kGlyphWidth = 5, kGlyphHeight = 7;

// The glyph of a printable ASCII character, of any other that of '?': a row each, from the top; of
// each row the lowest five bits, the highest of them to the left.
const std::array<uint8_t, kGlyphHeight>& GlyphOf(char c);

}  // namespace skytrain::data
