#include "tests/support/vfs_shim.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <new>
#include <utility>

#include "common/file/file_system.h"

namespace skytrain {
namespace {

using Kind = VfsOperation::Kind;

constexpr int kJournals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
constexpr int kToldOf = SQLITE_OPEN_MAIN_DB | kJournals;

struct Context {
  sqlite3_vfs* real;
  VfsObserver* observer;
};

// SQLite gives szOsFile bytes: this, and behind it the file of the real VFS.
struct File {
  sqlite3_file base;
  Context* context;
  std::string path;  // Empty for a temporary file.
  bool syncs_dir;    // At the next sync, as the real VFS does for a new journal.

  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
static_assert(sizeof(File) % 8 == 0, "SQLite aligns files to 8 bytes");

File* FileOf(sqlite3_file* file) { return reinterpret_cast<File*>(file); }

// Makes the change with `act`, told before and after.
template <typename Act>
int Observe(const Context& context, const VfsOperation& operation, const Act& act) {
  if (operation.path.empty()) return act();
  if (const int fault = context.observer->Before(operation); fault != SQLITE_OK) return fault;
  const int code = act();
  if (code == SQLITE_OK) context.observer->After(operation);
  return code;
}

void TellOfDirSync(const Context& context, const std::string& path) {
  const VfsOperation operation{Kind::kSyncDir, ParentOf(path)};
  context.observer->Before(operation);
  context.observer->After(operation);
}

int Close(sqlite3_file* file) {
  const int code = FileOf(file)->real()->pMethods->xClose(FileOf(file)->real());
  FileOf(file)->~File();
  return code;
}

int Read(sqlite3_file* file, void* into, int bytes, sqlite3_int64 offset) {
  return FileOf(file)->real()->pMethods->xRead(FileOf(file)->real(), into, bytes, offset);
}

int Write(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 offset) {
  File& shim = *FileOf(file);
  const absl::string_view data(static_cast<const char*>(from), static_cast<size_t>(bytes));
  return Observe(*shim.context, {Kind::kWrite, shim.path, offset, data},
                 [&] { return shim.real()->pMethods->xWrite(shim.real(), from, bytes, offset); });
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  File& shim = *FileOf(file);
  return Observe(*shim.context, {Kind::kTruncate, shim.path, size},
                 [&] { return shim.real()->pMethods->xTruncate(shim.real(), size); });
}

int Sync(sqlite3_file* file, int flags) {
  File& shim = *FileOf(file);
  const int code = Observe(*shim.context, {Kind::kSync, shim.path},
                           [&] { return shim.real()->pMethods->xSync(shim.real(), flags); });
  if (code == SQLITE_OK && std::exchange(shim.syncs_dir, false)) {
    TellOfDirSync(*shim.context, shim.path);
  }
  return code;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return FileOf(file)->real()->pMethods->xFileSize(FileOf(file)->real(), size);
}

int Lock(sqlite3_file* file, int level) {
  return FileOf(file)->real()->pMethods->xLock(FileOf(file)->real(), level);
}

int Unlock(sqlite3_file* file, int level) {
  return FileOf(file)->real()->pMethods->xUnlock(FileOf(file)->real(), level);
}

int CheckReservedLock(sqlite3_file* file, int* held) {
  return FileOf(file)->real()->pMethods->xCheckReservedLock(FileOf(file)->real(), held);
}

int FileControl(sqlite3_file* file, int operation, void* argument) {
  return FileOf(file)->real()->pMethods->xFileControl(FileOf(file)->real(), operation, argument);
}

int SectorSize(sqlite3_file* file) {
  return FileOf(file)->real()->pMethods->xSectorSize(FileOf(file)->real());
}

int DeviceCharacteristics(sqlite3_file* file) {
  return FileOf(file)->real()->pMethods->xDeviceCharacteristics(FileOf(file)->real());
}

int ShmMap(sqlite3_file* file, int region, int bytes, int extend, void volatile** mapped) {
  File& shim = *FileOf(file);
  const auto map = [&] {
    return shim.real()->pMethods->xShmMap(shim.real(), region, bytes, extend, mapped);
  };
  if (extend == 0) return map();
  return Observe(*shim.context,
                 {Kind::kShmMap, shim.path + "-shm", static_cast<int64_t>(region) * bytes}, map);
}

int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  return FileOf(file)->real()->pMethods->xShmLock(FileOf(file)->real(), offset, count, flags);
}

void ShmBarrier(sqlite3_file* file) {
  FileOf(file)->real()->pMethods->xShmBarrier(FileOf(file)->real());
}

int ShmUnmap(sqlite3_file* file, int remove) {
  return FileOf(file)->real()->pMethods->xShmUnmap(FileOf(file)->real(), remove);
}

// Version 2: no memory-mapped reads (xFetch), which skytrain does not ask for.
constexpr sqlite3_io_methods kMethods = {2,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         DeviceCharacteristics,
                                         ShmMap,
                                         ShmLock,
                                         ShmBarrier,
                                         ShmUnmap,
                                         nullptr,
                                         nullptr};

}  // namespace

// Everything but xOpen and xDelete stays as the real VFS has it, its pAppData too.
struct VfsShim::Vfs {
  sqlite3_vfs base;
  Context context;

  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out);
  static int Delete(sqlite3_vfs* vfs, const char* name, int sync_dir);
};

int VfsShim::Vfs::Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags,
                       int* out) {
  Context& context = reinterpret_cast<Vfs*>(vfs)->context;
  const bool told_of = name != nullptr && (flags & kToldOf) != 0;
  File* shim = new (file) File{{nullptr}, &context, told_of ? name : "", false};
  const auto open = [&] {
    return context.real->xOpen(context.real, name, shim->real(), flags, out);
  };
  const bool creates = told_of && (flags & SQLITE_OPEN_CREATE) != 0 && access(name, F_OK) != 0;
  const int code = creates ? Observe(context, {Kind::kCreate, name}, open) : open();
  if (code != SQLITE_OK) {
    shim->~File();
    file->pMethods = nullptr;  // Else SQLite would close it.
    return code;
  }
  shim->syncs_dir = (flags & kJournals) != 0 && (flags & SQLITE_OPEN_CREATE) != 0;
  shim->base.pMethods = &kMethods;
  return SQLITE_OK;
}

int VfsShim::Vfs::Delete(sqlite3_vfs* vfs, const char* name, int sync_dir) {
  Context& context = reinterpret_cast<Vfs*>(vfs)->context;
  const int code = Observe(context, {Kind::kDelete, name},
                           [&] { return context.real->xDelete(context.real, name, sync_dir); });
  if (code == SQLITE_OK && sync_dir != 0) TellOfDirSync(context, name);
  return code;
}

VfsShim::VfsShim(std::string name, VfsObserver& observer)
    : name_(std::move(name)), vfs_(std::make_unique<Vfs>()) {
  sqlite3_vfs* const real = sqlite3_vfs_find(nullptr);
  EXPECT_EQ(sqlite3_vfs_find(name_.c_str()), nullptr) << name_ << " is in use";
  vfs_->base = *real;
  vfs_->base.zName = name_.c_str();
  vfs_->base.szOsFile = static_cast<int>(sizeof(File)) + real->szOsFile;
  vfs_->base.xOpen = Vfs::Open;
  vfs_->base.xDelete = Vfs::Delete;
  vfs_->context = {real, &observer};
  EXPECT_EQ(sqlite3_vfs_register(&vfs_->base, 0), SQLITE_OK);
}

VfsShim::~VfsShim() { sqlite3_vfs_unregister(&vfs_->base); }

}  // namespace skytrain
