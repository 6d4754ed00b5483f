"""Random programs of the Starlark dialect. Most statements report what an expression gives or how it
fails; the rest is control flow around them, and every program may end in an uncaught error."""
import random

INTS = ["0", "1", "2", "3", "-1", "-2", "7", "10", "255", "-256", "0x10", "0o17", "0b101", "65", "1000",
        "2147483647", "2147483648", "-2147483648", "-2147483649", "4294967296", "4611686018427387903",
        "4611686018427387904", "-4611686018427387905", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808", "-9223372036854775809", "18446744073709551616", "(1 << 100)", "-(1 << 77)",
        "123456789012345678901234567890123456789", "(1 << 511)", "1" + "0" * 60]
SMALL = ["0", "1", "2", "3", "5", "-1", "-2", "-3", "10"]
FLOATS = ["0.0", "-0.0", "1.0", "1.5", "-2.5", "1e6", "999999.0", "100000.0", "1e-5", "0.0001", "0.1", "1e100",
          "1e308", "5e-324", "3.14159", ".5", "1.", "1E+3", "123456789.0", "1e21", "9007199254740993.0",
          'float("nan")', 'float("+inf")', 'float("-inf")', "1e22", "2.5e-7", "123456.789"]
STRINGS = ['""', '"a"', '"abc"', '"A b C"', '"hello world"', '"héllo"', '"日本語"', '"😀"', r'"a\tb\nc"', r'"\x00x"',
           r'r"\d+"', '"aXbXc"', '"  sp  "', '"0x1f"', '"-12"', '"1.5"', '"1e3"', '"true"', '"é"[0]', '"😀x"[1:]',
           '"ab" * 3', '"x" * 70', '"%s"', '"{}"', '"a,b,,c"', '"\'"', '"""t"q"""', "'s'", r'"\u00e9\U0001F600"',
           '"ß"', '"İI"', '"ǆ"', '"Éa éA"', r'"\u2028"', '"1_0"', '"nan"', '"[1, 2]"', r'"{\"a\": 1}"', '"UTC"',
           '"1h30m"', '"2020-02-29T12:00:00Z"', r'"a\r\nb\n\nc"', r'"\x7f"', '"\\\\"', r'"\u0085\u00a0x\u3000"',
           '"key"', '"name"', '"٣"', '"Ⅷ"', '"ﬁ"', r'"\u00ad\u200b"', r'"\ue000"', r'"\u0300"']
BYTES = ['b""', 'b"abc"', r'b"\xff\x00"', 'b"é"', 'b"a" * 4', r'rb"\x"']
FORMATS = ["{}", "{0}", "{1}", "{a}", "{!r}", "{0!s}", "{{", "}}", "{", "}", "{a.b}", "{a[0]}", "{:d}", "{!x}", "x",
           "é", "{a!r}", "{ }", "{-1}", "{00}", "{a:}", "{!r:}", "{{}}", "{0", "{!}"]
PERCENTS = ["%s", "%r", "%d", "%i", "%o", "%x", "%X", "%e", "%f", "%g", "%E", "%F", "%G", "%c", "%%", "%(a)s",
            "%(b)d", "%(", "%", "%q", "x", "%(a", "%5d", "%(a)", "é", "%()s"]
