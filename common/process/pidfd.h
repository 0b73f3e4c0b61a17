#pragma once

#include <sys/syscall.h>
#include <unistd.h>

namespace skytrain {

// The system calls themselves: the header of glibc 2.36 declares its wrappers with C++ linkage,
// which does not link. Both return -1 and set errno on error; the descriptor is close-on-exec.
inline int PidfdOpen(int pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }
inline int PidfdSendSignal(int pidfd, int signal) {
  return static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}

}  // namespace skytrain
