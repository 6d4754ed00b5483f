#!/usr/bin/env bash
# SIGKILL of every part while services run: they keep answering, the next command works, and
# `clean -a` leaves nothing.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"

package web <<'STAR'
def run(plan, args):
    plan.add_service(name = "web", config = ServiceConfig(image = "nginx:1", ports = {"http": PortSpec(80)}))
STAR
before_namespaces=$(lsns -t net -n -o NS | wc -l)
before_mounts=$(findmnt -rn | wc -l)
kurtosis run --enclave crash ./web
address=$(address_of crash web http)
uuid=$(kurtosis enclave inspect --full-uuids crash | sed -n 's/^UUID: *\([0-9a-f]*\).*/\1/p')
[ ${#uuid} -eq 32 ] || fail "the full UUID is not shown: $uuid"
answers() {
	[ "$(curl -s -o /dev/null -m 5 -w '%{http_code}' "http://$address/")" = 200 ] || fail "no answer after $1"
}
pid_of() {
	pgrep -f "$1" | head -n 1
}
answers "start"
kill -KILL "$(pid_of 'kurtosisd engine')"
answers "the engine's death"
expect "crash" kurtosis enclave ls
kill -KILL "$(pid_of 'kurtosisd apic')"
answers "the API container's death"
expect "web" kurtosis enclave inspect crash
expect "Starlark code successfully run" kurtosis run --enclave crash ./web
address=$(address_of crash web http)
supervisor=$(pid_of 'kurtosis-supervisor')
kill -KILL "$supervisor"
expect "RUNNING" kurtosis enclave inspect crash
address=$(address_of crash web http)
answers "the supervisor's death"
kurtosis clean -a
[ -z "$(ls -A "$KURTOSIS_HOME/enclaves" 2>/dev/null)" ] || fail "directories: $(ls "$KURTOSIS_HOME/enclaves")"
[ -z "$(ls -A "$KURTOSIS_RUNTIME_DIR/enclaves" 2>/dev/null)" ] || fail "runtime: $(ls "$KURTOSIS_RUNTIME_DIR/enclaves")"
[ "$(findmnt -rn | wc -l)" = "$before_mounts" ] || fail "mounts: $(findmnt -rn | tail -n 5)"
namespaces=$(lsns -t net -n -o NS | wc -l)
[ "$namespaces" = "$before_namespaces" ] || fail "network namespaces are left: $(lsns -t net)"
left=$(pgrep -fl 'nginx|kurtosis-supervisor|kurtosisd apic' || true)
[ -z "$left" ] || fail "processes: $left"
groups=$(find /sys/fs/cgroup -type d -name "$uuid*" 2>/dev/null | head)
[ -z "$groups" ] || fail "control groups: $groups"
