#pragma once

#include <cstdint>
#include <string>

namespace skytrain {

// How often the kernel's OOM killer has struck, in our own control group and on the whole machine
// added up: only its growth means something. 0 when neither can be read.
uint64_t CountOomKills();

namespace internal {
// Value after `key` in lines of "key value"; 0 when there is none. Here for tests.
uint64_t CounterIn(const std::string& text, const std::string& key);
}  // namespace internal

}  // namespace skytrain
