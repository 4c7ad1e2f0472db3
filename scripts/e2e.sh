#!/usr/bin/env bash
# Runs the suite that needs a real cluster: that of make cluster-up, or of KUBECONFIG, which then needs a registry to take the
# images from (E2E_REGISTRY=registry.example.com/team). Arguments go to go test. E2E_CONNECTORS=c4c,marketing takes only these,
# E2E_PLANS=default,production breaks only these, E2E_REPORT=FILE keeps the table of what was measured.
set -euo pipefail
cd "$(dirname "$0")/.."
cluster=$PWD/bin/cluster
work=$PWD/bin/e2e
export CGO_ENABLED=0

if ! kubeconfig=$($cluster kubeconfig 2>/dev/null); then
	printf '%s\n' '' '*****************************************************************************' \
		'*  SKIPPED: the end-to-end tests need a cluster, and there is none.         *' \
		'*  Run make cluster-up (Debian, root), or set KUBECONFIG and E2E_REGISTRY.  *' \
		'*****************************************************************************' '' >&2
	exit 0
fi
own=$($cluster kubeconfig | grep -c '/kyma-connectors/cluster/node/kubeconfig$' || true)
if [ "$own" = 0 ] && [ -z "${E2E_REGISTRY:-}" ]; then
	echo "e2e: $kubeconfig is not the cluster of make cluster-up: set E2E_REGISTRY to a registry that it can pull from" >&2
	exit 1
fi
export E2E_REGISTRY=${E2E_REGISTRY:-kyma-connectors.local}

names="registration-job event-gateway simulator nats-server"
for arch in ${E2E_PLATFORMS:-$(go env GOARCH)}; do
	mkdir -p "$work/linux_$arch"
	GOOS=linux GOARCH=$arch go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$work/linux_$arch/" \
		./cmd/registration-job ./cmd/event-gateway ./test/e2e/simulator github.com/nats-io/nats-server/v2
done
platforms=$(echo ${E2E_PLATFORMS:-$(go env GOARCH)} | tr ' ' ',')
images() { # images COMMAND ARGUMENT...: nothing that it links may differ from what the tests call it
	local command=$1
	shift
	go -C scripts/images run . "$command" -out "$work/images" -registry "$E2E_REGISTRY" -version e2e "$@" $names
}
images build -binaries "$work" -platforms "$platforms" >/dev/null
if [ "$own" = 0 ]; then
	images push
	export E2E_LEAVE=yes # others use that cluster
else
	$cluster load "$work"/images/*.tar
fi

go build -trimpath -o "$work/addonctl" ./cmd/addonctl
rm -rf "$work/dist" && "$work/addonctl" build --out "$work/dist" >/dev/null

[ -z "${E2E_REPORT:-}" ] || export E2E_REPORT=$(realpath -m "$E2E_REPORT")
if ! go test -tags e2e -count=1 -timeout 40m "$@" ./test/e2e 2>&1 | tee "$work/output"; then
	printf '\ne2e: the first cause:\n' >&2
	grep -m 1 -B 4 -A 8 -E '^\s+Error:|^panic:|FAIL.*build failed' "$work/output" | cut -c 1-400 >&2 || true
	# The programs' own words stand further down, in their long reports.
	grep -m 5 -E '^\s+(failed|stopped|left|error|Error): \S' "$work/output" | sed 's/^[[:space:]]*/e2e: /' | cut -c 1-400 >&2 || true
	if [ "$own" != 0 ]; then
		rm -rf "$work/logs" && $cluster logs "$work/logs"
		echo "e2e: logs of components and pods: $work/logs" >&2
	fi
	exit 1
fi
