"""Tables of other programs, line by line, as PLUMED would write them.

Each line of the file gives one line, so that errors name the line of the file.
"""

import io
import re
from collections.abc import Callable

from cyfes.errors import FileFormatError, quoted
from cyfes.tables.text import decode

#: Takes whole lines of a file, in order, and returns as many.
Translator = Callable[[bytes], bytes]

NUMBER = re.compile(
    rb"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:nan|inf)", re.I
)
_STEP = re.compile(rb"^[ \t]*#[ \t]*step\b(?=[ \t])", re.MULTILINE)
_LEGEND = re.compile(r'@\s*s([0-9]{1,4})\s+legend\s+"(.*)"')
_X_LABEL = re.compile(r'@\s*xaxis\s+label\s+"(.*)"')


def column_name(text: str) -> str:
    """Return a text as a name of a column: without blanks, and what would begin a comment."""
    return "_".join(text.replace("#", " ").split())


def colvars_trajectory(path: str) -> Translator:
    """Return the translator of a .colvars.traj: its lines "# step NAME ..." name the columns.

    The column of steps is called time.
    """
    del path
    return lambda text: _STEP.sub(b"#! FIELDS time", text)


class SeparatedValues:
    """The translator of CSV: fields between commas or semicolons, names in the first line.

    A field that is empty is nan, a name that is empty the number of its column. Where the first
    line holds numbers alone, columns go by number.
    """

    def __init__(self, path: str, separator: bytes) -> None:
        self._path = path
        self._separator = separator
        self._line = 1  # number of the next, until the names were read
        self._named = False
        self._table = bytes.maketrans(separator, b" ")
        blank = rb"[ \t]*"
        self._empty = re.compile(
            rb"(?<=%s)%s(?=[%s\r\n]|\Z)|^%s(?=%s)"
            % (separator, blank, separator, blank, separator),
            re.MULTILINE,
        )

    def __call__(self, text: bytes) -> bytes:
        """Translate the next lines."""
        head = b""
        while text and not self._named:
            line, newline, text = text.partition(b"\n")
            head += self._first(line) + newline
            self._line += 1
        return head + self._rows(text)

    def _first(self, line: bytes) -> bytes:
        """A line before the rows, translated: one of names, a comment, or the first row."""
        if not line.strip() or line.lstrip().startswith(b"#"):
            return line
        self._named = True
        fields = [field.strip(b" \t\r\"'") for field in line.split(self._separator)]
        numbers = sum(NUMBER.fullmatch(field) is not None for field in fields)
        if numbers == len(fields):
            return self._rows(line)
        if numbers:
            raise FileFormatError(
                f"{self._path}:{self._line}: {quoted(decode(line.strip()))} holds names and "
                "numbers; expected names of columns, none of which is a number"
            )
        names = [column_name(decode(field)) or str(i) for i, field in enumerate(fields)]
        return f"#! FIELDS {' '.join(names)}".encode()

    def _rows(self, text: bytes) -> bytes:
        separator = self._separator
        pairs = (separator * 2, b"\n" + separator, separator + b"\n", separator + b"\r")
        if (
            text.startswith(separator)
            or text.endswith(separator)
            or any(pair in text for pair in pairs)
            or separator + b" " in text
            or separator + b"\t" in text
        ):
            text = self._empty.sub(b"nan", text)
        return text.translate(self._table, b'"')


class Xvg:
    """The translator of GROMACS' .xvg: lines with @ say what the columns are, & ends a data set.

    The first column is called time where its label begins so, else as its label says, or 0; the
    others as their legends say, or by number. Raises FileFormatError for a second data set.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._line = 0  # number of the last
        self._head: list[bytes] = []  # lines of a head that has not ended
        self._ended = False
        self._x, self._legends = "0", dict[int, str]()

    def __call__(self, text: bytes) -> bytes:
        """Translate the next lines."""
        if self._line and not (self._head or self._ended or b"@" in text or b"&" in text):
            self._line += text.count(b"\n")
            return text
        return b"".join(map(self._translated, io.BytesIO(text)))

    def _translated(self, line: bytes) -> bytes:
        """A line, or lines that were held back, as text; nothing while a head goes on."""
        self._line += 1
        stripped = line.strip()
        if stripped.startswith(b"&"):
            self._ended = True
            return b"#" + line
        if not stripped or stripped.startswith((b"#", b"@")):
            return self._of_head(line, stripped)
        if self._ended:
            self._refuse()
        head, self._head = self._head, []
        if any(before.lstrip().startswith(b"@") for before in head):
            head = [_commented(before) for before in head]
            head[-1] = b"#! FIELDS " + self._names(stripped).encode() + b"\n"
        return b"".join([*head, line])

    def _of_head(self, line: bytes, stripped: bytes) -> bytes:
        text = decode(stripped)
        if legend := _LEGEND.match(text):
            self._legends[int(legend[1])] = column_name(legend[2])
        elif label := _X_LABEL.match(text):
            name = column_name(label[1])
            self._x = "time" if name.lower().startswith("time") else name or "0"
        if not line.endswith(b"\n"):  # the end of a file without rows
            return _commented(line)
        self._head.append(line)
        return b""

    def _names(self, row: bytes) -> str:
        n = max(len(row.split()) - 1, *(index + 1 for index in self._legends), 0)
        return " ".join([self._x, *(self._legends.get(i) or str(i + 1) for i in range(n))])

    def _refuse(self) -> None:
        raise FileFormatError(
            f"{self._path}:{self._line}: a second data set after a line with &; give each in a "
            "file of its own"
        )


def _commented(line: bytes) -> bytes:
    return b"#" + line if line.lstrip().startswith(b"@") else line
