#!/usr/bin/env bash
# Starts the test cluster, stops it in several ways, and fails if the machine is not as it was: processes, mounts, links, addresses,
# firewall rules, network namespaces, control groups, kernel settings, files. Nothing else should change the machine meanwhile.
# With a command, such as make e2e, that is what happens between one start and one stop.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
cluster=bin/cluster
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kyma-connectors
work=$(mktemp -d)
trap '$cluster down >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

[ "$($cluster kubeconfig 2>/dev/null || true)" != "$cache/cluster/node/kubeconfig" ] || { echo "check: the cluster runs; run make cluster-down first" >&2; exit 1; }

rules() { # of whatever firewall tools there are; cluster-up unpacks nft into its cache
	local root
	for root in "" "$cache"/cluster/debian-*; do
		[ -x "$root/usr/sbin/nft" ] || continue
		LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu) "$root/usr/sbin/nft" list ruleset
		break
	done
	for tool in iptables-save ip6tables-save; do if command -v $tool >/dev/null; then $tool | grep -v "^#" || true; fi; done
}

snapshot() { # snapshot DIR
	mkdir -p "$1"
	ps -eo comm= | grep -xE 'cluster|etcd|kube.*|containerd.*|runc.*|coredns|pause' | sort >"$1/processes" || true
	awk '{print $5, $(NF-2), $(NF-1)}' /proc/self/mountinfo | sort >"$1/mounts"
	ip -oneline link | cut -d: -f2 | sort >"$1/links"
	ip -oneline address | awk '{print $2, $4}' | sort >"$1/addresses"
	ip route show table all | sort >"$1/routes"
	rules >"$1/rules"
	ls /run/netns >"$1/netns" 2>/dev/null || true
	find /sys/fs/cgroup -type d | sort >"$1/cgroups"
	for s in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables net/netfilter/nf_conntrack_max vm/overcommit_memory vm/panic_on_oom \
		kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
		[ ! -e /proc/sys/$s ] || echo "$s $(cat /proc/sys/$s)"
	done >"$1/settings"
	# Caches are meant to stay, Go keeps counters of itself.
	find /etc /opt /run /usr /var /root /home -xdev \( -path "${XDG_CACHE_HOME:-$HOME/.cache}" -o -path "$(go env GOMODCACHE)" -o -path '*/.config/go/telemetry' -o -path "$PWD" \) -prune \
		-o -type f -printf '%p %s %T@\n' -o -not -type d -printf '%p %l\n' -o -printf '%p\n' | sort >"$1/files"
}

same() { # same WHAT: the machine is as before
	snapshot "$work/after"
	if ! diff -r "$work/before" "$work/after"; then
		echo "check: after $1 the machine is not as it was" >&2
		exit 1
	fi
	echo "check: after $1 the machine is as it was"
	rm -rf "$work/after"
}

$cluster up && $cluster down # everything that is fetched once
snapshot "$work/before"

if [ $# -gt 0 ]; then
	$cluster up
	"$@"
	$cluster down
	same "$*"
	exit
fi

$cluster up && $cluster up
$cluster kubectl get nodes
$cluster down && $cluster down
same "up, up, down, down"

$cluster up
kill -9 "$(cut -d' ' -f1 "$cache/cluster/node/pid")"
$cluster down
same "a killed node"

$cluster up
kill -9 "$(cut -d' ' -f1 "$cache/cluster/node/pid")"
$cluster up
$cluster kubectl get nodes
$cluster down
same "starting over a killed node"
