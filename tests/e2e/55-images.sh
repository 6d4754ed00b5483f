#!/usr/bin/env bash
# The image commands, and registries that are down, ask for a login or deliver wrong content.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"

cat >fake-registry.py <<'PY'
"""A registry with one tiny image, test/tiny:1. usage: fake-registry.py good|wrong|login PORT_FILE"""
import hashlib, gzip, http.server, io, json, sys, tarfile

mode, port_file = sys.argv[1:]
def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()
raw = io.BytesIO()
with tarfile.open(fileobj=raw, mode="w") as tar:
    entry = tarfile.TarInfo("hello")
    entry.size = 5
    tar.addfile(entry, io.BytesIO(b"world"))
layer = gzip.compress(raw.getvalue(), mtime=0)
config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/hello"]},
                     "rootfs": {"type": "layers", "diff_ids": [digest(raw.getvalue())]}}).encode()
manifest = json.dumps({"schemaVersion": 2, "config": {"digest": digest(config), "size": len(config)},
                       "layers": [{"digest": digest(layer), "size": len(layer)}]}).encode()
answers = {"/v2/test/tiny/manifests/1": manifest, "/v2/test/tiny/blobs/" + digest(config): config,
           "/v2/test/tiny/blobs/" + digest(layer): layer if mode != "wrong" else layer[:-1] + b"\1"}

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = answers.get(self.path)
        if mode == "login" and not self.headers.get("Authorization"):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
            body = b""
        elif body is None:
            self.send_response(404)
            body = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open(port_file, "w") as out:
    out.write(str(server.server_port) + "\n")
server.serve_forever()
PY

# serve MODE: sets $port.
serve() {
	rm -f port
	mkfifo port
	python3 fake-registry.py "$1" port &
	registry=$!
	read -r port <port
}

export KURTOSIS_REGISTRIES_CONF="$work/none.conf"
touch none.conf

serve good
image="127.0.0.1:$port/test/tiny:1"
kurtosis image pull "$image"
expect "$image" kurtosis image ls
refuse "manifest unknown" kurtosis image pull "127.0.0.1:$port/test/other:1"
kurtosis image rm "$image"
refuse "there is no local image" kurtosis image rm "$image"
kill $registry

refuse "the registry '127.0.0.1:$port' of image '$image' cannot be reached" kurtosis image pull "$image"
refuse "invalid image reference 'Not/An Image'" kurtosis image pull "Not/An Image"
refuse "No such file" kurtosis image load ./nothing.tar

serve wrong
refuse "has the digest" kurtosis image pull "127.0.0.1:$port/test/tiny:1"
[[ $(kurtosis image ls) != *test/tiny* ]] || fail "an image with a wrong digest was kept"
echo "def run(plan): plan.add_service(name = 'a', config = ServiceConfig(image = '127.0.0.1:$port/test/tiny:1'))" >wrong.star
refuse "has the digest" kurtosis run --enclave images wrong.star
kill $registry
# The enclave is still usable, and no half-made service is in it.
echo "def run(plan): plan.print('still here')" >print.star
expect "still here" kurtosis run --enclave images print.star
[[ $(kurtosis enclave inspect images) != *"$port"* ]] || fail "a service was made"

serve login
refuse "needs a login" kurtosis image pull "127.0.0.1:$port/test/tiny:1"
mkdir -p "$HOME/.docker"
printf '{"auths":{"127.0.0.1:%s":{"auth":"dTpw"}}}' "$port" >"$HOME/.docker/config.json"
kurtosis image pull "127.0.0.1:$port/test/tiny:1"
kurtosis image rm "127.0.0.1:$port/test/tiny:1"
kill $registry
