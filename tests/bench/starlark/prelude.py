"""What CPython needs to run the benchmark programs: the names that Starlark predeclares."""
import json as _json
import sys
from types import SimpleNamespace as struct

sys.set_int_max_str_digits(0)


class json:
    encode = staticmethod(lambda v: _json.dumps(v, separators=(",", ":"), sort_keys=True))
    decode = staticmethod(_json.loads)


_type = type


def type(value):  # Starlark's type() gives a name
    return _type(value).__name__


with open(sys.argv[1], encoding="utf-8") as _source:
    exec(compile(_source.read(), sys.argv[1], "exec"))
