#!/usr/bin/env bash
# The main job on this machine: package every add-on and try each of its plans against both generations of Kyma.
# Prints what happened; exits 0 only if everything is as it should be. Leaves nothing but bin/ and dist/.
set -euo pipefail
cd "$(dirname "$0")/.."

bin/addonctl build --out dist
failed=0
for dir in addons/*/; do
	addon=$(basename "$dir")
	for plan in "$dir"plans/*/; do
		for kyma in current old; do
			echo
			bin/addonctl try "dist/$addon.tgz" --plan "$(basename "$plan")" --kyma "$kyma" --once || failed=1
		done
	done
done
echo
if [ "$failed" != 0 ]; then
	echo "demo: something is not as it should be, see above"
	exit 1
fi
echo "demo: everything is as it should be"
