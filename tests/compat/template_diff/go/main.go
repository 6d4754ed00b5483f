// Compares our template engine with Go's text/template: runs the cases of a file and a number
// of random mutations of them through both, and prints every difference.
//
// Usage: template_diff RENDERER CASES [MUTATIONS [SEED]]
// or:    template_diff -expect CASES   prints what Go gives, for tests/conformance/template
//
// Cases stand one per paragraph, separated by lines of "---"; a line "=== JSON" sets the data
// for the cases after it.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"text/template"
)

type testCase struct{ text, data string }

func load(path string) []testCase {
	content, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	var cases []testCase
	data := "null"
	for _, part := range strings.Split(string(content), "\n---\n") {
		if rest, ok := strings.CutPrefix(part, "=== "); ok {
			line, body, more := strings.Cut(rest, "\n")
			data = line
			if !more {
				continue
			}
			part = body
		}
		cases = append(cases, testCase{strings.TrimSuffix(part, "\n"), data})
	}
	return cases
}

func reference(c testCase) (out, message string) {
	decoder := json.NewDecoder(strings.NewReader(c.data))
	decoder.UseNumber()
	var data any
	if err := decoder.Decode(&data); err != nil {
		return "", err.Error()
	}
	parsed, err := template.New("T").Parse(c.text)
	if err != nil {
		return "", err.Error()
	}
	var b strings.Builder
	if err := parsed.Execute(&b, data); err != nil {
		return b.String(), err.Error()
	}
	return b.String(), ""
}

type renderer struct {
	in  io.Writer
	out *bufio.Reader
}

func start(path string) renderer {
	command := exec.Command(path)
	in, _ := command.StdinPipe()
	out, _ := command.StdoutPipe()
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		panic(err)
	}
	return renderer{in, bufio.NewReaderSize(out, 1<<20)}
}

func (r renderer) render(c testCase) (out, message string) {
	line, _ := json.Marshal(map[string]string{"t": c.text, "d": c.data})
	if _, err := r.in.Write(append(line, '\n')); err != nil {
		fmt.Printf("the renderer died on %q with %s\n", c.text, c.data)
		os.Exit(1)
	}
	answer, err := r.out.ReadString('\n')
	if err != nil {
		fmt.Printf("the renderer died on %q with %s\n", c.text, c.data)
		os.Exit(1)
	}
	first, second, _ := strings.Cut(strings.TrimSuffix(answer, "\n"), " ")
	a, _ := hex.DecodeString(first)
	b, _ := hex.DecodeString(second)
	return string(a), string(b)
}

var pieces = []string{
	"{{", "}}", "{{- ", " -}}", "{{.}}", "{{.a}}", "{{.n}}", "{{end}}", "{{else}}", "{{if .a}}",
	"{{range .l}}", "{{range $i, $e := .m}}", "{{with .m}}", " | ", "printf \"%v\" ", "printf \"%5.2q\" ",
	"index .l 1", "len .l", "$", "$x := ", "(", ")", ".", "nil", "true", "1", "1.5", "'a'", "\"s\"", "`r`",
	" eq 1 1", "not ", "and ", "or ", "slice .s 1 2", "print ", "{{break}}", "{{continue}}", "{{define \"d\"}}",
	"{{template \"d\" .}}", "{{/* c */}}", "\n", " ", "-", ",", "=", ":=", "0x1F", "1e3", "2i", "\\", "\"",
}

func mutate(random *rand.Rand, text string, all []testCase) string {
	for n := 1 + random.Intn(3); n > 0; n-- {
		at := random.Intn(len(text) + 1)
		switch random.Intn(4) {
		case 0:
			text = text[:at] + pieces[random.Intn(len(pieces))] + text[at:]
		case 1:
			end := at + random.Intn(len(text)-at+1)
			if end-at > 8 {
				end = at + 8
			}
			text = text[:at] + text[end:]
		case 2:
			other := all[random.Intn(len(all))].text
			from := random.Intn(len(other) + 1)
			to := from + random.Intn(len(other)-from+1)
			text = text[:at] + other[from:to] + text[at:]
		case 3:
			words := strings.SplitAfter(text, " ")
			i, j := random.Intn(len(words)), random.Intn(len(words))
			words[i], words[j] = words[j], words[i]
			text = strings.Join(words, "")
		}
	}
	return strings.ToValidUTF8(text, "?")
}

// Addresses differ from run to run; so do the limits of recursion and of loops.
var address = regexp.MustCompile(`0xc[0-9a-f]{9}|%!p\([^)]*\)|[0-9a-f]{10,}`)
var pointer = regexp.MustCompile(`%[^a-z%]*p`)
var endless = regexp.MustCompile(`range[^}]*[0-9]{4}|range[^}]*0x|range[^}]*e[0-9]|[0-9]{5}|range[^}]*'`)

func main() {
	if len(os.Args) < 3 {
		fmt.Println("usage: template_diff RENDERER CASES [MUTATIONS [SEED]]")
		os.Exit(2)
	}
	cases := load(os.Args[2])
	if os.Args[1] == "-expect" {
		for _, c := range cases {
			out, message := reference(c)
			fmt.Println(strconv.Quote(out))
			fmt.Println(strconv.Quote(message))
		}
		return
	}
	mutations, seed := 0, 1
	if len(os.Args) > 3 {
		mutations, _ = strconv.Atoi(os.Args[3])
	}
	if len(os.Args) > 4 {
		seed, _ = strconv.Atoi(os.Args[4])
	}
	r := start(os.Args[1])
	random := rand.New(rand.NewSource(int64(seed)))
	total, different := 0, 0
	check := func(c testCase) {
		total++
		wantOut, wantErr := reference(c)
		out, message := r.render(c)
		same := out == wantOut && message == wantErr
		if !same && address.ReplaceAllString(out+message, "") == address.ReplaceAllString(wantOut+wantErr, "") {
			same = true
		}
		if !same {
			different++
			fmt.Printf("template %q\n    data %s\n    ours %q %q\n    Go   %q %q\n", c.text, c.data, out, message, wantOut, wantErr)
		}
	}
	for _, c := range cases {
		check(c)
	}
	for i := 0; i < mutations && different < 50; i++ {
		c := cases[random.Intn(len(cases))]
		c.text = mutate(random, c.text, cases)
		if endless.MatchString(c.text) || pointer.MatchString(c.text) {
			continue
		}
		check(c)
	}
	fmt.Printf("%d templates, %d different\n", total, different)
	if different > 0 {
		os.Exit(1)
	}
}
