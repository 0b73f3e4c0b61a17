#include "server/store/checked_vfs.h"

#include <sqlite3.h>

#include <array>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/digest/digest.h"
#include "common/mutex.h"
#include "server/store/log_check.h"

namespace skytrain {
namespace {

constexpr int kReservedAt = 20;  // In the header of the file.
constexpr absl::string_view kMagic("SQLite format 3\0", 16);

using Seal = std::array<uint32_t, 2>;
static_assert(sizeof(Seal) == kSealBytes);

Seal SealOf(const char* page, int64_t number) {
  const uint32_t crc =
      Crc32c(absl::string_view(page, kPageBytes - kSealBytes),
             Crc32c(absl::string_view(reinterpret_cast<const char*>(&number), sizeof(number))));
  return {MaskCrc(crc), ~MaskCrc(crc)};
}

bool IsWhole(const char* page, int64_t number) {
  const Seal seal = SealOf(page, number);
  if (std::memcmp(page + kPageBytes - kSealBytes, seal.data(), kSealBytes) == 0) return true;
  return page[0] == 0 && std::memcmp(page, page + 1, kPageBytes - 1) == 0;
}

// Pages are written and read as wholes; what is not one is the header, or a log.
bool IsPage(int amount, int64_t offset) { return amount == kPageBytes && offset % kPageBytes == 0; }

// What SQLite sees of a file; the memory behind it is that of the file below.
struct CheckedFile : sqlite3_file {
  bool sealed;           // A database whose pages have seals.
  bool reads_damaged;    // See ReadDamagedPages.
  int64_t damaged_page;  // See DamagedPage.
  LogNote* note;         // Of a write-ahead log; else null.
};

CheckedFile& Of(sqlite3_file* file) { return *static_cast<CheckedFile*>(file); }
sqlite3_file* Below(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(static_cast<CheckedFile*>(file) + 1);
}

// Our opcodes of sqlite3_file_control; those of SQLite itself are small.
constexpr int kDamagedPage = 0x736b7901;
constexpr int kReadDamagedPages = 0x736b7902;

int Close(sqlite3_file* file) {
  delete std::exchange(Of(file).note, nullptr);
  return Below(file)->pMethods->xClose(Below(file));
}

int Read(sqlite3_file* file, void* data, int amount, sqlite3_int64 offset) {
  const int code = Below(file)->pMethods->xRead(Below(file), data, amount, offset);
  CheckedFile& checked = Of(file);
  if (code != SQLITE_OK || !checked.sealed || !IsPage(amount, offset)) return code;
  const int64_t number = offset / kPageBytes + 1;
  if (IsWhole(static_cast<const char*>(data), number)) return SQLITE_OK;
  checked.damaged_page = number;
  return checked.reads_damaged ? SQLITE_OK : SQLITE_CORRUPT;
}

int Write(sqlite3_file* file, const void* data, int amount, sqlite3_int64 offset) {
  const CheckedFile& checked = Of(file);
  const char* bytes = static_cast<const char*>(data);
  if (checked.note != nullptr) {
    checked.note->Writing(absl::string_view(bytes, amount), offset);
  }
  std::array<char, kPageBytes> page;
  if (checked.sealed && IsPage(amount, offset)) {
    std::memcpy(page.data(), bytes, kPageBytes - kSealBytes);
    const Seal seal = SealOf(page.data(), offset / kPageBytes + 1);
    std::memcpy(page.data() + kPageBytes - kSealBytes, seal.data(), kSealBytes);
    bytes = page.data();
  }
  return Below(file)->pMethods->xWrite(Below(file), bytes, amount, offset);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (Of(file).note != nullptr && size == 0) Of(file).note->Remove();
  return Below(file)->pMethods->xTruncate(Below(file), size);
}

int Sync(sqlite3_file* file, int flags) {
  const int code = Below(file)->pMethods->xSync(Below(file), flags);
  if (code == SQLITE_OK && Of(file).note != nullptr) Of(file).note->Synced();
  return code;
}

int FileControl(sqlite3_file* file, int opcode, void* argument) {
  switch (opcode) {
    case kDamagedPage:
      *static_cast<int64_t*>(argument) = Of(file).damaged_page;
      return SQLITE_OK;
    case kReadDamagedPages:
      Of(file).reads_damaged = true;
      return SQLITE_OK;
    default:
      return Below(file)->pMethods->xFileControl(Below(file), opcode, argument);
  }
}

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,  // Without memory mapping, which would go round Read.
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Sync,
    .xFileSize =
        [](sqlite3_file* file, sqlite3_int64* size) {
          return Below(file)->pMethods->xFileSize(Below(file), size);
        },
    .xLock = [](sqlite3_file* file,
                int level) { return Below(file)->pMethods->xLock(Below(file), level); },
    .xUnlock = [](sqlite3_file* file,
                  int level) { return Below(file)->pMethods->xUnlock(Below(file), level); },
    .xCheckReservedLock =
        [](sqlite3_file* file, int* result) {
          return Below(file)->pMethods->xCheckReservedLock(Below(file), result);
        },
    .xFileControl = FileControl,
    .xSectorSize =
        [](sqlite3_file* file) { return Below(file)->pMethods->xSectorSize(Below(file)); },
    .xDeviceCharacteristics =
        [](sqlite3_file* file) {
          return Below(file)->pMethods->xDeviceCharacteristics(Below(file));
        },
    .xShmMap =
        [](sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
          return Below(file)->pMethods->xShmMap(Below(file), region, size, extend, memory);
        },
    .xShmLock =
        [](sqlite3_file* file, int offset, int count, int flags) {
          return Below(file)->pMethods->xShmLock(Below(file), offset, count, flags);
        },
    .xShmBarrier = [](sqlite3_file* file) { Below(file)->pMethods->xShmBarrier(Below(file)); },
    .xShmUnmap = [](sqlite3_file* file,
                    int remove) { return Below(file)->pMethods->xShmUnmap(Below(file), remove); },
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

// True for a new database too. False when the file has no room for seals.
bool HasSeals(sqlite3_file* database) {
  std::array<char, kReservedAt + 1> header = {};
  const int code = database->pMethods->xRead(database, header.data(), header.size(), 0);
  return code == SQLITE_IOERR_SHORT_READ || header[kReservedAt] == kSealBytes;
}

sqlite3_vfs* BaseOf(sqlite3_vfs* vfs) { return static_cast<sqlite3_vfs*>(vfs->pAppData); }

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  sqlite3_vfs* base = BaseOf(vfs);
  if ((flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0) {
    return base->xOpen(base, name, file, flags, out_flags);
  }
  CheckedFile& checked = *new (file) CheckedFile{};
  const int code = base->xOpen(base, name, Below(file), flags, out_flags);
  // SQLite closes whatever has methods, even when it could not be opened.
  if (Below(file)->pMethods != nullptr) checked.pMethods = &kMethods;
  if (code != SQLITE_OK) return code;
  if ((flags & SQLITE_OPEN_MAIN_DB) != 0) {
    checked.sealed = HasSeals(Below(file));
    return SQLITE_OK;
  }
  checked.note = new LogNote(name);
  sqlite3_int64 size = 0;
  if (Below(file)->pMethods->xFileSize(Below(file), &size) == SQLITE_OK && size == 0) {
    checked.note->Remove();
  }
  return SQLITE_OK;
}

// A layer lives as long as the process, as SQLite wants it.
struct Layer {
  std::string name;
  sqlite3_vfs vfs = {};
};

std::unique_ptr<Layer> LayerOver(sqlite3_vfs* base) {
  auto layer = std::make_unique<Layer>();
  layer->name = absl::StrCat("skytrain-checked-", base->zName);
  sqlite3_vfs& vfs = layer->vfs;
  vfs.iVersion = 2;
  vfs.szOsFile = static_cast<int>(sizeof(CheckedFile)) + base->szOsFile;
  vfs.mxPathname = base->mxPathname;
  vfs.zName = layer->name.c_str();
  vfs.pAppData = base;
  vfs.xOpen = Open;
  vfs.xDelete = [](sqlite3_vfs* vfs, const char* name, int sync) {
    return BaseOf(vfs)->xDelete(BaseOf(vfs), name, sync);
  };
  vfs.xAccess = [](sqlite3_vfs* vfs, const char* name, int flags, int* result) {
    return BaseOf(vfs)->xAccess(BaseOf(vfs), name, flags, result);
  };
  vfs.xFullPathname = [](sqlite3_vfs* vfs, const char* name, int size, char* full) {
    return BaseOf(vfs)->xFullPathname(BaseOf(vfs), name, size, full);
  };
  vfs.xRandomness = [](sqlite3_vfs* vfs, int size, char* bytes) {
    return BaseOf(vfs)->xRandomness(BaseOf(vfs), size, bytes);
  };
  vfs.xSleep = [](sqlite3_vfs* vfs, int microseconds) {
    return BaseOf(vfs)->xSleep(BaseOf(vfs), microseconds);
  };
  vfs.xCurrentTime = [](sqlite3_vfs* vfs, double* day) {
    return BaseOf(vfs)->xCurrentTime(BaseOf(vfs), day);
  };
  vfs.xGetLastError = [](sqlite3_vfs* vfs, int size, char* text) {
    return BaseOf(vfs)->xGetLastError(BaseOf(vfs), size, text);
  };
  vfs.xCurrentTimeInt64 = [](sqlite3_vfs* vfs, sqlite3_int64* milliseconds) {
    return BaseOf(vfs)->xCurrentTimeInt64(BaseOf(vfs), milliseconds);
  };
  return layer;
}

}  // namespace

std::string CheckedVfs(const std::string& base) {
  static Mutex mu;
  static auto& layers = *new std::map<std::string, std::unique_ptr<Layer>>;
  MutexLock lock(mu);
  std::unique_ptr<Layer>& layer = layers[base];
  sqlite3_vfs* const below = sqlite3_vfs_find(base.empty() ? nullptr : base.c_str());
  if (below == nullptr) return base;  // SQLite says that there is none.
  // One may be registered again under a name that was used before.
  if (layer != nullptr && layer->vfs.pAppData != below) {
    sqlite3_vfs_unregister(&layer->vfs);
    layer.reset();
  }
  if (layer == nullptr) {
    layer = LayerOver(below);
    sqlite3_vfs_register(&layer->vfs, /*makeDflt=*/0);
  }
  return layer->name;
}

absl::Status CheckHeader(const std::string& database_path) {
  std::ifstream file(database_path, std::ios::binary);
  std::string page(kPageBytes, 0);
  file.read(page.data(), kPageBytes);
  if (file.gcount() == 0) return absl::OkStatus();
  const auto damaged = [&] {
    return absl::DataLossError(absl::StrCat("the header of ", database_path, " is damaged"));
  };
  const absl::string_view header(page);
  const uint16_t page_size = static_cast<uint8_t>(page[16]) << 8 | static_cast<uint8_t>(page[17]);
  if (header.substr(0, kMagic.size()) != kMagic || page_size != kPageBytes) return damaged();
  const char reserved = std::exchange(page[kReservedAt], static_cast<char>(kSealBytes));
  if (reserved == kSealBytes) return absl::OkStatus();
  return reserved != 0 || IsWhole(page.data(), 1) ? damaged() : absl::OkStatus();
}

int64_t DamagedPage(sqlite3* db) {
  int64_t page = 0;
  return sqlite3_file_control(db, "main", kDamagedPage, &page) == SQLITE_OK ? page : 0;
}

void ReadDamagedPages(sqlite3* db) { sqlite3_file_control(db, "main", kReadDamagedPages, nullptr); }

int SealPage(sqlite3* db, int64_t page) {
  sqlite3_file* file = nullptr;
  int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  std::array<char, kPageBytes> bytes;
  const int64_t offset = (page - 1) * kPageBytes;
  if (code == SQLITE_OK)
    code = Below(file)->pMethods->xRead(Below(file), bytes.data(), kPageBytes, offset);
  if (code == SQLITE_OK) code = Write(file, bytes.data(), kPageBytes, offset);
  return code == SQLITE_OK ? Sync(file, SQLITE_SYNC_NORMAL) : code;
}

}  // namespace skytrain
