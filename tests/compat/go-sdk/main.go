// Drives our engine through the public Go SDK, unmodified: create, run, read, exec, files, logs, destroy.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kurtosis-tech/kurtosis/api/golang/core/lib/enclaves"
	"github.com/kurtosis-tech/kurtosis/api/golang/core/lib/services"
	"github.com/kurtosis-tech/kurtosis/api/golang/core/lib/starlark_run_config"
	"github.com/kurtosis-tech/kurtosis/api/golang/engine/lib/kurtosis_context"
)

const script = `
def run(plan, greeting = "none"):
    plan.add_service(name = "web", config = ServiceConfig(
        image = "nginx:1",
        ports = {"http": PortSpec(80, application_protocol = "http")},
    ))
    plan.print(greeting)
    return {"said": greeting}
`

const packageMain = `
helper = import_module("/lib/helper.star")

def run(plan, args):
    plan.add_service(name = "cache", config = ServiceConfig(image = "redis:7", ports = {"redis": PortSpec(6379)}))
    return helper.double(args["n"])
`

func must(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func check(ok bool, format string, args ...any) {
	if !ok {
		fmt.Fprintf(os.Stderr, "not as expected: "+format+"\n", args...)
		os.Exit(1)
	}
}

func runScript(ctx context.Context, enclave *enclaves.EnclaveContext) {
	config := starlark_run_config.NewRunStarlarkConfig(
		starlark_run_config.WithSerializedParams(`{"greeting": "hello from Go"}`))
	result, err := enclave.RunStarlarkScriptBlocking(ctx, script, config)
	must(err, "running a script")
	check(result.ExecutionError == nil && result.InterpretationError == nil, "script: %v", result)
	check(len(result.Instructions) == 2, "instructions: %d", len(result.Instructions))
	check(strings.Contains(string(result.RunOutput), "hello from Go"), "output: %q", result.RunOutput)

	bad, err := enclave.RunStarlarkScriptBlocking(ctx, "def run(plan):\n    fail('on purpose')\n",
		starlark_run_config.NewRunStarlarkConfig())
	check(err != nil || bad.InterpretationError != nil, "a failing script passed")
}

func runPackage(ctx context.Context, enclave *enclaves.EnclaveContext, dir string) {
	must(os.MkdirAll(filepath.Join(dir, "lib"), 0o755), "making the package")
	files := map[string]string{
		"kurtosis.yml":    "name: github.com/test/from-go\n",
		"main.star":       packageMain,
		"lib/helper.star": "def double(n):\n    return {\"twice\": 2 * n}\n",
	}
	for name, text := range files {
		must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644), "writing "+name)
	}
	config := starlark_run_config.NewRunStarlarkConfig(starlark_run_config.WithSerializedParams(`{"n": 21}`))
	result, err := enclave.RunStarlarkPackageBlocking(ctx, dir, config)
	must(err, "running a package")
	check(strings.Contains(string(result.RunOutput), "42"), "package output: %q", result.RunOutput)
}

func readServices(enclave *enclaves.EnclaveContext) {
	all, err := enclave.GetServices()
	must(err, "listing services")
	check(len(all) == 2, "services: %v", all)
	web, err := enclave.GetServiceContext("web")
	must(err, "reading a service")
	private := web.GetPrivatePorts()["http"]
	public := web.GetPublicPorts()["http"]
	check(private != nil && private.GetNumber() == 80, "private port: %v", private)
	check(public != nil && web.GetMaybePublicIPAddress() == "127.0.0.1", "public port: %v", public)
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", public.GetNumber()))
	must(err, "fetching through the published port")
	answer.Body.Close()
	check(answer.StatusCode == 200, "status %d", answer.StatusCode)

	code, output, err := web.ExecCommand([]string{"sh", "-c", "echo out; exit 3"})
	must(err, "exec")
	check(code == 3 && strings.TrimSpace(output) == "out", "exec: %d %q", code, output)
}

func exchangeFiles(ctx context.Context, enclave *enclaves.EnclaveContext, dir string) {
	must(os.MkdirAll(dir, 0o755), "making a directory")
	payload := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB: several chunks
	must(os.WriteFile(filepath.Join(dir, "payload.bin"), payload, 0o644), "writing the payload")
	_, name, err := enclave.UploadFiles(dir, "from-go")
	must(err, "uploading files")
	check(name == "from-go", "artifact name %q", name)
	archive, err := enclave.DownloadFilesArtifact(ctx, "from-go")
	must(err, "downloading files")
	unpacked, err := gzip.NewReader(bytes.NewReader(archive))
	must(err, "reading gzip")
	found := false
	for reader := tar.NewReader(unpacked); ; {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		must(err, "reading tar")
		if strings.HasSuffix(header.Name, "payload.bin") {
			content, err := io.ReadAll(reader)
			must(err, "reading the payload")
			found = bytes.Equal(content, payload)
		}
	}
	check(found, "the payload did not come back")
	list, err := enclave.GetAllFilesArtifactNamesAndUuids(ctx)
	must(err, "listing artifacts")
	check(len(list) == 1, "artifacts: %v", list)
}

func readLogs(ctx context.Context, engine *kurtosis_context.KurtosisContext, enclave *enclaves.EnclaveContext) {
	cache, err := enclave.GetServiceContext("cache")
	must(err, "reading the service 'cache'")
	uuid := services.ServiceUUID(cache.GetServiceUUID())
	stream, cancel, err := engine.GetServiceLogs(ctx, enclave.GetEnclaveName(), map[services.ServiceUUID]bool{uuid: true},
		true, true, 0, kurtosis_context.NewDoesContainTextLogLineFilter("Ready to accept"))
	must(err, "opening the log stream")
	defer cancel()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case content, open := <-stream:
			check(open, "the log stream ended early")
			if lines := content.GetServiceLogsByServiceUuids()[uuid]; len(lines) > 0 {
				check(strings.Contains(lines[0].GetContent(), "Ready to accept"), "log: %q", lines[0].GetContent())
				return
			}
		case <-deadline:
			check(false, "no log line arrived")
		}
	}
}

func main() {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	work, err := os.MkdirTemp("", "go-sdk")
	must(err, "making a directory")
	defer os.RemoveAll(work)
	engine, err := kurtosis_context.NewKurtosisContextFromLocalEngine()
	must(err, "connecting to the engine")
	enclave, err := engine.CreateEnclave(ctx, "go-sdk")
	must(err, "creating an enclave")
	runScript(ctx, enclave)
	runPackage(ctx, enclave, filepath.Join(work, "package"))
	readServices(enclave)
	exchangeFiles(ctx, enclave, filepath.Join(work, "upload"))
	readLogs(ctx, engine, enclave)
	info, err := engine.GetEnclave(ctx, "go-sdk")
	must(err, "reading the enclave")
	check(info.GetName() == "go-sdk", "enclave %v", info)
	must(engine.DestroyEnclave(ctx, "go-sdk"), "destroying the enclave")
	_, err = engine.GetEnclave(ctx, "go-sdk")
	check(err != nil, "the enclave is still there")
	fmt.Println("the Go SDK is content")
}