METHODS = {
    "string": ["capitalize()", "codepoint_ords()", "codepoints()", "count(S)", "count(S, I)", "count(S, I, I)",
               "elem_ords()", "elems()", "endswith(S)", "endswith((S, S))", "endswith(S, I, I)", "find(S)",
               "find(S, I)", "find(S, I, I)", "format(X, X)", "format(a = X)", "index(S)", "isalnum()", "isalpha()",
               "isdigit()", "islower()", "isspace()", "istitle()", "isupper()", "join(L)", "join([S, S, S])",
               "join((S,))", "lower()", "lstrip()", "lstrip(S)", "partition(S)", "removeprefix(S)",
               "removesuffix(S)", "replace(S, S)", "replace(S, S, I)", "rfind(S)", "rfind(S, I, I)", "rindex(S)",
               "rpartition(S)", "rsplit()", "rsplit(S)", "rsplit(S, I)", "rsplit(None, I)", "split()", "split(S)",
               "split(S, I)", "split(None, I)", "splitlines()", "splitlines(B)", "startswith(S)",
               "startswith((S, S), I)", "strip()", "strip(S)", "rstrip(S)", "title()", "upper()"],
    "list": ["append(X)", "clear()", "extend(L)", "index(X)", "index(X, I)", "index(X, I, I)", "insert(I, X)",
             "pop()", "pop(I)", "remove(X)"],
    "dict": ["clear()", "get(X)", "get(X, X)", "items()", "keys()", "pop(X)", "pop(X, X)", "popitem()",
             "setdefault(X)", "setdefault(X, X)", "update(D)", "update([(X, X)])", "update(a = X)", "values()",
             "update([X])", "update(X)"],
    "bytes": ["elems()"],
}
CALLS = ["abs(N)", "any(L)", "all(L)", "bool(X)", "bytes(X)", "bytes(S)", "bytes([I, I])", "chr(I)", "dict(D)",
         "dict([(X, X), (X, X)])", "dict(a = X, b = X)", "dict(L)", "dir(X)", "enumerate(L)", "enumerate(L, I)",
         "fail(X)", "fail(X, X, sep = S)", "float(X)", "float(S)", "float(N)", "getattr(X, S)", "getattr(X, S, X)",
         'getattr(S, "upper")()', "hasattr(X, S)", "hash(X)", "hash(S)", "hash(Y)", "int(X)", "int(S)", "int(S, I)",
         "int(F)", "len(X)", "len(L)", "list(L)", "max(L)", "max(X, X)", "max(L, key = FN)", "min(N, N)",
         "min(L, key = FN)", "ord(S)", "ord(Y)", "print(X)", "print(X, X, sep = S)", "range(K)", "range(K, K)",
         "range(K, K, K)", "len(range(0, 4294967296, K))", "(I in range(-9223372036854775807, 0, 3))",
         "range(K, 1 << 40)[I]", "range(1 << 62, K, -7)[K:I]", "(range(K, 1 << 40) == range(K, 1 << 40, K))", "repr(X)", "reversed(L)", "sorted(L)", "sorted(L, reverse = B)", "sorted(L, key = FN)",
         "sorted(L, key = FN, reverse = B)", "str(X)", "tuple(L)", "type(X)", "zip(L, L)", "zip(L)", "zip()",
         "zip(L, L, L)", "set([1])", "json.encode(X)", "json.encode(D)", "json.decode(S)", "json.decode(J)",
         "json.indent(J)", "json.indent(J, indent = S)", "json.indent(json.encode(X), prefix = S)",
         "json.decode(json.encode(X))", "struct(a = X, b = X)", "struct(**D)", "struct(X)", "struct()",
         "time.parse_duration(S)", "time.parse_duration(DUR)", "time.from_timestamp(I)",
         "time.from_timestamp(I, I)", "time.time(year = 2024, month = I, day = I, hour = I)",
         "time.parse_time(S)", 'time.parse_time("2021-03-04T05:06:07.5+02:00")', "time.is_valid_timezone(S)",
         "time.second * I", "time.hour + time.minute", "str(time.parse_duration(DUR))",
         "time.from_timestamp(I).format(S)", 'time.from_timestamp(I).format("Mon Jan _2 15:04:05.000 2006")',
         "dir(time)", "dir(json)", "TIME.year", "TIME.unix", "TIME.in_location(S)", "TIME - TIME", "TIME < TIME",
         "TIME == TIME", "DURV / DURV", "DURV // DURV", "DURV * I", "DURV < DURV", "DURV.hours", "DURV + TIME",
         "DURV / I", "DURV.milliseconds", "{DURV: 1}", "FN(X)", "FN()", "FN(X, X)", "FN(*L)", "FN(**D)",
         "FN(X, *L, **D)", "FN(a = X)", "FN(zz = X)", "FN(b = X, a = X)"]
