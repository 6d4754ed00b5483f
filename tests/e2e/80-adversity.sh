#!/usr/bin/env bash
# What users do to a machine: a full disk, a port that is taken, directories that cannot be
# written, several commands at once. Each has one clear error, and nothing is left.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"

cat >wait.star <<'STAR'
def run(plan, name, seconds = 0):
    plan.add_service(name, ServiceConfig(image = "alpine:3", cmd = ["sleep", "1000"]))
    plan.exec(name, ExecRecipe(["sleep", str(seconds)]))
STAR
small="$KT_STATE/$KT_TEST/small"
mkdir "$small"

# Another program has the port: both kinds of silence, and what to do about it.
python3 -u -c '
import http.server
server = http.server.HTTPServer(("127.0.0.1", 9710), http.server.SimpleHTTPRequestHandler)
print("listening")
server.serve_forever()' >holder.out 2>/dev/null &
holder=$!
timeout 20 sh -c 'until grep -q listening holder.out; do :; done'
refuse "port 9710 of 127.0.0.1 is in use by another program" kurtosis enclave ls
refuse "KURTOSIS_ENGINE_PORT" kurtosis engine start
kill "$holder"
wait "$holder" || true

# Directories that cannot be written, one after the other.
mount -t tmpfs -o ro,size=16m none "$small"
(
	export KURTOSIS_HOME="$small/home"
	refuse "$small" kurtosis enclave ls
)
(
	export KURTOSIS_HOME="$small"
	refuse "$small" kurtosis enclave ls
	refuse "KURTOSIS_HOME" kurtosis enclave ls
)
(
	export KURTOSIS_RUNTIME_DIR="$small"
	refuse "KURTOSIS_RUNTIME_DIR" kurtosis enclave ls
)

# A disk that is full: the reason is told, and cleaning works all the same.
mount -o remount,rw "$small"
(
	export KURTOSIS_HOME="$small"
	refuse "No space left on device" kurtosis run --enclave full wait.star '{"name": "a"}'
	dd if=/dev/zero of="$small/fill" bs=4k status=none 2>/dev/null || true
	refuse "No space left on device" kurtosis enclave add --name other
	refuse "make room" kurtosis files upload full wait.star
	expect "full" kurtosis clean -a
	[ -z "$(ls -A "$small/enclaves")" ] || fail "left on the full disk: $(ls "$small/enclaves")"
	rm "$small/fill"
	kurtosis engine stop
)
umount "$small"

# Runs that begin together in an enclave that is not there yet: one makes it, all use it.
kurtosis engine start
pids=()
for i in 1 2 3 4 5 6; do
	kurtosis run --enclave same wait.star "{\"name\": \"s$i\"}" >"same.$i" 2>&1 &
	pids+=($!)
done
for i in 1 2 3 4 5 6; do
	wait "${pids[$((i - 1))]}" || fail "run $i: $(cat "same.$i")"
done
[ "$(kurtosis enclave inspect same | grep -c RUNNING)" = 7 ] || fail "$(kurtosis enclave inspect same)"

# An engine that is replaced while a run is going on: the run ends well, with its overview.
kurtosis run --enclave same wait.star '{"name": "last", "seconds": 3}' >last.out 2>&1 &
run=$!
timeout 60 sh -c 'until kurtosis enclave inspect same | grep -q " last "; do :; done'
kurtosis engine restart
wait "$run" || fail "$(cat last.out)"
grep -q "User Services" last.out || fail "no overview: $(cat last.out)"
