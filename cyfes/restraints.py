"""Lists of umbrella windows: which file is restrained where, and how stiffly."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np

from cyfes.errors import FileFormatError, FileMissingError, InputError, quoted
from cyfes.selection import columns_before_bias
from cyfes.tables import input_paths, read_header, read_table
from cyfes.units import parse_number

#: Begin the names of columns of a list with a header, before the name of a CV.
CENTER, SPRING = "at_", "kappa_"

#: End the names of columns of a COLVAR file, as MOVINGRESTRAINT calls its components.
_CENTER, _SPRING = "_cntr", "_kappa"

#: No list of windows is larger, in bytes.
_LARGEST = 1 << 24

#: Columns of a list with a header that are not of a CV.
_FILE, _CORRELATION, _TEMPERATURE = "file", "correlation", "temperature"

_FORMS = (
    "expected 'FILE CENTER K [CORRELATION [TEMPERATURE]]' with one center and one spring constant "
    f"per CV, or a header '#! FIELDS {_FILE} {CENTER}phi {SPRING}phi'"
)


@dataclass(frozen=True)
class Window:
    """One window: frames in ``path``, restrained by sum_d k_d (x_d - center_d)^2 / 2.

    ``springs`` k in energy per CV squared. ``correlation`` of its frames, in frames, and
    ``temperature`` in kelvin, None where the list does not tell. ``where``: "file:line".
    """

    path: str
    centers: tuple[float, ...]
    springs: tuple[float, ...]
    where: str
    correlation: float | None = None
    temperature: float | None = None


@dataclass(frozen=True)
class WindowList:
    """Windows and the CVs ``names`` that are restrained in them."""

    names: tuple[str, ...]
    windows: tuple[Window, ...]

    @property
    def centers(self) -> np.ndarray:
        """Centers, float64[K, d]."""
        return np.array([window.centers for window in self.windows])

    @property
    def springs(self) -> np.ndarray:
        """Spring constants, float64[K, d]."""
        return np.array([window.springs for window in self.windows])


def read_windows(paths: str | PathLike | Sequence[str | PathLike]) -> WindowList:
    """Return the windows of lists, or of COLVAR files that hold their restraints.

    A line of a list is "FILE CENTER K [CORRELATION [TEMPERATURE]]", one center and K per CV
    (Grossfield's WHAM); the CVs are the columns of FILE between time and bias, or the columns 1, 2,
    ... of one without header. Or a header names them, "#! FIELDS file at_phi kappa_phi". Files are
    looked for as they are named, then beside the list. COLVAR files have columns LABEL.phi_cntr
    and LABEL.phi_kappa, which do not move.
    Raises FileMissingError, FileFormatError naming file and line, or InputError.
    """
    lists = [_read_one(path) for path in input_paths(paths)]
    names = lists[0].names
    for path, found in zip(input_paths(paths), lists):
        if found.names != names:
            raise InputError(
                f"{path} restrains {', '.join(found.names)}, and the list before it "
                f"{', '.join(names)}; all windows must restrain the same CVs"
            )
    return WindowList(names, tuple(window for found in lists for window in found.windows))


def _read_one(path: str) -> WindowList:
    lines = _lines_of(path)
    fields = _fields(lines)
    if fields is not None and _FILE not in fields:
        return _of_colvar(path)
    rows = [
        (f"{path}:{n}", words)
        for n, line in enumerate(lines, 1)
        if (words := line.partition("#")[0].split())
    ]
    if not rows:
        raise FileFormatError(f"{path}: no windows; {_FORMS}")
    _check_first(*rows[0])
    named = _columns_of_header(path, fields) if fields is not None else _columns_of_rows(*rows[0])
    return WindowList(named[0], tuple(_window(where, words, *named) for where, words in rows))


def _lines_of(path: str) -> list[str]:
    """The lines of a list; of a file too large for one only the first, which tell what it is."""
    try:
        with open(path, "rb") as file:
            text = file.read(_LARGEST)
    except OSError as error:
        raise FileMissingError(f"cannot read {path}: {error.strerror}") from None
    if text[:2] == b"\x1f\x8b":  # of a table in PLUMED's format only the header is read here
        return [f"#! FIELDS {' '.join(read_header(path).fields)}"]
    if b"\0" in text:
        raise FileFormatError(
            f"{path}: this is a binary file; a list of windows is text. A .tpr file cannot be "
            "read: write its center and spring constant beside the .xvg file"
        )
    return text.decode("utf-8-sig", "backslashreplace").splitlines()


def _fields(lines: Sequence[str]) -> list[str] | None:
    """The columns that a header names, None without one."""
    for line in lines:
        words = line.split()
        if words[:2] == ["#!", "FIELDS"]:
            return words[2:]
    return None


def _check_first(where: str, words: Sequence[str]) -> None:
    """Raise FileFormatError for what is no list, and say what would be one."""
    if len(words) == 1:
        raise FileFormatError(
            f"{where}: {quoted(words[0])} has no center and no spring constant. Lists of "
            "'gmx wham' leave them to .tpr files, which cannot be read: write the .xvg file, "
            "pull-coord1-init and pull-coord1-k on each line"
        )
    if _is_number(words[0]):
        raise FileFormatError(
            f"{where}: {quoted(words[0])} is a number where the file of a window is named; {_FORMS}"
        )


def _is_number(text: str) -> bool:
    try:
        parse_number(text, "")
    except InputError:
        return False
    return True


#: CVs, and the columns of centers, spring constants, correlation times and temperatures.
_Columns = tuple[tuple[str, ...], list[int], list[int], int | None, int | None, int]


def _columns_of_header(path: str, fields: list[str]) -> _Columns:
    names = [name.removeprefix(CENTER) for name in fields if name.startswith(CENTER)]
    wanted = [_FILE, *(CENTER + name for name in names), *(SPRING + name for name in names)]
    for name in wanted:
        if fields.count(name) != 1:
            raise FileFormatError(f"{path}: the header has {fields.count(name)} columns {name!r}")
    unknown = sorted(set(fields) - {*wanted, _CORRELATION, _TEMPERATURE})
    if not names or unknown:
        what = f"a column {unknown[0]!r}" if unknown else f"no column '{CENTER}...'"
        raise FileFormatError(f"{path}: the header has {what}; {_FORMS}")
    if fields[0] != _FILE:
        raise FileFormatError(f"{path}: the first column must be {_FILE!r}, got {fields[0]!r}")
    others = [fields.index(n) if n in fields else None for n in (_CORRELATION, _TEMPERATURE)]
    at = [[fields.index(start + name) for name in names] for start in (CENTER, SPRING)]
    return tuple(names), at[0], at[1], others[0], others[1], len(fields)


def _columns_of_rows(where: str, words: Sequence[str]) -> _Columns:
    """Columns by their order; FileFormatError where it does not tell how many CVs there are.

    Only what cannot be anything else is taken: a wrong guess is a wrong surface.
    """
    n, path = len(words) - 1, _found(words[0], where)
    known = _columns_of_file(path)
    possible = [d for d in range(1, len(known) + 1) if 2 * d <= n <= 2 * d + 2]
    if len(possible) != 1:
        choice = " or ".join(map(str, possible)) or "no number"
        raise FileFormatError(
            f"{where}: {n} numbers may be those of {choice} of the CVs {', '.join(known)}; say "
            f"what they are by a first line such as {_header_of(known)}"
        )
    d = possible[0]
    if len(known) > d and read_header(path).line:
        raise FileFormatError(
            f"{where}: the header of {path} does not tell which of {', '.join(known)} "
            f"{'is' if d == 1 else 'are'} restrained; say so by a first line such as "
            f"{_header_of(known[:d])}"
        )
    centers, springs = list(range(1, d + 1)), list(range(d + 1, 2 * d + 1))
    correlation, temperature = (2 * d + k if n >= 2 * d + k else None for k in (1, 2))
    return tuple(known[:d]), centers, springs, correlation, temperature, n + 1


def _columns_of_file(path: str) -> list[str]:
    """What may be CVs: the columns between time and bias, or all but the first."""
    header = read_header(path)
    return columns_before_bias(header) if header.line else list(header.fields[1:])


def _header_of(names: Sequence[str]) -> str:
    return f"'#! FIELDS {_FILE} {' '.join(f'{CENTER}{n} {SPRING}{n}' for n in names)}'"


def _window(
    where: str,
    words: Sequence[str],
    names: tuple[str, ...],
    centers: list[int],
    springs: list[int],
    correlation: int | None,
    temperature: int | None,
    n_words: int,
) -> Window:
    if len(words) != n_words:
        raise FileFormatError(f"{where}: {len(words)} columns where {n_words} are expected")

    def number(at: int, what: str, least: float) -> float:
        try:
            value = parse_number(words[at], f"{where}: column {at + 1} ({what})")
        except InputError as error:
            raise FileFormatError(str(error)) from None
        if not least <= value < float("inf"):
            raise FileFormatError(
                f"{where}: column {at + 1}: {what} must be a finite number"
                f"{'' if least < 0 else f' of at least {least:g}'}, got {quoted(words[at])}"
            )
        return value

    tiny = float(np.finfo(float).tiny)
    return Window(
        _found(words[0], where),
        tuple(number(at, f"center of {n}", -1e300) for at, n in zip(centers, names)),
        tuple(number(at, f"spring constant of {n}", 0.0) for at, n in zip(springs, names)),
        where,
        None if correlation is None else number(correlation, "correlation time", 0.0),
        None if temperature is None else number(temperature, "temperature", tiny),
    )


def _found(path: str, where: str) -> str:
    """The file that a list names: as it is named, else beside the list."""
    beside = os.path.join(os.path.dirname(where.rpartition(":")[0]), path)
    for candidate in (path, beside):
        if os.path.exists(candidate):
            return candidate
    raise FileMissingError(f"{where}: no file {path}, neither here nor beside the list")


def _of_colvar(path: str) -> WindowList:
    """The window that a COLVAR file is, from the columns of its restraint."""
    header = read_header(path)
    centers = [name for name in header.fields if name.endswith(_CENTER)]
    labelled = [name.removesuffix(_CENTER) for name in centers]
    springs = [name + _SPRING for name in labelled]
    names = tuple(name.partition(".")[2] for name in labelled)
    missing = [name for name in (*springs, *names) if name not in header.fields]
    if not centers or missing:
        lacks = missing[0] if missing else f"LABEL.phi{_CENTER}, LABEL.phi{_SPRING}"
        raise FileFormatError(
            f"{path}:{header.line}: no list of windows, and a COLVAR file without the columns of "
            f"its restraint ({lacks}); write a list with a header '#! FIELDS {_FILE} "
            f"{CENTER}phi {SPRING}phi' and AT and KAPPA of each RESTRAINT"
        )
    table = read_table(path, [*centers, *springs])
    for name, column in table.columns.items():
        if np.ptp(column) > 0:
            raise FileFormatError(
                f"{path}: {name} goes from {column[0]:g} to {column[-1]:g}: a restraint that moves "
                "makes no window"
            )
    values = {name: float(column[0]) for name, column in table.columns.items()}
    at, k = (tuple(values[name] for name in some) for some in (centers, springs))
    if min(k) < 0:
        raise FileFormatError(f"{path}: a spring constant is negative: {min(k):g}")
    return WindowList(names, (Window(path, at, k, f"{path}:{header.line}"),))