DURATIONS = ['"1h"', '"1.5s"', '"-2m3s"', '"100ms"', '"1µs"', '"7ns"', '"1"', '"h"', '"1h-1m"', '".5h"', '"1x"',
             '"9223372036s"', '"9999999999999s"', '""', '"0"', '"1.s"', '"+5s"', '"2540400h10m10.0001s"']
JSON = ["{}", "[]", '{"a": 1, "b": [1, 2.5, null, true]}', '[1, -2, 1e3, "x\\u00e9\\n"]', '{"a": 1, "a": 2}', "01", "-",
        '"abc', "[1,", '{"a" 1}', "{1: 2}", "nul", "true false", "1.5e400", "123456789012345678901234567890", "[1 2]",
        '"\\ud83d\\ude00"', '"\\ud800"', '"\\q"', " [ ] ", "-0", "-0.0", "1.", "1e", '{"k": {"j": [[], {}]}}', "",
        '"\t"', "[[[[[[]]]]]]", "+1", "\xff", '{"a":}', '{,}', "[,]", '{"é": "日"}']
BINARY = ["+", "-", "*", "/", "//", "%", "|", "&", "^", "<<", ">>", "==", "!=", "<", ">", "<=", ">=", "in", "not in",
          "and", "or"]
ATTRS = ["a", "b", "upper", "append", "keys", "items", "nope", "Append", "hours", "year", "yaer", "elems", "kyes",
         "encode", "decode", "splitt"]


