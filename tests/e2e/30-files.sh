#!/usr/bin/env bash
# Files artifacts: upload, render, store, mount, download, inspect.
# shellcheck disable=SC1090
. "$KT_E2E_LIB"

mkdir -p static/deep
echo "hello" >static/deep/a.txt
package files <<'STAR'
def run(plan, args):
    conf = plan.render_templates(name = "conf", config = {
        "app.toml": struct(template = "port = {{ .Port }}{{ range .Hosts }}\nhost = {{ . }}{{ end }}", data = {"Port": 80, "Hosts": ["a", "b"]}),
    })
    up = plan.upload_files(src = "./data", name = "data")
    plan.add_service(name = "box", config = ServiceConfig(
        image = "badouralix/curl-jq", cmd = ["sleep", "3600"], files = {"/conf": conf, "/data": up}))
    shown = plan.exec(service_name = "box", recipe = ExecRecipe(command = ["cat", "/conf/app.toml"]))
    plan.verify(shown["output"], "==", "port = 80\nhost = a\nhost = b")
    plan.exec(service_name = "box", recipe = ExecRecipe(command = ["sh", "-c", "tr a-z A-Z < /data/in.txt > /tmp/out.txt"]))
    stored = plan.store_service_files(service_name = "box", src = "/tmp/out.txt", name = "stored")
    task = plan.run_sh(run = "cat /in/out.txt; mkdir -p /res; echo made > /res/x", files = {"/in": stored}, store = [StoreSpec(src = "/res/x", name = "made")])
    plan.verify(task.code, "==", 0)
    return {"task": task.output}
STAR
mkdir -p files/data
echo "shout" >files/data/in.txt
expect "SHOUT" kurtosis run --enclave files ./files
for name in conf data stored made; do expect "$name" kurtosis enclave inspect files; done
kurtosis files upload files ./static --name static
kurtosis files download files static
[ "$(cat static*/deep/a.txt | sort -u)" = hello ] || fail "the download differs"
expect "app.toml" kurtosis files inspect files conf
expect "port = 80" kurtosis files inspect files conf app.toml
refuse "nothing-here" kurtosis files download files nothing-here
