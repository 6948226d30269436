"""Values of Python as words of a command line."""

import difflib
import os


def text_of(name, value):
    """The bytes that the program takes as the value of the option `name`.

    Raises TypeError for what no option takes, ValueError for a NUL.
    """
    text = os.fsencode(_text(name, value))
    if b"\0" in text:
        raise ValueError(f"{name}: want no NUL in it")
    return text


def _text(name, value):
    # NumPy's own bool is none of Python's.
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, os.PathLike)):
        return os.fsdecode(value)
    if isinstance(value, dict):
        return ",".join(f"{key}={_text(name, one)}"
                        for key, one in value.items())
    if hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1:
        value = value.tolist()  # an array of NumPy's
    if isinstance(value, (list, tuple)):
        # Specifications of workloads have commas in them.
        between = ";" if name == "workloads" else ","
        return between.join(_text(name, one) for one in value)
    if hasattr(value, "__index__"):
        number = value.__index__()
        if abs(number) >= 1 << 64:
            raise ValueError(f"{name}: want a number below 2^64")
        return str(number)
    if hasattr(value, "__float__"):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    raise TypeError(f"{name}: want a text, a number, a bool, a path, or a list "
                    f"of these, not {type(value).__name__}")


def paths_of(trace):
    """The files of `trace`, a path or several of them, as bytes."""
    if trace is None:
        return []
    if isinstance(trace, (str, bytes, os.PathLike)):
        trace = [trace]
    paths = []
    for path in trace:
        path = text_of("trace", path)
        if path in (b"", b"-"):
            raise ValueError(f"trace={os.fsdecode(path)}: want a file")
        paths.append(path)
    return paths


def nearest(name, names):
    """'; did you mean ...?', or nothing if none of `names` is near."""
    found = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean '{found[0]}'?" if found else ""
