# Sourced by the scripts beside it: each step prints one line, keeps its output in a log, and, when it fails, says which
# step it was, shows the end of that log, and ends the script.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
logs="$root/build/logs"
mkdir -p "$logs"

# fail MESSAGE…: ends the script.
fail() {
  printf 'failed: %s\n' "$*" >&2
  exit 1
}

# step NAME COMMAND…: runs COMMAND with its output in build/logs/NAME.log.
step() {
  local name="$1"
  shift
  local log="$logs/${name// /-}.log" begin=$SECONDS
  printf '%-28s ' "$name"
  if "$@" >"$log" 2>&1 </dev/null; then
    printf 'ok  %4d s\n' "$((SECONDS - begin))"
    return 0
  fi
  printf 'FAILED after %d s\n' "$((SECONDS - begin))"
  printf '%s\n' "--- the end of $log ---" >&2
  tail -n 40 "$log" >&2
  fail "step '$name': $*"
}
