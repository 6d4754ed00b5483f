#!/usr/bin/env bash
# What operators do with running services: update, take over a configuration, dump everything.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"

kurtosis enclave add --name ops
printf 'hello' >in.txt
kurtosis files upload ops in.txt --name input
kurtosis service add ops box badouralix/curl-jq --cmd "sh -c env;sleep\${IFS}3600" --env "A=1,B=2" --files "/in:input"
expect "hello" kurtosis service exec ops box "cat /in/in.txt"
kurtosis service update ops box --env "B=3,C=4"
expect "1 3 4" kurtosis service exec ops box 'echo $A $B $C'
expect "hello" kurtosis service exec ops box "cat /in/in.txt"

kurtosis service add ops web nginx:1
kurtosis service update ops web --ports "http=http:80"
[ "$(curl -s -o /dev/null -w '%{http_code}' "http://$(address_of ops web http)/")" = 200 ] || fail "the added port is not served"

# A printed configuration makes the same service under another name.
kurtosis service inspect ops box -o json >box.json
kurtosis service add ops twin --json-service-config box.json
expect "1 3 4" kurtosis service exec ops twin 'echo $A $B $C'
expect "sleep" kurtosis service exec ops twin 'cat /proc/1/cmdline | tr "\0" " "; cat /proc/*/cmdline | tr "\0" " "'
kurtosis service rm ops twin

kurtosis enclave dump ops out
jq -e '.config.env_vars.C == "4"' out/box--*/spec.json >/dev/null || fail "spec.json"
grep -q '^C=4' out/box--*/output.log || fail "output.log: $(cat out/box--*/output.log)"
grep -q '^C=4' out/twin--*/output.log || fail "the log of a removed service is not dumped"
[ "$(cat out/files/input/in.txt)" = hello ] || fail "the artifact is not dumped"
refuse "directory already exists" kurtosis enclave dump ops out

# Arguments from a web server.
printf 'word: "from the web"\n' >args.yml
printf 'def run(plan, word):\n    plan.print(word)\n' >word.star
exec 5< <(exec python3 -c '
import http.server
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print(server.server_port, flush=True)
server.serve_forever()' 2>/dev/null)
web=$!
read -r port <&5
expect "from the web" kurtosis run --enclave ops --args-file "http://127.0.0.1:$port/args.yml" word.star
refuse "status 404" kurtosis run --enclave ops --args-file "http://127.0.0.1:$port/none.yml" word.star
kill $web

kurtosis enclave stop ops
kurtosis dump all
[ -s all/engines/kurtosis-engine/output.log ] || fail "the engine's log is not dumped"
jq -e '.status == "STOPPED"' all/enclaves/ops--*/enclave.json >/dev/null || fail "enclave.json"
