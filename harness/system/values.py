"""What values in the user's files may be: names, texts, addresses, placeholders. Each check says what is wrong in words.

Every function returns the problem, or an empty string when there is none; reading files is done elsewhere.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from harness.errors import did_you_mean
from harness.guard.places import UNIX

__all__ = [
    "CALLEE_PLACEHOLDERS",
    "LONGEST_WORD_B",
    "PLACEHOLDERS",
    "bad_environment_name",
    "bad_header_name",
    "bad_header_value",
    "bad_line",
    "bad_path",
    "bad_placeholder",
    "bad_target",
    "bad_url",
    "fill",
    "unprintable",
]

#: Linux takes no single word of a command and no variable beyond 128 KiB (MAX_ARG_STRLEN, see execve(2)).
LONGEST_WORD_B = 100_000

#: What is filled into commands, environments and edges, beside `{services.NAME.url}`.
PLACEHOLDERS = ("port", "data", "root")
#: What is filled into the url of an edge between services as well.
CALLEE_PLACEHOLDERS = ("url", "address")
#: RFC 9110, section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: These say where a request ends or goes; sent twice they are a way to smuggle another.
_FRAMING = frozenset({"connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNPRINTABLE = re.compile("[\0\ud800-\udfff]")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
#: `{word}`; what stands before and behind says whether it is one (see `_is_placeholder`).
_BRACES = re.compile(r"(?P<before>[$%]?)(?P<left>\{+)(?P<word>[^\W\d][\w.-]*)(?P<right>\}+)")
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def unprintable(text: str) -> str:
    """Nothing can be done anywhere with a null character, or with half of a pair of surrogates."""
    found = _UNPRINTABLE.search(text)
    if found is None:
        return ""
    return "must not hold a null character" if found[0] == "\0" else "must be text that can be written as UTF-8"


def bad_line(text: str) -> str:
    """One line of text that people read: no line breaks and other control characters."""
    return unprintable(text) or ("must be one line without control characters" if _CONTROL.search(text) else "")


def bad_environment_name(name: str) -> str:
    """The name of an environment variable: what every system, shell and tool takes, and a little more."""
    if not name:
        return "must be the name of an environment variable, and not empty"
    if re.search(r"[^!-~]|=", name):
        return "must be the name of an environment variable: printable ASCII without spaces and ="
    return ""


def bad_header_name(name: str) -> str:
    """The name of a header (RFC 9110, section 5.1) that a caller may set."""
    if not _TOKEN.fullmatch(name):
        return "must be the name of a header, such as Authorization"
    return "says how a request is read, so it lets nobody in" if name.lower() in _FRAMING else ""


def bad_header_value(value: str) -> str:
    """The value of a header (RFC 9110, section 5.5), of which only what every client sends alike: printable ASCII."""
    if not value.strip():
        return "must not be empty"
    if re.search(r"[^\x20-\x7e\t]", value):
        return "must be printable ASCII on one line, as the value of a header is"
    return "must not begin or end with a space" if value != value.strip() else ""


def bad_path(path: str) -> str:
    """A path on a service, which is put behind its address."""
    if not path.startswith("/"):
        return "must be a path that starts with /"
    if path.startswith("//"):
        return "must be a path that starts with one /: what stands between two names a host"
    if re.search(r"[^!-~]|[\\#]", path):
        return r"must be a path without spaces, control characters, \ and #; anything beyond ASCII percent-encoded"
    return ""


def bad_url(url: str, *, base: bool = True) -> str:
    """An address: http or https, a host, perhaps a port; nothing that one reader takes for the host and another does not.

    Args:
        base: whether paths are put behind it, so that it may have no query.
    """
    if not url.lower().startswith(("http://", "https://")):
        return "must start with http:// or https://"
    if re.search(r"[^!-~]|\\", url):
        return r"must be without spaces, control characters and \; anything beyond ASCII in its encoded form"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"is no address ({error})"
    wrong = {
        "must not hold a user or password; what lets a caller in belongs into [services.NAME.auth]": "@"
        in parts.netloc,
        "must have a port from 1 to 65535, or none": port == 0 or parts.netloc.endswith(":"),
        "must end with its path: no ? and no #": base and ("?" in url or "#" in url),
        "must be without #": "#" in url,
    }
    return next((w for w, so in wrong.items() if so), "") or _bad_host(
        parts.hostname or "", bracketed="[" in parts.netloc
    )


def bad_target(target: str) -> str:
    """An entry of `runtime.allow_targets`: a host, perhaps with a port, or the path of a socket."""
    if target.startswith(UNIX):
        path = target.removeprefix(UNIX)
        good = path.startswith("/") and path.isprintable() and "/../" not in path and not path.endswith("/")
        return "" if good else f'must be {UNIX} with an absolute path, such as "{UNIX}/run/docker.sock"'
    shape = 'must be a host name or address, perhaps with a port, such as "shop.example" or "10.0.0.7:8080"'
    if "://" in target or "/" in target:
        return f"{shape}, without scheme and path"
    if re.search(r"[^!-~]|[\\@?#]", target) or not target:
        return shape
    if target.count(":") > 1 and "[" not in target:
        return _bad_host(target, bracketed=True)
    problem = bad_url(f"http://{target}")
    return f"{shape}: the host {problem.removeprefix('the host ')}" if problem.startswith("the host") else problem


def _bad_host(host: str, *, bracketed: bool) -> str:
    if not host:
        return "the host is missing"
    if host.endswith("."):
        return "the host must not end with a dot"
    last = host.rpartition(".")[2]
    # Whatever ends in a number is read as an address by some (127.1, 0x7f000001), as a name by others.
    if bracketed or re.fullmatch(r"[0-9]+|0[xX][0-9A-Fa-f]*", last):
        try:
            known = ipaddress.IPv6Address(host) if bracketed else ipaddress.IPv4Address(host)
        except ValueError:
            return f"the host is no address of {'IPv6' if bracketed else 'IPv4'}"
        return "the host must be without a zone" if "%" in str(known) else ""
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        return "the host must be a name of letters, digits, - and dots"
    return ""


def bad_placeholder(text: str, known: Iterable[str], *, variables: bool = False) -> str:
    """A `{word}` that stands for nothing; `{{word}}` is the way to write one that is meant as it is.

    Args:
        known: the words that stand for something.
        variables: whether `${NAME}` stands for an environment variable.
    """
    known = tuple(known)
    for match in _BRACES.finditer(text):
        word = match["word"]
        if variables and match["before"] == "$":
            if not _VARIABLE.fullmatch(match[0]):
                return f"{match[0]} is no environment variable such as ${{NAME}}"
        elif _is_placeholder(match) and word not in known:
            accepted = ", ".join(f"{{{k}}}" for k in known) or "none here"
            return (
                f"{{{word}}} stands for nothing.{did_you_mean(word.lower(), known)} "
                f"Known: {accepted}; write {{{{{word}}}}} if it is meant as it is"
            )
    return ""


def fill(text: str, known: Mapping[str, str] | Callable[[str], str | None]) -> str:
    """Put values in the place of `{word}`, all at once, so that a value that looks like a placeholder is none.

    `{{word}}` becomes `{word}`, and `${word}` and `%{word}` (a shell's, curl's) stay as they are.

    Args:
        known: word -> value. Others stay as they are.
    """
    look = known if callable(known) else known.get

    def put(match: re.Match[str]) -> str:
        left, word, right = match["left"], match["word"], match["right"]
        if _is_placeholder(match):
            value = look(word)
            return match[0] if value is None else f"{match['before']}{left[1:]}{value}{right[1:]}"
        if match["before"]:
            return match[0]
        return f"{left[1:]}{word}{right[1:]}"

    return _BRACES.sub(put, text)


def _is_placeholder(match: re.Match[str]) -> bool:
    """Braces on both sides twice are an escape; on one side they are JSON around a placeholder: `{"port":{port}}`."""
    return not match["before"] and min(len(match["left"]), len(match["right"])) == 1
