#!/usr/bin/env bash
# Fuzz every target of the module for FUZZTIME each (default 30s; 1000x is a number of inputs). Targets are found by their
# names: whoever writes a FuzzXxx joins. FUZZ is a regular expression over "package target", for some of them.
# FUZZGUIDED=no leaves out the instrumentation that guides the search: it takes minutes to build, too long for a short run.
# An input that fails is written to testdata/fuzz beside its target, where `go test` runs it from then on: mend, and commit it.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-30s}
go=${GO:-go}
guided=(-fuzz=.)
if [ "${FUZZGUIDED:-yes}" = no ]; then
	guided=()
	export CGO_ENABLED=0 # as the binaries are built, whose packages can be used
fi

targets=$(grep -rl --include='*_test.go' '^func Fuzz' cmd pkg schemas test | sort | while read -r file; do
	sed -n "s|^func \(Fuzz[A-Za-z0-9_]*\)(.*|$(dirname "$file") \1|p" "$file"
done | grep -E "${FUZZ:-.}" || true)
[ -n "$targets" ] || { echo "fuzz: no target matches ${FUZZ:-.}" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
for package in $(cut -d' ' -f1 <<<"$targets" | sort -u); do
	"$go" test -c -trimpath "${guided[@]}" -o "$work/fuzz.test" "./$package"
	for target in $(sed -n "s|^$package ||p" <<<"$targets"); do
		if output=$(cd "$package" && "$work/fuzz.test" -test.run='^$' -test.fuzz="^$target\$" -test.fuzztime="$time" -test.fuzzcachedir="$work/cache/$package" 2>&1) ||
			# On a busy machine the engine may fail for the end of the time alone.
			{ grep -qx ' *context deadline exceeded' <<<"$output" && ! grep -q 'Failing input' <<<"$output"; }; then
			echo "ok    $package $target: $(sed -n 's/.*execs: \([0-9]*\).*/\1/p' <<<"$output" | tail -1) inputs"
		else
			printf 'FAIL  %s %s\n%s\n' "$package" "$target" "$output"
			failed=1
		fi
	done
done
exit "$failed"
