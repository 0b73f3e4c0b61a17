#include "server/training/allocator.h"

#include <malloc.h>

namespace skytrain::training {

void KeepFreedMemory() {
  // Activations of tens of MiB are above the largest threshold that can be set, so: no maps at all.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);  // Never.
  mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace skytrain::training
