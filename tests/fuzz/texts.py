"""Random tables in PLUMED's format, and random damage to any bytes."""

import random
import re

NAMES = "d phi cm[1] sigma_1 min_x x.y".split()
#: What may stand where a number is expected.
ODD = (
    "nan inf -inf 1e999 -1e999 1e-999 5e-324 0x10 1_0 1. .5 +1 -0 --1 +-1 1e 1e+ e5 . - + 1,5 "
    "0.5D+00 **** 1.0.0 infinity NaN(1) True 1j 9007199254740993 0.1e1.5 1e0000000000000000001 "
    "\x00 é ١"
).split()
ODD += ["1" * 400, "0." + "0" * 400 + "1", "9" * 30 + "." + "9" * 30, "1e" + "9" * 20]
PIECES = [
    b"#", b"#!", b"\n", b" ", b"\t", b"\r\n", b"\x00", b"-", b"nan", b"inf", b"#! FIELDS d\n",
    b"#! SET min_d -pi\n", b"#! SET max_d pi\n", b"#! SET min_phi", b"9" * 50, b"\xff\xfe", b"e",
    b"#! FIELDS time d sigma_d height biasf\n", b"1e308", b"-1e308", b"1e-308", b"0", b"\x1f\x8b",
]  # fmt: skip
PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
#: A header line that begins within a row, or a CR within a line: what lines are is not tested here.
GLUED = re.compile(rb"^[^\n]*[^ \t\r\n][^\n]*#!|\r(?!\n)", re.MULTILINE)


def number(rng: random.Random) -> str:
    """A number as a program may write it, now and then an odd one."""
    kind = rng.random()
    if kind < 0.04:
        return rng.choice(ODD)
    if kind < 0.3:
        return repr(rng.uniform(-10, 10) * 10.0 ** rng.randint(-20, 20))
    if kind < 0.4:
        return f"{rng.randint(-(10**6), 10**6)}"
    return f"{rng.uniform(-10, 10):.{rng.randint(0, 20)}{rng.choice('feg')}}"


def table(rng: random.Random) -> bytes:
    """A table of some columns, repeated headers, comments and short rows included."""
    lines, names = [], []
    for _ in range(rng.randint(1, 40)):
        kind = rng.random()
        if not names or kind < 0.04:
            names = rng.sample(NAMES, rng.randint(1, 5))
            lines.append(f"#! FIELDS {' '.join(names)}")
        elif kind < 0.07:
            lines.append(rng.choice(["# a note", "", "  ", "#! SET some 1", "\t# x # y"]))
        else:
            fields = [number(rng) for _ in names]
            if rng.random() < 0.04:
                fields = fields[: rng.randint(0, len(fields))] + ["7"] * rng.randint(0, 1)
            gap = rng.choice([" ", "  ", "\t", " \t "])
            tail = rng.choice(["", "", "", " ", " # note", "#note", "\r"])
            lines.append(rng.choice(["", "", " "]) + gap.join(fields) + tail)
    return "\n".join(lines).encode() + rng.choice([b"\n", b"\n", b""])


def rows_of(text: bytes, wanted: list[str]) -> list[list[float]] | None:
    """The rows whose wanted fields are finite numbers; None if a header lacks a wanted column."""
    names, rows = None, []
    for line in text.split(b"\n"):
        data, _, comment = line.partition(b"#")
        words = comment[1:].decode("utf-8", "replace").split()
        if comment.startswith(b"!") and words[:1] == ["FIELDS"] and not data.strip(b" \t\r"):
            names = words[1:]
        fields = re.findall(rb"[^ \t\r\n]+", data)
        if not fields:
            continue
        if names is None and fields[0].startswith(b"@"):  # of an .xvg file
            continue
        names = names if names is not None else [str(i) for i in range(len(fields))]
        if any(names.count(name) != 1 for name in wanted):
            return None
        chosen = [fields[names.index(name)] for name in wanted if names.index(name) < len(fields)]
        if len(fields) == len(names) and all(map(is_number, chosen)):
            rows.append([float(field) for field in chosen])
    return rows


def is_number(field: bytes) -> bool:
    text = field.decode("latin-1")
    return bool(PLAIN.fullmatch(text)) and abs(float(text)) < float("inf")


def damaged(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    """Some bytes changed, cut, moved, repeated, or taken from elsewhere."""
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3, 6])):
        a, b = sorted(rng.randint(0, len(content)) for _ in range(2))
        b = min(b, a + rng.choice([1, 4, 40, 400]))
        other = rng.choice(others)
        c = rng.randint(0, len(other))
        piece = rng.choice([
            b"", bytes([rng.randrange(256)]), rng.choice(PIECES), number(rng).encode(),
            content[a:b] * rng.choice([2, 2, 3, 50]), other[c : c + rng.randint(1, 100)],
        ])  # fmt: skip
        content = content[:a] + piece + content[rng.choice([a, b]) :]
    return content[: rng.randint(0, len(content))] if rng.random() < 0.05 else content
