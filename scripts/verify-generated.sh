#!/usr/bin/env bash
# Fails if `make generate` would change anything, and says what. Works on a copy, so the tree stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --create --ignore-failed-read --file=- 2>/dev/null | tar --extract --file=- --directory="$copy"
mkdir -p "$copy/bin" && cp bin/addonctl bin/event-gateway bin/registration-job "$copy/bin/"
git -C "$copy" init --quiet && git -C "$copy" add --all
git -C "$copy" -c user.name=verify -c user.email=verify@localhost commit --quiet --message before
(cd "$copy" && go mod tidy && bin/addonctl link && bin/addonctl lint --fix && bin/addonctl index && bin/addonctl docs rules --out docs/reference/rules && bin/addonctl docs cli --out docs/reference/cli) >/dev/null
git -C "$copy" add --all
if ! git -C "$copy" diff --cached --exit-code --stat; then
	echo "verify: generated files are out of date: run make generate and commit the result" >&2
	exit 1
fi
echo "verify: generated files are up to date"
