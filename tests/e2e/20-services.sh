#!/usr/bin/env bash
# Services with real servers: ports, exec, logs, stop and start, removal.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"

package shop <<'STAR'
def run(plan, args):
    plan.add_service(name = "cache", config = ServiceConfig(
        image = "redis:7", ports = {"redis": PortSpec(6379)}))
    plan.add_service(name = "web", config = ServiceConfig(
        image = "nginx:1", ports = {"http": PortSpec(80, application_protocol = "http")},
        env_vars = {"CACHE": "cache:6379"}))
    plan.add_service(name = "box", config = ServiceConfig(
        image = "badouralix/curl-jq", cmd = ["sh", "-c", "echo started; exec sleep 3600"]))
    pong = plan.exec(service_name = "cache", recipe = ExecRecipe(command = ["redis-cli", "ping"]))
    plan.verify(pong["output"], "==", "PONG\n")
    page = plan.request(service_name = "web", recipe = GetHttpRequestRecipe(port_id = "http", endpoint = "/"))
    plan.verify(page["code"], "==", 200)
    seen = plan.exec(service_name = "box", recipe = ExecRecipe(
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://web/"]))
    plan.verify(seen["output"], "==", "200")
    return {"answer": pong["output"]}
STAR
expect "Starlark code successfully run" kurtosis run --enclave shop ./shop
expect "CACHE" kurtosis service inspect shop web
[ "$(curl -s -o /dev/null -w '%{http_code}' "http://$(address_of shop web http)/")" = 200 ] || fail "the page is not served"
[ "$(kurtosis port print shop web http)" = "http://$(address_of shop web http)" ] || fail "port print"
expect "Linux" kurtosis service exec shop box 'uname -s'
expect "started" kurtosis service logs shop box
kurtosis service stop shop cache
expect "STOPPED" kurtosis enclave inspect shop
kurtosis service start shop cache
# Starting does not wait for ports, as in the original: the server says when it is there.
expect "PONG" kurtosis service exec shop cache 'timeout 20 sh -c "until redis-cli ping 2>/dev/null; do :; done"'
kurtosis service rm shop box
[ -z "$(kurtosis enclave inspect shop | grep ' box ')" ] || fail "the service is still listed"
# An update by the same name keeps the service's place.
expect "Service 'web' added" kurtosis run --enclave shop ./shop

# A service with the host's process ids is replaced by one without: all of its processes go first.
printf '%s\n' 'def run(plan, host):' \
	'    plan.add_service("pids", ServiceConfig(image = "alpine:3", host_pid_namespace = host, cmd = ["sh", "-c", "sleep 987654 & sleep 987654"]))' \
	'    plan.exec("pids", ExecRecipe(["true"]))' >pids.star
for host in true true false; do
	expect "successfully run" kurtosis run --privileged --enclave pids pids.star "{\"host\": $host}"
done
expect "Successfully cleaned enclaves" kurtosis clean -a
! pgrep -f "sleep 987654" >/dev/null || fail "processes of the service are left"
