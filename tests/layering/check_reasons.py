"""Checks that every error reason that a client can meet is in the documentation of the API (proto/): run as a test.

usage: check_reasons.py SOURCE_ROOT
"""

import pathlib
import re
import sys

# What the daemon says at its start, what its own commands say, and how runs end: never the answer of a call.
NOT_OF_CALLS = {
    "BAD_CONFIG", "BAD_NOTE", "BAD_OWNER", "BAD_SOCKET_PATH", "BAD_TLS_FILES", "CACHE_CORRUPT", "INVALID_YAML", "MODEL_CORRUPT",
    "MODEL_NOT_WRITTEN", "NOT_AVAILABLE", "PORT_IN_USE", "SOCKET_IN_USE", "STATE_DIR_IN_USE", "STATE_DIR_ON_NETWORK", "STORE_TOO_NEW", "TOKEN_NOT_FOUND",
    "UNSAFE_SOCKET_FOLDER", "UNSAFE_WORK_DIR", "WORK_DIR_IN_USE",
}
# Programs of a run; what they say becomes an event.
OF_RUNS = ("server/training/", "server/worker/", "server/shepherd/")

# A reason is the first literal of such a form in a call of one of these.
MAKERS = "ErrorWithReason|PreconditionError|BadRequestError|WrongState|Unavailable|CardError|Refused|Differs|ToStatus"
REASON = re.compile(rf'\b(?:{MAKERS})\(\s*(?:absl::StatusCode::\w+\s*,\s*)?"([A-Z][A-Z0-9_]+)"')


def reasons_in(text):
    return set(REASON.findall(text))


def undocumented(reasons, documentation):
    known = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", documentation))
    return sorted(reason for reason in reasons if reason not in known and reason not in NOT_OF_CALLS)


def main(root):
    root = pathlib.Path(root)
    sources = [path for top in ("common", "server") for path in (root / top).rglob("*") if path.suffix in (".h", ".cc")
               and not path.relative_to(root).as_posix().startswith(OF_RUNS)]
    reasons = set().union(*(reasons_in(path.read_text(encoding="utf-8")) for path in sources))
    if len(reasons) < 30:
        print(f"only {len(reasons)} reasons below {root}: is this the source root?")
        return 1
    proto = root / "proto"
    documentation = "\n".join(path.read_text(encoding="utf-8")
                              for path in [proto / "README.md", *(proto / "skytrain" / "v1").glob("*.proto")])
    missing = undocumented(reasons, documentation)
    for reason in missing:
        print(f"{reason}: name it in the comment of the calls that answer it (proto/skytrain/v1), or in proto/README.md")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
