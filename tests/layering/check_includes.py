#!/usr/bin/env python3
"""Checks who includes whom: the architecture as a table.

    check_includes.py SOURCE_ROOT

Prints one line for each include that the table does not allow, and exits 1 when there is one.
"""

import pathlib
import re
import sys

# folder: folders that it may include besides itself, common/ and the protos. A file's folder is the longest key that its
# path starts with.
ALLOWED = {
    "common": set(),
    "common/grpc": set(),
    "client": {"common/grpc"},
    "server/spec": set(),
    "server/data": {"server/spec"},
    "server/accounts": set(),
    "server/helper": {"server/accounts"},
    "server/store": set(),
    "server/scheduling": set(),
    "server/devices": set(),
    "server/events": {"server/store"},
    "server/jobs": {"server/accounts", "server/devices", "server/events", "server/store", "server/scheduling", "server/spec"},
    "server/launch": {"server/accounts", "server/jobs"},
    "server/hooks": {"server/jobs", "server/store"},
    "server/retention": {"server/accounts", "server/jobs", "server/blobs", "server/events", "server/store"},
    "server/models": {"server/accounts", "server/helper", "server/spec", "server/store"},
    "server/blobs": {"server/models", "server/store"},
    "server/datasets": {"server/accounts", "server/helper", "server/spec", "server/store"},
    "server/auth": set(),
    "server/auth/grpc": {"server/auth", "common/grpc"},
    "server/config": {"server/auth", "server/hooks", "server/retention"},
    "server/metrics": set(),
    "server/metrics/grpc": {"server/metrics"},
    "server/rpc": {"server/jobs", "server/retention", "server/events", "server/models", "server/datasets", "server/blobs",
                   "server/auth", "server/auth/grpc", "common/grpc"},
    "server/training": {"server/data", "server/spec"},
    "server/worker": {"server/training", "server/data", "server/spec"},
    "server/probe": {"server/data", "server/spec"},
    "server/shepherd": set(),
}

# The composition root names concrete classes of every folder.
COMPOSITION_ROOT = re.compile(r"server/skytraind[\w]*\.(cc|h)$")

# library headers: the folders (prefixes) that may include them.
LIBRARIES = {
    re.compile(r"^(torch|ATen|c10)/"): ("server/training", "server/worker"),
    re.compile(r"^(cuda|cuda_runtime|cublas\w*|nccl)"): ("server/training/gpu",),
    re.compile(r"^grpcpp/|\.grpc\.pb\.h$"): ("common/grpc", "client", "server/rpc", "server/auth/grpc",
                                            "server/metrics/grpc", "server/skytraind"),
    re.compile(r"^sqlite3\.h$"): ("server/store",),
    re.compile(r"^curl/"): ("server/hooks",),
    # A library of its own, opened when it is needed: libparquet exports OpenSSL's symbols.
    re.compile(r"^(arrow|parquet)/"): ("server/data/parquet/plugin.cc",),
    re.compile(r"^(archive|archive_entry|fitsio|turbojpeg|png)\.h$"): ("server/data",),
    re.compile(r"^prometheus/"): ("server/metrics", "server/skytraind"),
    re.compile(r"^yaml-cpp/"): ("common/yaml", "server/config", "client"),
    re.compile(r"^spdlog/"): ("server/log",),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)


def folder_of(path):
    """The longest key of ALLOWED that `path` (relative, with slashes) lies in, or None."""
    found = None
    for key in ALLOWED:
        if path.startswith(key + "/") and (found is None or len(key) > len(found)):
            found = key
    return found


def violations_in(path, text):
    """The includes of the file `path` with content `text` that break a rule, as lines for people."""
    found = []
    folder = folder_of(path)
    for included in INCLUDE.findall(text):
        for pattern, holders in LIBRARIES.items():
            if pattern.search(included) and not path.startswith(holders):
                found.append(f"{path}: <{included}> may be included only in {', '.join(holders)}")
        if included == "torch/torch.h" and path.endswith(".h"):
            found.append(f"{path}: <torch/torch.h> in a header costs every user of it 12 s and 1 GB")
        target = folder_of(included)
        if target is None or COMPOSITION_ROOT.match(path):
            continue
        if folder is None:
            found.append(f"{path}: lies in no folder of the table in check_includes.py")
            break
        is_common = target == "common"
        if target != folder and not is_common and target not in ALLOWED[folder]:
            found.append(f"{path}: {folder} may not include {included}")
    return found


def main(root):
    root = pathlib.Path(root)
    files = sorted(path for top in ("common", "server", "client") for path in (root / top).rglob("*")
                   if path.suffix in (".h", ".cc", ".cu", ".cuh"))
    if len(files) < 20:
        print(f"only {len(files)} source files below {root}: is this the source root?")
        return 1
    found = [line for path in files
             for line in violations_in(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))]
    print("\n".join(found) if found else f"{len(files)} files follow the table")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
