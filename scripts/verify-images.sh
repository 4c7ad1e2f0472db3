#!/usr/bin/env bash
# Fails if two clones of the same commit, in different places, give images that differ in one byte.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for clone in one another/place/two; do
	git clone --quiet --no-local . "$work/$clone"
	make --no-print-directory -C "$work/$clone" images >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
done
if ! diff -r "$work/one/bin/images" "$work/another/place/two/bin/images"; then
	echo "verify: two clones of $(git rev-parse --short HEAD) give different images" >&2
	exit 1
fi
echo "verify: two clones give the same images: $(tr -d '{}\n" ' <"$work/one/bin/images/digests.json")"
