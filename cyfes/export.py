"""Surfaces for other tools: xarray, pandas and notebooks."""

from __future__ import annotations

import base64
import html
import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from cyfes.errors import CyfesError, InputError
from cyfes.extras import required
from cyfes.units import UNIT_LABELS

if TYPE_CHECKING:
    from cyfes.surface import Surface

#: A notebook draws no larger surface unasked.
MAX_DRAWN = 1 << 18


def to_xarray(surface: Surface) -> Any:
    """Return an xarray.Dataset: ``F``, where known ``error`` and ``dF_dCV``, over the CVs.

    Attributes tell ``units``, ``kbt`` if it is known, and the ``period`` of a CV that has one.
    Raises BackendError without xarray.
    """
    xarray = required("xarray", "to_xarray()")
    grid, units = surface.grid, UNIT_LABELS[surface.units]
    coordinates = {
        name: (name, axis, {"period": float(period)} if period else {})
        for name, axis, period in zip(grid.names, grid.axes, grid.period)
    }
    fields = {name: (grid.names, array, {"units": units}) for name, array in _fields(surface)}
    for name, (_, _, told) in fields.items():
        if name.startswith("dF_d"):
            told["units"] = f"{units} / CV unit"
    attributes: dict[str, Any] = {"units": units}
    if surface.kbt is not None:
        attributes["kbt"] = surface.kbt
    if surface.provenance is not None:
        attributes["provenance"] = surface.provenance.text("")
    return xarray.Dataset(fields, coordinates, attributes)


def to_dataframe(surface: Surface) -> Any:
    """Return a pandas.DataFrame, a row per point, the last CV fastest: CVs, ``F``, ``error``, ...

    ``attrs`` as in ``to_xarray``. Raises BackendError without pandas.
    """
    pandas = required("pandas", "to_dataframe()")
    grid = surface.grid
    mesh = np.meshgrid(*grid.axes, indexing="ij")
    columns = {name: axis.ravel() for name, axis in zip(grid.names, mesh)}
    columns |= {name: array.ravel() for name, array in _fields(surface)}
    frame = pandas.DataFrame(columns)
    frame.attrs = {"units": UNIT_LABELS[surface.units], "kbt": surface.kbt}
    return frame


def _fields(surface: Surface) -> list[tuple[str, np.ndarray]]:
    """(name, float64[grid.shape]) of F, its error and its derivatives, as far as they are known."""
    fields = [("F", surface.values)]
    if "F" in surface.grid.names or "error" in surface.grid.names:
        raise InputError("a CV is called F or error, as the columns of the surface are")
    if surface.error is not None:
        fields.append(("error", surface.error))
    if surface.derivatives is not None:
        fields += [(f"dF_d{n}", d) for n, d in zip(surface.grid.names, surface.derivatives)]
    return fields


def to_html(surface: Surface) -> str:
    """Return a small table of HTML, complete in itself, with a picture if matplotlib is there."""
    grid, unit = surface.grid, UNIT_LABELS[surface.units]
    rows = [
        (name, f"{low} to {high}, {n} points{', periodic' if wraps else ''}")
        for name, (low, high), n, wraps in zip(
            grid.names, grid.bounds_text, grid.shape, grid.periodic
        )
    ]
    finite = surface.values[np.isfinite(surface.values)]
    spans = f"{finite.min():.4g} to {finite.max():.4g} {unit}" if finite.size else "nowhere known"
    rows.append(("F", spans))
    if surface.kbt is not None:
        rows.append(("kBT", f"{surface.kbt:.5g} {unit}"))
    if surface.n_unreached:
        rows.append(("points unreached", f"{surface.n_unreached} of {grid.size}"))
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
        for name, text in rows
    )
    return f"<div><table>{cells}</table>{_picture(surface)}</div>"


def _picture(surface: Surface) -> str:
    """An <img> of a surface that is quickly drawn, else nothing."""
    small = surface.grid.n_dims < 3 and surface.grid.size <= MAX_DRAWN
    if not small or find_spec("matplotlib") is None:
        return ""
    from cyfes.plot import picture_of

    try:
        data = io.BytesIO()
        picture_of(surface, data, "png", dpi=90.0)
    except CyfesError:  # nothing finite to draw
        return ""
    text = base64.b64encode(data.getvalue()).decode()
    return f"<img alt='F' src='data:image/png;base64,{text}'/>"