class Program:
    def __init__(self, rng):
        self.rng = rng
        self.lines = []
        self.names = {"X": [], "I": [], "L": [], "D": [], "S": [], "FN": []}
        self.counter = 0
        self.strict = 0

    def pick(self, choices):
        return choices[int(self.rng.random() * len(choices))]

    def chance(self, p):
        return self.rng.random() < p

    # ---- expressions --------------------------------------------------------

    def fill(self, pattern, depth):
        """Replaces the capital words of a pattern by expressions of their kinds."""
        out, word = [], ""
        quote = False
        for c in pattern + "\0":
            if c == '"':
                quote = not quote
            if not quote and (c.isupper()):
                word += c
                continue
            if word:
                out.append(self.kind(word, depth))
                word = ""
            out.append(c)
        return "".join(out)[:-1]

    def kind(self, word, depth):
        if not self.strict and self.chance(0.04) and word in ("I", "S", "L", "D", "N", "F", "Y", "B", "FN", "J"):
            word = "X"
        if word in self.names and self.names[word] and self.chance(0.3):
            return self.pick(self.names[word])
        if word == "X":
            return self.any(depth)
        if word == "I":
            return self.pick(SMALL) if self.chance(0.7) else self.integer(depth)
        if word == "K":  # lengths that loops may have
            return self.pick(SMALL)
        if word == "F":
            return self.pick(FLOATS)
        if word == "N":
            return self.number(depth)
        if word == "S":
            return self.string(depth)
        if word == "Y":
            return self.pick(BYTES)
        if word == "B":
            return self.pick(["True", "False"])
        if word == "L":
            return self.iterable(depth)
        if word == "D":
            return self.dictionary(depth)
        if word == "FN":
            return self.function(depth)
        if word == "J":
            return repr_star(self.pick(JSON))
        if word == "DUR":
            return self.pick(DURATIONS)
        if word == "DURV":
            return self.pick(["time.second", "time.hour", "time.millisecond", "time.parse_duration(\"1.5s\")",
                              "(0 * time.second)", "(-3 * time.minute)"])
        if word == "TIME":
            return self.pick(["time.from_timestamp(0)", "time.from_timestamp(1700000000, 5)",
                              "time.time(year = 2020, month = 2, day = 30)",
                              'time.parse_time("2021-03-04T05:06:07.5+02:00")'])
        return word

    def number(self, depth):
        return self.pick(FLOATS) if self.chance(0.4) else self.integer(depth)

    def integer(self, depth):
        if depth <= 0 or self.chance(0.5):
            return self.pick(INTS)
        self.strict += 1
        op = self.pick(["+", "-", "*", "//", "%", "&", "|", "^", "<<", ">>", "~", "-u", "+"])
        if op == "~" or op == "-u":
            text = op[0] + self.integer(depth - 1)
        elif op in ("<<", ">>"):
            text = self.integer(depth - 1) + f" {op} " + self.pick(["0", "1", "31", "62", "64", "100", "511", "512", "-1"])
        else:
            text = f"{self.integer(depth - 1)} {op} {self.integer(depth - 1)}"
        self.strict -= 1
        return f"({text})"

    def string(self, depth):
        if depth <= 0 or self.chance(0.6):
            return self.pick(STRINGS)
        roll = self.rng.random()
        if roll < 0.25:
            pieces = "".join(self.pick(PERCENTS) for _ in range(self.rng.randint(1, 3)))
            right = self.pick(["X", "(X, X)", "(X,)", "D", "(N, N)", "I", "F", '{"a": X, "b": N}', "(X, X, X)"])
            return f"({repr_star(pieces)} % {self.fill(right, depth - 1)})"
        if roll < 0.45:
            pieces = "".join(self.pick(FORMATS) for _ in range(self.rng.randint(1, 3)))
            return f"{repr_star(pieces)}.format({self.fill(self.pick(['X', 'X, X', 'a = X', 'X, a = X', '', '*L', '**D']), depth - 1)})"
        if roll < 0.6:
            return f"({self.string(depth - 1)} + {self.string(depth - 1)})"
        if roll < 0.7:
            return f"{self.string(depth - 1)}[{self.slice_(depth)}]"
        if roll < 0.85:
            return f"{self.pick(['str', 'repr', 'type'])}({self.any(depth - 1)})"
        return f"{self.string(depth - 1)}.{self.fill(self.pick(METHODS['string']), depth - 1)}"

    def slice_(self, depth):
        return self.fill(self.pick(["I:", ":I", "I:I", "I:I:I", "::I", ":", "I:I:-1", "::-1", "I"]), 0 if depth > 1 else depth - 1)

    def iterable(self, depth):
        if depth <= 0 or self.chance(0.25):
            return self.pick(["[]", "()", "[1, 2, 3]", '["b", "a"]', "(1,)", "range(4)", "range(5, 0, -2)", "range(0)",
                              "{}", '{"a": 1}', '"héy".elems()', '"héy".codepoints()', '"ab".elem_ords()', 'b"xy".elems()',
                              "[(1, 2), (3, 4)]", "[[1], [0]]", '["a", 1]', "[1.5, 1, 2]", "[True, False]"])
        roll = self.rng.random()
        count = self.rng.randint(0, 4)
        if roll < 0.35:
            kind = self.pick(["X", "I", "S", "N"])
            return "[" + ", ".join(self.kind(kind, depth - 1) for _ in range(count)) + "]"
        if roll < 0.5:
            kind = self.pick(["X", "I", "S", "N"])
            items = [self.kind(kind, depth - 1) for _ in range(count)]
            return "(" + ", ".join(items) + ("," if count == 1 else "") + ")"
        if roll < 0.75:
            return self.comprehension(depth)
        if roll < 0.85:
            return self.fill(self.pick(["list(L)", "sorted(L)", "reversed(L)", "D.items()", "D.keys()", "S.split()",
                                        "enumerate(L)", "zip(L, L)", "S.elems()", "S.codepoint_ords()"]), depth - 1)
        if roll < 0.93:
            return f"{self.iterable(depth - 1)}[{self.slice_(depth)}]"
        return f"({self.iterable(depth - 1)} {self.pick(['+', '*'])} {self.pick([self.iterable(depth - 1), self.pick(SMALL)])})"

    def comprehension(self, depth):
        name = f"c{self.counter}"
        self.counter += 1
        source = self.iterable(depth - 1)
        clauses = f"for {name} in {source}"
        if self.chance(0.15):
            other = f"c{self.counter}"
            self.counter += 1
            clauses = f"for {name}, {other} in {self.pick(['[(1, 2), (3, 4)]', 'enumerate(' + source + ')', source])}"
        self.names["X"].append(name)
        if self.chance(0.3):
            clauses += f" if {self.any(depth - 2)}"
        if self.chance(0.2):
            inner = f"c{self.counter}"
            self.counter += 1
            clauses += f" for {inner} in {self.iterable(depth - 2)}"
            self.names["X"].append(inner)
            body = self.any(depth - 1)
            self.names["X"].pop()
        else:
            body = self.any(depth - 1)
        self.names["X"].pop()
        if self.chance(0.2):
            return f"{{{name}: {body} {clauses}}}"
        return f"[{body} {clauses}]"

    def dictionary(self, depth):
        if depth <= 0 or self.chance(0.3):
            return self.pick(["{}", '{"a": 1}', '{"a": 1, "b": 2}', '{1: "x", 2.0: "y"}', '{(1, 2): 3}', '{"b": [1]}'])
        kind = self.pick(["S", "I", "X", "S", "N"])
        items = [f"{self.kind(kind, depth - 2)}: {self.any(depth - 1)}" for _ in range(self.rng.randint(0, 4))]
        text = "{" + ", ".join(items) + "}"
        if self.chance(0.1):
            return f"({text} | {self.dictionary(depth - 1)})"
        return text

    def function(self, depth):
        if self.names["FN"] and self.chance(0.4):
            return self.pick(self.names["FN"])
        if self.chance(0.3):
            return self.pick(["len", "str", "abs", "type", "repr", "hash", "list", "bool", '"x".join', "[].append",
                              "{}.get", "print", "struct", "max", "json.encode", "int", "float", "any"])
        params = self.pick(["x", "x, y", "x, y = 2", "*args", "x, *args", "**kwargs", "a, b = 1, *, k = 3", "a, *, b",
                            "", "*a, **k", "x = [], y = {}"])
        names = [p.strip(" *").split(" ")[0] for p in params.split(",") if p.strip(" *")]
        self.names["X"] += names
        body = self.any(depth - 1)
        if names:
            del self.names["X"][-len(names):]
        return f"(lambda {params}: {body})".replace("lambda :", "lambda:")

    def any(self, depth):
        if self.names["X"] and self.chance(0.25):
            return self.pick(self.names["X"])
        roll = self.rng.random()
        if depth <= 0:
            return self.pick([self.pick(SMALL), self.pick(STRINGS), self.pick(INTS), self.pick(FLOATS), "None", "True",
                              "False", "[]", "()", "{}", "[1]", '{"a": 1}', self.pick(BYTES), "range(3)", "len",
                              'struct(a = 1)'])
        depth -= 1
        if roll < 0.10:
            return self.number(depth)
        if roll < 0.22:
            return self.string(depth)
        if roll < 0.32:
            return self.iterable(depth)
        if roll < 0.39:
            return self.dictionary(depth)
        if roll < 0.60:
            return self.fill(self.pick(CALLS), depth)
        if roll < 0.72:
            return self.method(depth)
        if roll < 0.84:
            return self.operator(depth)
        if roll < 0.88:
            return f"({self.any(depth)} if {self.any(depth)} else {self.any(depth)})"
        if roll < 0.92:
            return f"{self.primary(depth)}[{self.any(depth) if self.chance(0.5) else self.slice_(depth)}]"
        if roll < 0.95:
            return f"{self.primary(depth)}.{self.pick(ATTRS)}"
        if roll < 0.97:
            return self.function(depth)
        return f"{self.pick(['not ', '-', '+', '~'])}{self.primary(depth)}"

    def primary(self, depth):
        text = self.any(depth)
        return f"({text})"

    def method(self, depth):
        kind = self.pick(["string", "string", "string", "list", "dict", "bytes"])
        receiver = {"string": "S", "list": "L", "dict": "D", "bytes": "Y"}[kind]
        call = self.pick(METHODS[kind])
        if self.chance(0.05):
            call = call[:-1] + self.pick([", 1)", ", x = 1)", ", None)"]) if not call.endswith("()") else call[:-1] + "1)"
        return f"{self.kind(receiver, depth)}.{self.fill(call, depth)}"

    def operator(self, depth):
        op = self.pick(BINARY)
        if op == "*":
            # Operands that cannot multiply to something huge.
            return "(" + self.fill(self.pick(["N * N", "S * 2", "3 * L", "L * -1", "S * S", "L * 1099511627776", "\"ab\" * 2147483647",
                                              "D * 2", "2 * D", "B * 2", "Y * 2", "[] * 2147483647", "None * 1"]), min(depth, 1)) + ")"
        left, right = self.any(depth), self.any(depth)
        if self.chance(0.4) and op not in ("and", "or"):
            kind = self.pick(["N", "S", "L", "D", "I"])
            left, right = self.kind(kind, depth), self.kind(kind, depth)
        if op in ("<<", ">>"):
            right = self.pick(["0", "1", "9", "64", "511", "512", "-1", "1.0"])
        return f"({left} {op} {right})"

    # ---- statements ---------------------------------------------------------

    def fresh(self, prefix="v"):
        self.counter += 1
        return f"{prefix}{self.counter}"

    def report(self, indent, depth):
        expression = self.any(depth)
        if self.chance(0.04):
            return [f"{indent}print({expression})"]
        return [f"{indent}print(catch(lambda: {expression}))"]

    def block(self, indent, depth, loop):
        lines = []
        for _ in range(self.rng.randint(1, 3)):
            lines += self.statement(indent, depth, loop)
        return lines

    def statement(self, indent, depth, loop):
        roll = self.rng.random()
        if roll < 0.45 or depth <= 0:
            return self.report(indent, 2)
        if roll < 0.60:
            name = self.fresh("l")
            kind = self.pick(["X", "L", "D", "I"])
            line = f"{indent}{name} = {self.kind(kind, 1)}"
            self.names["X"].append(name)
            return [line]
        if roll < 0.68 and self.names["X"]:
            name = self.pick([n for n in self.names["X"] if n[0] == "l"] or [""])
            if name:
                op = self.pick(["+=", "-=", "*=", "//=", "%=", "|=", "&=", "/=", "^=", "<<=", ">>="])
                value = self.any(1) if op not in ("*=", "<<=", ">>=") else self.pick(["2", "-1", "0"])
                target = self.pick([name, name, f"{name}[0]", f'{name}["a"]', f"{name}.a"])
                return [f"{indent}{target} {op} {value}"] if op != "*=" else [f"{indent}{name} = {value}"]
            return self.report(indent, 2)
        if roll < 0.76:
            lines = [f"{indent}if {self.any(1)}:"] + self.block(indent + "    ", depth - 1, loop)
            if self.chance(0.3):
                lines += [f"{indent}elif {self.any(1)}:"] + self.block(indent + "    ", depth - 1, loop)
            if self.chance(0.4):
                lines += [f"{indent}else:"] + self.block(indent + "    ", depth - 1, loop)
            return lines
        if roll < 0.86:
            name = self.fresh("l")
            target = self.pick([name, name, name, f"{name}, l0", f"({name}, [l0])", f"{name}, *l0"] if self.chance(0.05) else [name, f"{name}, l0"])
            source = self.iterable(1) if target == name else self.pick(["[(1, 2), (3, 4)]", "enumerate(" + self.iterable(1) + ")", self.iterable(1)])
            self.names["X"].append(name)
            return [f"{indent}for {target} in {source}:"] + self.block(indent + "    ", depth - 1, True)
        if roll < 0.90 and loop:
            return [f"{indent}{self.pick(['break', 'continue', 'pass'])}"]
        if roll < 0.94:
            return [f"{indent}return {self.any(1)}"]
        if roll < 0.97:
            return [f"{indent}{self.pick(['l0, l00', '[l0, l00]', '(l0, (l00, l000))'])} = {self.any(1)}"]
        name = self.fresh("fn")
        return [f"{indent}def {name}({self.pick(['', 'p', 'p, q = 1', '*a', '**k'])}):"] + \
               self.block(indent + "    ", depth - 1, False) + \
               [f"{indent}print(catch(lambda: {name}({self.pick(['', '1', '1, 2', '*[1]', 'p = 3'])})))"]

    def define(self):
        name = self.fresh("f")
        params = self.pick(["", "p", "p, q = 1", "p, *args", "**kwargs", "p, q = [], *args, **kwargs", "*, k = 1", "p, *, k",
                            "p = {}, q = ()"])
        saved = {k: list(v) for k, v in self.names.items()}
        self.names["X"] += [n.strip(" *").split(" ")[0] for n in params.split(",") if n.strip(" *")]
        lines = [f"def {name}({params}):"] + self.block("    ", 3, False)
        if self.chance(0.5):
            lines.append(f"    return {self.any(2)}")
        self.names = saved
        self.lines += lines
        self.names["FN"].append(name)
        self.names["X"].append(name)
        call = self.pick(["", "1", "1, 2", "*[1, 2, 3]", "p = 5", "**{'p': 1}", "1, k = 2", "x = 1", "[], {}", self.any(1)])
        form = "print(catch(lambda: {}))" if self.chance(0.8) else "print({})"
        self.lines.append(form.format(f"{name}({call})"))

    def generate(self):
        for _ in range(self.rng.randint(4, 14)):
            roll = self.rng.random()
            if roll < 0.15:
                self.define()
            elif roll < 0.30:
                name = self.fresh("g")
                kind = self.pick(["X", "L", "D", "I", "S"])
                expression = self.kind(kind, 2)
                self.lines.append(f"{name} = {expression}" if self.chance(0.15) else f"{name} = catch(lambda: {expression})[0]")
                self.names["X"].append(name)
            else:
                self.lines += self.report("", self.rng.randint(1, 4))
        return "\n".join(self.lines) + "\n"


