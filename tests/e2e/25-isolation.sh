#!/usr/bin/env bash
# Two enclaves do not see each other; published ports listen on loopback only.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"

package one <<'STAR'
def run(plan, args):
    plan.add_service(name = "web", config = ServiceConfig(image = "nginx:1", ports = {"http": PortSpec(80)}))
    plan.add_service(name = "box", config = ServiceConfig(
        image = "badouralix/curl-jq", cmd = ["sleep", "3600"]))
STAR
package two <<'STAR'
def run(plan, args):
    plan.add_service(name = "box", config = ServiceConfig(
        image = "badouralix/curl-jq", cmd = ["sleep", "3600"]))
STAR
kurtosis run --enclave one ./one
kurtosis run --enclave two ./two
ip=$(kurtosis service exec one box 'getent hosts web' 2>/dev/null | grep -o '^[0-9.]*')
expect "200" kurtosis service exec one box "curl -s -m 3 -o /dev/null -w '%{http_code}' http://$ip/"
# The same address in the other enclave answers nothing, and the name is unknown there.
out=$(kurtosis service exec two box "curl -s -m 3 -o /dev/null -w 'code=%{http_code}' http://$ip/" 2>&1) || true
[[ $out != *code=200* ]] || fail "enclave two reaches enclave one"
out=$(kurtosis service exec two box 'getent hosts web || echo unknown' 2>/dev/null)
[[ $out == *unknown* ]] || fail "enclave two resolves a name of enclave one: $out"
port=$(address_of one web http)
port=${port##*:}
listening=$(ss -Hltn "sport = :$port" | awk '{print $4}')
[ -n "$listening" ] || fail "nothing listens on port $port"
while read -r address; do
	case $address in
	127.0.0.1:* | '[::1]:'*) ;;
	*) fail "port $port listens on $address" ;;
	esac
done <<<"$listening"
others=$(ss -Hltnp | grep -E 'kurtosis' | awk '{print $4}' | grep -Ev '^(127\.0\.0\.1|\[::1\]):' || true)
[ -z "$others" ] || fail "sockets beyond loopback: $others"
