#pragma once

#include <string>

namespace skytrain {

// Counts how often a file that is there is opened, by whichever process, from the construction on:
// how a test sees that something looked at it.
class OpenCounter {
 public:
  explicit OpenCounter(const std::string& path);
  ~OpenCounter();
  OpenCounter(const OpenCounter&) = delete;
  OpenCounter& operator=(const OpenCounter&) = delete;

  // Waits for that many more; fails the test when they have not come after 20 s.
  void AwaitOpens(int count) const;

 private:
  int fd_;
};

}  // namespace skytrain
