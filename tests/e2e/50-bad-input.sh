#!/usr/bin/env bash
# Bad input: one clear error, exit code 1, nothing half-made, the enclave still usable.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"

kurtosis enclave add --name bad
# try TEXT SCRIPT [ARGS]: the script fails with the text, and leaves no service.
try() {
	local text=$1
	printf '%s\n' "$2" >try.star
	refuse "$text" kurtosis run --enclave bad try.star "${3:-{\}}"
	! kurtosis enclave inspect bad | grep -qE '(RUNNING|STOPPED) *$' ||
		[ "$(kurtosis enclave inspect bad | grep -cE '^[0-9a-f]{12} .*(RUNNING|STOPPED) *$')" = "${4:-0}" ] ||
		fail "a half-made service is left: $(kurtosis enclave inspect bad)"
}

try "3:" $'def run(plan):\n    plan.print("a")\n    x = = 2'
try "nosuch/image" 'def run(plan): plan.add_service(name = "a", config = ServiceConfig(image = "nosuch/image:1"))'
try "exited with code 3" 'def run(plan): plan.add_service(name = "a", config = ServiceConfig(image = "alpine:3", cmd = ["sh", "-c", "echo this is why; exit 3"], ports = {"p": PortSpec(80)}))'
try "this is why" 'def run(plan): plan.add_service(name = "a", config = ServiceConfig(image = "alpine:3", cmd = ["sh", "-c", "echo this is why; exit 3"], ports = {"p": PortSpec(80)}))'
try "'1s'" 'def run(plan): plan.add_service(name = "a", config = ServiceConfig(image = "alpine:3", cmd = ["sleep", "600"], ports = {"p": PortSpec(80, wait = "1s")}))'
try "missing-artifact" 'def run(plan): plan.add_service(name = "a", config = ServiceConfig(image = "alpine:3", cmd = ["sleep", "600"], files = {"/x": "missing-artifact"}))'
printf '%s\n' 'def run(plan): plan.print("x")' >ok.star
refuse "valid JSON or YAML" kurtosis run --enclave bad ok.star '{"a": [1'
refuse "no-such-file" kurtosis run --enclave bad no-such-file.star
# Host port in use: a listener of ours says its port through a FIFO.
mkfifo held
python3 -c '
import signal, socket
held = socket.socket()
held.bind(("127.0.0.1", 0))
held.listen()
with open("held", "w") as said:
    said.write("%d\n" % held.getsockname()[1])
signal.pause()' &
holder=$!
read -r port <held
try "$port" "def run(plan): plan.add_service(name = 'a', config = ServiceConfig(image = 'nginx:1', ports = {'p': PortSpec(80)}, public_ports = {'p': PortSpec($port)}))"
kill "$holder"
# A registry that is down: its address is named.
kurtosis engine stop
sed 's/127.0.0.1:[0-9]*/127.0.0.1:1/' "$KURTOSIS_REGISTRIES_CONF" >down.conf
printf '%s\n' 'def run(plan): plan.add_service(name = "a", config = ServiceConfig(image = "redis:latest"))' >down.star
KURTOSIS_REGISTRIES_CONF=$PWD/down.conf kurtosis engine start
refuse "127.0.0.1:1" kurtosis run --enclave down down.star
kurtosis engine restart
# A missing program is named with its Debian package.
mkdir -p nobin
ln -sf "$(command -v kurtosis)" nobin/kurtosis
kurtosis engine stop
PATH=$PWD/nobin kurtosis engine start
package remote <<'STAR'
other = import_module("github.com/somebody/something/main.star")
def run(plan, args):
    other.run(plan)
STAR
refuse "apt-get install git" kurtosis run --enclave nogit ./remote
kurtosis engine restart
# Still usable.
expect "Starlark code successfully run" kurtosis run --enclave bad ok.star
