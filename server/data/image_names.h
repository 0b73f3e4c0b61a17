#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "server/data/container.h"

namespace skytrain::data {

// Finds the images that a catalog means by its file names: "J000/J0001.png", "images/J0001.jpg".
// One of catalog and container may give more of the path in front than the other, and suffixes may
// differ: catalogs outlive a conversion to JPEG.
class ImageNames {
 public:
  struct Place {
    size_t container = 0, entry = 0;
  };
  explicit ImageNames(const std::vector<std::unique_ptr<Container>>& containers);

  // Every image that `name` fits equally well; none when there is none.
  const std::vector<Place>& Find(absl::string_view name);

 private:
  using Index = absl::flat_hash_map<std::string, std::vector<Place>>;
  // Of images by the last `depth` parts of their paths.
  const Index& ByLastParts(size_t depth);

  const std::vector<std::unique_ptr<Container>>& containers_;
  Index whole_;                            // By their whole paths.
  std::map<size_t, Index> by_last_parts_;  // Made when needed.
};

}  // namespace skytrain::data
