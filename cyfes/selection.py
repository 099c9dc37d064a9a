"""Which rows and columns of a COLVAR file to use: what the user says, and what a header tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from cyfes.errors import InputError
from cyfes.grid import MAX_DIMS
from cyfes.restarts import check_on_overlap
from cyfes.tables import Bounds, Header, expect_kind, told
from cyfes.units import parse_number

#: What the biases of PBMETAD are called by most.
PARALLEL = ("pb.", "pbmetad.")

#: Columns that OPES prints and METAD does not: their bias has no c(t) to be taken off.
_OPES_COLUMNS = (".zed", ".neff", ".nker")


@dataclass(frozen=True)
class Selection:
    """Which rows and columns of COLVAR files to use.

    ``cv``: names, None for those the header makes evident. ``bias``: columns that are summed, one
    with a dash before its name is subtracted; None for the only bias of the header (``rbias``: for
    the only ``*.rbias``). ``logweights``: a column of ln w instead. ``no_bias``: all weights 1.
    ``start`` and ``stop``: values of the time column; ``skip``: rows left out at the beginning of
    each file, or a share of its rows as a float below 1; ``every``: use each n-th row. ``period``:
    bounds of CVs whose period the files do not tell, None for a CV that has none. ``weights``:
    "bias" takes the bias of a METAD run as it is, V(s, t); "rbias" V(s, t) - c(t), of the column
    ``*.rbias`` or of ``*.bias`` and ``*.rct``. ``hills``: the CVs of hills whose bias is computed
    in place of the one in the files, columns that are read beside ``cv``; ``bias`` is then that of
    others, such as walls. ``computed``: what that bias is called, "hills" or "restraint".
    ``energy``: the column of the potential energy, for other temperatures (see temperatures).
    ``beside``: further columns that are read.
    ``on_overlap``: what is done with frames that a restart from an older checkpoint has again (see
    restarts).
    """

    cv: Sequence[str] | None = None
    bias: Sequence[str] | None = None
    rbias: bool = False
    no_bias: bool = False
    logweights: str | None = None
    start: float | None = None
    stop: float | None = None
    skip: int | float = 0
    every: int = 1
    on_bad: Literal["raise", "skip"] = "raise"
    on_overlap: Literal["keep", "drop", "raise"] = "keep"
    period: Mapping[str, Bounds] = field(default_factory=dict)
    weights: Literal["bias", "rbias"] | None = None
    hills: Sequence[str] = ()
    computed: Literal["hills", "restraint"] = "hills"
    energy: str | None = None
    beside: Sequence[str] = ()

    def __post_init__(self) -> None:
        chosen = [self.bias is not None, self.rbias, self.no_bias, self.logweights is not None]
        if sum(chosen) > 1:
            raise InputError("--bias, --rbias, --no-bias and --logweights exclude each other")
        if self.weights is not None and sum(chosen):
            raise InputError(
                f"--weights {self.weights} takes its column from the header; --bias, --rbias, "
                "--no-bias and --logweights name another: give one"
            )
        if self.hills and (self.rbias or self.logweights is not None):
            raise InputError(
                "weights from hills need no --rbias or --logweights; --bias adds other biases"
            )
        check_on_overlap(self.on_overlap)
        if self.skip < 0 or self.every < 1:
            raise InputError(
                f"--skip must be at least 0 and --every at least 1, got {self.skip}, {self.every}"
            )
        if isinstance(self.skip, float) and self.skip >= 1:
            raise InputError(f"skip as a share of the rows must be below 1, got {self.skip}")

    def choose_cvs(self, path: str, header: Header) -> tuple[str, ...]:
        """Return the names of the CVs; InputError if the header leaves them open."""
        if self.cv is not None:
            if not 1 <= len(self.cv) <= MAX_DIMS or len(set(self.cv)) != len(self.cv):
                raise InputError(
                    f"--cv takes 1 to {MAX_DIMS} different names, got {','.join(self.cv)}"
                )
            return tuple(self.cv)
        expect_kind(path, header, "COLVAR")
        if not header.line:
            raise _without_header(path, header)
        candidates = columns_before_bias(header)
        periodic = [name for name in candidates if f"min_{name}" in header.constants]
        # Evident: one column, or columns that are all declared periodic. Among others there may be
        # an energy, which would give a wrong surface without a word.
        if len(candidates) == 1 or (periodic == candidates and 1 <= len(candidates) <= MAX_DIMS):
            return tuple(candidates)
        example = [
            name for name in candidates or header.fields if "bias" not in name and name != "time"
        ]
        raise InputError(
            f"{path}: the header does not tell which columns are the CVs; choose from "
            f"{', '.join(candidates or header.fields)}, e.g. "
            f"--cv {','.join(example[:2] or header.fields[:1])}"
        )

    def choose_biases(self, path: str, header: Header) -> "Biases":
        """Return the columns whose sum weighs the frames; InputError if the header leaves it open.

        A running METAD bias V(s, t) grows, so its rbias V(s, t) - c(t) is taken where it is there.
        """
        if self.no_bias:
            return Biases(())
        if self.logweights is not None:
            return Biases(((1, self.logweights),))
        if self.hills:
            return _beside_computed(path, header, self.bias or (), self.computed)
        if self.bias is not None:
            return _named(self.bias, header)
        expect_kind(path, header, "COLVAR")
        if not header.line:
            raise _without_header(path, header)
        if self.weights is not None:
            return _of_metad(path, header, self.weights)
        found, note = _biases_of(path, header, self.rbias)
        if len(found) == 1:
            return Biases(((1, found[0]),), note)
        if found:
            raise InputError(
                f"{path}: several bias columns; choose with --bias (they are summed), "
                f"e.g. --bias {','.join(found)}"
            )
        ending, option = (".rbias", "--rbias") if self.rbias else (".bias", "--bias")
        raise InputError(
            f"{path}: no column ends in {ending!r} for {option}; name one with --bias, or say "
            f"--no-bias (columns: {', '.join(header.fields)})"
        )

    def bounds_of(self, path: str, header: Header, name: str) -> Bounds:
        """Return the bounds of a CV's period: those of ``period``, else the header's."""
        if name not in self.period:
            bounds = header.bounds_of(path, name)
            told().check_tells(path, name, bounds)
            return bounds
        given = self.period[name]
        if given is None:
            return None
        low, high = given
        if not parse_number(low, f"period of {name}") < parse_number(high, f"period of {name}"):
            raise InputError(f"the period of {name} must be MIN < MAX, got {low} and {high}")
        return low, high


@dataclass(frozen=True)
class Biases:
    """Columns that are added (1) or subtracted (-1), and a remark on how they were chosen.

    ``own``: the column that must be the bias of the hills, which is not added; or empty.
    """

    terms: tuple[tuple[int, str], ...]
    note: str = ""
    own: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(name for _, name in self.terms)


def _labels(header: Header) -> list[str]:
    """Labels of what has a bias: METAD, walls, restraints."""
    ends = (".bias", ".rbias")
    names = [name for name in header.fields if name.endswith(ends)]
    return list(dict.fromkeys(name.rpartition(".")[0] for name in names))


def _beside_computed(path: str, header: Header, named: Sequence[str], computed: str) -> "Biases":
    """Biases that are added to one that is computed; InputError if more than ``named`` may be."""
    biases = _named(named, header)
    if not header.line:
        return biases
    expect_kind(path, header, "COLVAR")
    known = {name.rpartition(".")[0] for name in biases.names}
    labels = [label for label in _labels(header) if label not in known]
    if len(labels) > 1:
        columns = ", ".join(f"{label}.bias" for label in labels)
        raise InputError(
            f"{path}: the {computed} {'are' if computed == 'hills' else 'is'} one of the biases "
            f"{columns}; name the others with --bias, "
            "which are added, or say --no-bias if they are to be left out"
        )
    own = [f"{label}.bias" for label in labels if f"{label}.bias" in header.fields]
    return replace(biases, own=own[0] if own else "")


def _of_metad(path: str, header: Header, weights: str) -> "Biases":
    """V(s, t), or V(s, t) - c(t), of the only bias of a header; InputError if there are more."""
    labels = _labels(header)
    if len(labels) > 1:
        raise InputError(
            f"{path}: --weights {weights} is for files of one bias, and this one has those of "
            f"{', '.join(labels)}; choose with --bias, which adds columns, and subtracts -NAME"
        )
    ways: dict[str, tuple[int, ...]] = {".bias": (1,)}
    if weights == "rbias":
        opes = [label + end for label in labels for end in _OPES_COLUMNS]
        if any(name in header.fields for name in opes):
            raise InputError(
                f"{path}: {labels[0]}.bias is that of OPES, which has no c(t) to be taken off: "
                "--weights bias, or none"
            )
        ways = {".rbias": (1,), ".bias .rct": (1, -1)}
    for ends, signs in ways.items():
        names = [label + end for label in labels for end in ends.split()]
        if names and all(name in header.fields for name in names):
            return Biases(tuple(zip(signs, names)))
    wanted = "'.bias'" if weights == "bias" else "'.rbias', or in '.bias' and '.rct'"
    raise InputError(
        f"{path}: no column ends in {wanted} for --weights {weights} (columns: "
        f"{', '.join(header.fields)}); --weights tiwary or final with --hills needs none"
    )


def columns_before_bias(header: Header) -> list[str]:
    """Return the columns between time and the first column of a bias."""
    names = []
    for name in header.fields:
        if name.endswith((".bias", ".rbias")):
            break
        if name != "time" and name not in names:
            names.append(name)
    return names


def _without_header(path: str, header: Header) -> InputError:
    return InputError(
        f"{path}: no '#! FIELDS' header names the columns; choose by number, 0 is the "
        f"first of {len(header.fields)}, e.g. --cv 1 --bias 2"
    )


def _named(names: Sequence[str], header: Header) -> "Biases":
    """The biases that a user names; InputError for one that is named twice."""
    biases = Biases(tuple(_signed(name, header) for name in names))
    for name in biases.names:
        if biases.names.count(name) > 1:
            raise InputError(f"--bias names {name} twice; it would count twice")
    return biases


def _signed(name: str, header: Header) -> tuple[int, str]:
    """A bias column, subtracted if a dash stands before its name."""
    subtracted = name.startswith("-") and name not in header.fields
    return (-1, name[1:]) if subtracted else (1, name)


def _biases_of(path: str, header: Header, only_rbias: bool) -> tuple[list[str], str]:
    """(the columns of a header that are biases, rbias in place of its bias; a remark)."""
    fields = dict.fromkeys(header.fields)
    if only_rbias:
        return [name for name in fields if name.endswith(".rbias")], ""
    found, replaced = [], []
    for name in fields:
        label, dot, kind = name.rpartition(".")
        if kind == "rbias" and dot and f"{label}.bias" not in fields:
            found.append(name)
        if kind != "bias" or not dot:
            continue
        if f"{label}.rbias" in fields:
            found.append(f"{label}.rbias")
            replaced.append(name)
            continue
        if f"{label}.rct" in fields and not any(label + end in fields for end in _OPES_COLUMNS):
            raise InputError(
                f"{path}: {name} beside {label}.rct is the bias of a METAD run while it grows; "
                f"say --bias {name},-{label}.rct to take c(t) off, or --bias {name} to use it as "
                "it is"
            )
        found.append(name)
    note = "".join(
        f"{name} of PBMETAD grows while it runs, so that late frames weigh more: --weights final "
        "with --hills, the hills of all CVs, takes the bias of the end"
        for name in found[:1]
        if name.startswith(PARALLEL)
    ) or "".join(
        f"{name.removesuffix('.bias')}.rbias is used, not {name}, which grows with c(t) "
        f"(--bias {name} uses it)"
        for name in replaced[:1]
    )
    return found, note
