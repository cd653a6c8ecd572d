# What every script begins with, to be sourced with its arguments: `--help` prints the comment at the top of the script,
# without setting anything up; otherwise the script goes on in the root of the repository.
set -euo pipefail

for argument in "$@"; do
  case "$argument" in
    -h | --help)
      # Without its marks.
      sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
  esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# uv trusts whom this machine trusts, as git does.
export UV_SYSTEM_CERTS=1

# One of our programs, by the name of its module.
forktools() {
  local module=$1
  shift
  PYTHONPATH=scripts .venv/bin/python -m "forktools.$module" "$@"
}
