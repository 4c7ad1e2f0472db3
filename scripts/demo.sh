#!/usr/bin/env bash
# The main job on this machine: package every add-on, then provision and run each of them, on current Kyma with
# plan "default" and on old Kyma with plan "production". Prints the first one step by step and a table of all; exits 0
# only if everything is as it should be. Leaves nothing but bin/ and dist/.
set -euo pipefail
cd "$(dirname "$0")/.."

logs=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$logs"' EXIT

try() { # try ARCHIVE PLAN KYMA: one row of the table in LOG.row, everything in LOG
	local log=$logs/$(basename "$1" .tgz).$2.$3
	if bin/addonctl try "$1" --plan "$2" --kyma "$3" --once >"$log" 2>&1; then ok=ok; else ok=FAILED; fi
	awk -v ok="$ok" -v addon="$(basename "$1" .tgz)" -v plan="$2" -v kyma="$3" '
		/^APIs: /       { apis = $2; rewritten = $(NF-1) }
		/^Deliveries: / { sent = $2; delivered = $(NF-2) }
		/^(not )?ok.*\([0-9.]+ s\)/ { seconds = $0; sub(/.*\(/, "", seconds); sub(/ s\).*/, "", seconds) }
		END { printf "%-30s  %-10s  %-7s  %5s  %7s  %9s  %8s  %6s  %s\n", addon, plan, kyma, apis, rewritten, sent, delivered, seconds, ok }
	' "$log" >"$log.row"
}

bin/addonctl build --out dist
archives=(dist/*-connector-*.tgz)

for archive in "${archives[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || true; done
	{ try "$archive" default current; try "$archive" production old; } &
done
wait

echo
cat "$logs/$(basename "${archives[0]}" .tgz).default.current"
echo
printf '%-30s  %-10s  %-7s  %5s  %7s  %9s  %8s  %6s  %s\n' ADD-ON PLAN KYMA APIS "2ND RUN" SAMPLES EVENTS TIME ""
failed=0
for row in "$logs"/*.row; do
	cat "$row"
	grep -q ' ok$' "$row" || failed=1
done
if [ "$failed" != 0 ]; then
	for row in "$logs"/*.row; do
		grep -q ' ok$' "$row" || { echo; tail -n 40 "${row%.row}"; }
	done
	echo
	echo "demo: something is not as it should be, see above"
	exit 1
fi
echo
echo "demo: everything is as it should be"
