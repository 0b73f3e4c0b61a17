#pragma once

namespace skytrain::training {

// Makes the C library keep freed memory instead of giving it back to the kernel. Every step
// allocates the same activations again; by default each of them is mapped, zeroed page by page and
// unmapped, which costs several percent of a step. Call at the start of a process that trains on the
// CPU.
void KeepFreedMemory();

}  // namespace skytrain::training
