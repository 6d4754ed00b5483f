// Runs the programs of a batch with the pinned starlark-go. The batch (standard input) is a row of
// records "LENGTH\n" + source; the answer (standard output) a row of records
// "OUTPUT-LENGTH ERROR-LENGTH\n" + output + error, both as ../batch.c writes them.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.starlark.net/lib/json"
	"go.starlark.net/lib/time"
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

const maxSteps = 3000000

func describe(err error) string {
	var out strings.Builder
	var eval *starlark.EvalError
	var list resolve.ErrorList
	var syn syntax.Error
	switch {
	case errors.As(err, &eval):
		if strings.Contains(eval.Msg, "too many steps") {
			return "STEPS"
		}
		for _, frame := range eval.CallStack {
			fmt.Fprintf(&out, "%s:%d:%d %s\n", frame.Pos.Filename(), frame.Pos.Line, frame.Pos.Col, frame.Name)
		}
		fmt.Fprintf(&out, "EVAL %s", eval.Msg)
	case errors.As(err, &list):
		for _, one := range list {
			fmt.Fprintf(&out, "%s:%d:%d %s\n", one.Pos.Filename(), one.Pos.Line, one.Pos.Col, one.Msg)
		}
		out.WriteString("RESOLVE")
	case errors.As(err, &syn):
		fmt.Fprintf(&out, "%s:%d:%d %s\nSYNTAX", syn.Pos.Filename(), syn.Pos.Line, syn.Pos.Col, syn.Msg)
	default:
		fmt.Fprintf(&out, "OTHER %v", err)
	}
	return out.String()
}

// catch(f) gives f()'s error text, or its value in a tuple.
func catch(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	value, err := starlark.Call(thread, args[0], nil, nil)
	if err == nil {
		return starlark.Tuple{value}, nil
	}
	if strings.Contains(err.Error(), "too many steps") {
		return nil, err
	}
	return starlark.String(err.Error()), nil
}

func run(source string) (output string, failure string) {
	var out strings.Builder
	defer func() {
		if cause := recover(); cause != nil {
			output, failure = "", fmt.Sprintf("PANIC %v", cause)
		}
	}()
	thread := &starlark.Thread{Print: func(_ *starlark.Thread, text string) { out.WriteString(text + "\n") }}
	thread.SetMaxExecutionSteps(maxSteps)
	names := starlark.StringDict{
		"json":   json.Module,
		"time":   time.Module,
		"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
		"catch":  starlark.NewBuiltin("catch", catch),
	}
	if _, err := starlark.ExecFile(thread, "p.star", source, names); err != nil {
		failure = describe(err)
	}
	return out.String(), failure
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	for {
		var length int
		if _, err := fmt.Fscanf(in, "%d\n", &length); err != nil {
			return
		}
		source := make([]byte, length)
		if _, err := io.ReadFull(in, source); err != nil {
			fmt.Fprintln(os.Stderr, "short batch")
			os.Exit(2)
		}
		output, failure := run(string(source))
		fmt.Fprintf(out, "%d %d\n%s%s", len(output), len(failure), output, failure)
	}
}
