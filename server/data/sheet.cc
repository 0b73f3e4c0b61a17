#include "server/data/sheet.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/data/bitmap_font.h"

namespace skytrain::data {
namespace {

constexpr int kGap = 4;  // Around images, in pixels.
constexpr int kTitleScale = 2, kCaptionScale = 1;
constexpr uint8_t kBackground = 16, kTitleGrey = 255, kCaptionGrey = 170;

int LineHeight(int scale) { return kGlyphHeight * scale + kGap; }
int CharacterWidth(int scale) { return (kGlyphWidth + 1) * scale; }
int RowHeight(int side) { return side + kGap + LineHeight(kCaptionScale); }

int RowsOf(const SheetGroup& group, int columns) {
  return (static_cast<int>(group.images.size()) + columns - 1) / columns;
}

void DrawGlyph(Sheet& sheet, int left, int top, char c, int scale, uint8_t grey) {
  const auto& glyph = GlyphOf(c);
  for (int y = 0; y < kGlyphHeight * scale; ++y) {
    for (int x = 0; x < kGlyphWidth * scale; ++x) {
      if ((glyph[y / scale] >> (kGlyphWidth - 1 - x / scale) & 1) == 0) continue;
      uint8_t* pixel = &sheet.rgb[3 * (size_t{1} * (top + y) * sheet.width + left + x)];
      std::fill_n(pixel, 3, grey);
    }
  }
}

// As much of it as `width` pixels hold; ".." where something was cut.
void DrawText(Sheet& sheet, int left, int top, int width, absl::string_view text, int scale,
              uint8_t grey) {
  const size_t room = std::max(width, 0) / CharacterWidth(scale);
  std::string shown(text.substr(0, room));
  if (text.size() > room) std::fill(shown.end() - std::min<size_t>(2, room), shown.end(), '.');
  for (const char c : shown) {
    DrawGlyph(sheet, left, top, c, scale, grey);
    left += CharacterWidth(scale);
  }
}

void DrawImage(Sheet& sheet, int left, int top, int side, const SheetImage& image) {
  for (int y = 0; y < side; ++y) {
    std::copy_n(&image.rgb[size_t{3} * y * side], size_t{3} * side,
                &sheet.rgb[3 * (size_t{1} * (top + y) * sheet.width + left)]);
  }
  DrawText(sheet, left, top + side + kGap / 2, side, image.caption, kCaptionScale, kCaptionGrey);
}

}  // namespace

Sheet DrawSheet(const std::vector<SheetGroup>& groups, int side, int columns, int64_t max_pixels) {
  Sheet sheet;
  sheet.width = kGap + columns * (side + kGap);
  const auto max_height = static_cast<int>(max_pixels / sheet.width);
  const int title = LineHeight(kTitleScale);
  int room = max_height - kGap - title;  // The last line is for what is missing.
  sheet.height = kGap;
  std::vector<int> rows;  // Of each group that is shown.
  for (const SheetGroup& group : groups) {
    const int whole = RowsOf(group, columns);
    const int fit = std::min(whole, (room - title) / RowHeight(side));
    if (fit < whole && (fit < 1 || !rows.empty())) break;
    rows.push_back(fit);
    room -= title + fit * RowHeight(side);
    sheet.height += title + fit * RowHeight(side);
  }
  sheet.groups = static_cast<int>(rows.size());
  const auto left_out = groups.size() - rows.size();
  if (left_out > 0) sheet.height += title;
  sheet.rgb.assign(size_t{3} * sheet.width * sheet.height, kBackground);

  const int text_width = sheet.width - 2 * kGap;
  int top = kGap;
  for (size_t g = 0; g < rows.size(); ++g) {
    DrawText(sheet, kGap, top, text_width, groups[g].title, kTitleScale, kTitleGrey);
    top += title;
    const auto shown = std::min(groups[g].images.size(), size_t{1} * rows[g] * columns);
    for (size_t i = 0; i < shown; ++i) {
      const int row = static_cast<int>(i) / columns, column = static_cast<int>(i) % columns;
      DrawImage(sheet, kGap + column * (side + kGap), top + row * RowHeight(side), side,
                groups[g].images[i]);
    }
    top += rows[g] * RowHeight(side);
  }
  if (left_out > 0) {
    DrawText(sheet, kGap, top, text_width, absl::StrCat("and ", left_out, " more without room"),
             kTitleScale, kTitleGrey);
  }
  return sheet;
}

}  // namespace skytrain::data
