// Runs one Starlark file with starlark-go: a peer of the benchmark.
package main

import (
	"fmt"
	"os"

	"go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

func main() {
	predeclared := starlark.StringDict{
		"json":   json.Module,
		"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
	}
	thread := &starlark.Thread{Print: func(_ *starlark.Thread, text string) { fmt.Println(text) }}
	if _, err := starlark.ExecFileOptions(&syntax.FileOptions{}, thread, os.Args[1], nil, predeclared); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