def repr_star(text):
    out = ['"']
    for c in text:
        if c in '"\\':
            out.append("\\" + c)
        elif ord(c) < 32 or ord(c) == 127:
            out.append(f"\\x{ord(c):02x}")
        else:
            out.append(c)
    return "".join(out) + '"'


def program(seed):
    return Program(random.Random(seed)).generate().encode()


# ---- sources for the parser -------------------------------------------------

PIECES = [b"(", b")", b"[", b"]", b"{", b"}", b",", b":", b"=", b"==", b"+", b"-", b"*", b"**", b" if ", b" else ", b" for ",
          b" in ", b" not ", b"lambda x: ", b"def ", b"return ", b"\n", b"\n    ", b"\n\t", b"\\\n", b"\\", b'"', b"'", b'"""',
          b"#", b"1", b"0x", b"1e", b"09", b".", b".5", b"\xc3\xa9", b"\xff", b"\x00", b"$", b"!", b"!=", b"~", b"load(",
          b" and ", b" or ", b"pass", b"break", b"continue", b"while ", b"class ", b"async ", b"x", b"//=", b"<<", b">>=",
          b";", b"|", b"@", b"`", b"r'", b"b'", b"rb'", b"f'", b"\r", b"\r\n", b"global ", b"\xf0\x9f\x98\x80", b"elif ",
          b"\\x", b"\\u12", b"\\400", b"None = 1", b"*args", b"**kw", b"return", b"1 = 2", b"x += 1", b"1 < 2 < 3"]


def mutate(source, rng):
    """The program with some bytes gone, doubled, moved or put in; it stops before it runs."""
    text = bytearray(source)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(text))
        end = min(len(text), at + rng.randint(1, 8))
        roll = rng.random()
        if roll < 0.3:
            del text[at:end]
        elif roll < 0.45:
            text[at:at] = text[at:end]
        elif roll < 0.6:
            to = rng.randint(0, len(text))
            piece = text[at:end]
            text[to:to] = piece
        elif roll < 0.95:
            text[at:at] = rng.choice(PIECES)
        else:
            del text[at:]
    return b'fail("stop")\n' + bytes(text)
