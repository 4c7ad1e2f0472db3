#!/usr/bin/env bash
# dist/ as a release publishes it: the charts name the registry, and the images by digest. Works on a copy; the tree stays as it is.
# Usage: scripts/dist.sh REGISTRY (after make images)
set -euo pipefail
cd "$(dirname "$0")/.."
registry=$1

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z | tar --null --files-from=- --create --file=- | tar --extract --file=- --directory="$copy"
values=charts/common/values.yaml
sed -i "s|^  registry: .*|  registry: $registry|" "$copy/$values"
grep -qxF "  registry: $registry" "$copy/$values" || { echo "dist: $values no longer names the registry on a line of its own" >&2; exit 1; }
go -C scripts/images run . pin -out "$PWD/bin/images" -values "$copy/$values"
out=$PWD/dist
(cd "$copy" && "$OLDPWD/bin/addonctl" build --out "$out")
