"""Case -> what each of its commands should do, from the ``expected.md`` of the cases.

Where a case leaves a choice ("read it, or say what it is"), both are right: ``A | B``. The numbers
are those of public reports, which ``expected.md`` names.
"""

from cases.expectations import Expectation, Refuses, Runs, Surface, Wish

KCAL = 1 / 4.184
#: Whatever the laws of all cases allow.
ANYTHING = Runs() | Refuses()

SHARED: dict[str, list[Expectation]] = {
    "01b-cv-named-min": [Surface()],
    "02-walkers-stride": [
        Surface(order="time") | Surface(tells="one after another|order of|walker")
    ],
    "03-ten-cvs": [Refuses("reweight|marginal|--idw")],
    "04-histo-colvar": [Runs() | Refuses("--idw|reweight"), Surface()],
    "05-periodic-range": [Surface(tells="periodic: the grid spans|full period")],
    "06-3d-multivariate-clock": [Surface(rows=12)],
    "07-no-biasf": [Surface(), Refuses("biasf") | Surface(warns="biasf")],
    "08-biasf-1": [Refuses("biasf") | Surface(warns="biasf")],
    "10-glued-header": [Refuses("HILLS:23"), Surface(rows=39)],
    "100-time-constant": [Surface(rows=40, difference=(0.5, 1.5, 1.0986, 1e-3))],
    "103-rct-column-only": [Refuses("rbias") | Surface()],
    "105-help-hint": [
        Refuses("COMMAND|sum_hills"), Refuses("sum_hills"),
        Refuses("--hills") | Surface(inputs=("HILLS",)),
    ],
    "107-no-time-in-hills": [Surface(rows=20)],
    "108-comment-before-header": [Surface(rows=20), Surface()],
    "109-fields-without-space": [Surface() | Refuses("#! FIELDS")] * 2,
    "10b-glued-header-new-columns": [Surface(rows=59) | Refuses()],
    "111-upper-triangle-names": [Surface() | Refuses("sigma_b_a")],
    "11b-bz2-xz": [Surface() | Refuses("bzip2|bz2"), Surface() | Refuses(r"\bxz")],
    "12-identical-walkers": [
        Surface(warns="same|identical|equal") | Refuses("same|identical|equal")
    ],
    "13-glob-spaces": [Surface(rows=40) | Refuses("comma")],
    "14-minus-pi": [Surface(), Surface() | Refuses("--min")],
    "15-period-text-vs-number": [Surface()],
    "16-upgrade-kerneltype": [Surface()],
    "16b-kerneltype-two-files": [Surface()],
    "17-windows-bom": [Surface() | Refuses("BOM|byte order")],
    "17c-cr-only": [Surface() | Refuses("CR|carriage|line end")],
    "17d-decimal-comma": [Refuses(r"HILLS:4: column 2.*number")],
    "17e-fortran-d": [Refuses(r"HILLS:\d+: column 2.*number")],
    "17f-nul-bytes": [Refuses(r"HILLS:22"), Surface(rows=19)],
    "19-header-only": [Refuses("no data rows|empty"), Refuses("no data rows|empty")],
    "19b-single-zero-hill": [Surface(rows=1)],
    "20-pbmetad-two-files": [Runs(tells="PBMETAD") | Refuses("PBMETAD|differ|one file")],
    "21-umbrella-windows": [
        Refuses("WHAM|MBAR|window|umbrella") | Surface(warns="WHAM|MBAR|window|umbrella|restraint")
    ],
    # Given the names, the columns are the same as by number.
    "22-colvars-traj": [
        Surface(columns=("step", "d", "E_d")) | Refuses("no column 'd'|number"), Surface(rows=60),
    ],
    "22b-colvars-hills-traj": [Refuses("--format colvars-hills")],
    "23-columns-change": [Refuses("uw.bias"), Surface(rows=40)],
    "24-alchemical-lambda": [
        Surface(rows=200), Refuses("--sigma|whole|integer"), Surface(rows=3000),
    ],
    "25-endpoint": [Surface()],
    "27-interleaved-walkers": [Surface(rows=40)],
    "27b-walkers-same-start": [Surface(rows=6)],
    # Beside metad.rct it must be asked whether to take c(t) off.
    "28-duplicate-column": [Surface(rows=30) | Refuses("--bias metad.bias,-metad.rct")],
    "29-walls": [Refuses("metad.bias,uw.bias"), Surface(rows=30)],
    "30-no-temperature": [Refuses("--kt.*--temp")],
    "31-opes-early-rows": [Surface(tells="effective samples"), Surface(rows=50)],
    "31b-one-frame-dominates": [Surface(warns="effective|one frame|weight")],
    "34-zero-sigma": [Refuses(r"HILLS:8.*--on-bad skip"), Surface()],
    "35-negative-height": [Surface(rows=20)],
    "36-comments-blank": [Surface(rows=20)],
    "37-bad-paths": [
        Refuses("nothere"), Refuses("directory"), Refuses("empty"), Surface() | Refuses(),
        Refuses("no/such/dir"), Refuses("--hills"),
    ],
    "38-swapped-files": [Refuses("COLVAR|reweight"), Refuses("sum_hills")],
    "39-stride-time": [Surface(tells="time")],
    "40-no-time-column": [Refuses("time")],
    "41-rounded-2-digits": [Surface(sigma=(0.005, 0.05), difference=(0.5, 1.2, 0.92, 0.15))],
    "41b-rounded-3-digits": [Surface(sigma=(0.003, 0.05), difference=(0.5, 1.2, 0.92, 0.15))],
    "43-plot-foreign": [ANYTHING] * 6,
    "44-plot-y-fastest": [Refuses("grid|order") | Runs()],
    # --units may name the unit of the file or that of the surface, but the report must say which.
    # A .dat file has no unit: the picture must not be called kcal/mol without a word.
    "48-kcal": [
        Surface(scale=KCAL) | Surface(tells="kcal") | Refuses("--units"), Surface(),
        Runs(warns="unit|label") | Refuses("unit") | Runs(tells="unit"),
    ],
    "49-openmm-heights": [Wish(Runs())],
    "50-bias-at-frames": [Wish(Runs(), "--hills")],
    "51-blocks-deltaF": [Wish(Runs(), "--blocks|--deltaFat|--stride")] * 3,
    "52-cv-by-number": [Wish(Runs(), "no column '2'")],
    "53-other-temperature": [Wish(Runs())],
    "55-gaussian-to-stretched": [Surface(rows=40) | Refuses("kerneltype")],
    "57-very-wide": [Surface(rows=40)],
    "58-odd-cv-names": [Surface(rows=30), Surface(rows=30)],
    "59-period-2pi": [Surface(rows=20), Surface()],
    "60a-period-0": [Surface(rows=20)],
    "60b-period-1": [Surface(rows=20)],
    "60c-period-2": [Surface(rows=20)],
    "61-checkpoint-overlap": [
        Surface(rows=40, tells="time goes back"), Surface(rows=25, tells="time goes back")
    ],
    "62-constant-cv": [Refuses(r"\bn\b")],
    "63-duplicate-cv": [Surface()],
    "64-comma-in-path": [Surface(inputs=("T=300,P=1/HILLS",)) | Refuses("comma")],
    "64b-repeat-hills": [Surface(rows=40) | Refuses("--hills")],
    "65-bias-named-otherwise": [Refuses(r"^(?!.*--cv cv1,vbias).*bias")],
    "66-units-mismatch": [Surface(warns=r"\bK\b|kelvin|temperature")] * 2,
    "67-stride-remainder": [Surface(rows=20)],
    "68-skip-percent": [Runs() | Refuses("--skip"), Surface(rows=40)],
    "69-height-spike": [Surface(warns="height|higher|median")],
    "71-gz-without-suffix": [Surface(rows=20), Surface(rows=20)],
    "71b-truncated-gz": [Refuses("gz"), Refuses("gz") | Surface()],
    "72-stdin": [
        Surface(inputs=("HILLS",)), Surface(inputs=("HILLS", "HILLS")), Surface(inputs=("COLVAR",)),
    ],
    "73-crlf-lone": [Surface(rows=40)],
    "74-outlier-frame": [
        Surface(sigma=(0.01, 0.4), warns="far|outlier|range|span") | Refuses("far|outlier|--sigma"),
        Surface(sigma=(0.01, 0.4)) | Refuses("far|outlier|--sigma"),
    ],
    "75-live-file": [Refuses("--on-bad skip"), Surface(rows=19), Refuses("--on-bad skip")],
    "76-all-unreached": [Refuses("reach|no frame|--min")],
    "76b-partly-outside": [Surface(tells="outside|beside|beyond")],
    "77-kernels-as-colvar": [Refuses("KERNELS.*OPES|OPES.*kernels")],
    "78-xvg": [Surface(rows=30)],
    "79-pandas-csv": [Surface(rows=30)],
    "79b-blank-header-no-hash": [Refuses("no column|FIELDS")],
    "80-latin1-name": [Runs(tells="CVs")] * 2 + [Runs(tells="minimum|written")] * 2,
    "82-plumed-dat": [Refuses("FIELDS|input"), Refuses("FIELDS|input|no table")],
    "85-dumpgrid-nonperiodic": [Runs(tells="written")],
    "85b-several-grids": [Runs(tells="written") | Refuses("grids")],
    "86-3d-plot": [Surface(rows=100), Runs() | Refuses("marginal|3 CVs")],
    # A Gaussian of width 0.1, 2000 different values.
    "88-repeated-frames": [Surface(sigma=(0.01, 0.06))],
    "90-inf-bias": [Refuses("COLVAR:5.*inf"), Surface()],
    "91-minus-sign-list": [Surface(), Surface()],
    "92-different-bias-label-walkers": [Refuses(r"opes0\.bias.*opes1\.bias")],
    "94-all-hills-dropped": [Refuses("no good|no data")],
    "95-start-after-end": [Refuses("--start")],
    "96-time-units-start": [Surface(rows=11)],
    "97-zero-height-wt-late": [Surface() | Refuses("--stride"), Surface()],
    "98-grid-too-fine-2d": [Refuses("fit"), Refuses("fit|give --bin")],
    "99-minima-inf": [Surface(rows=500)],
}  # fmt: skip

#: Cases whose input is not shared: their data belong to others.
WITHOUT_INPUT = {"45-pbmetad-real", "46-ectoolkits", "56-vasp-hills"}

#: The cases of tests/data/cases, which are of the project's own making.
OWN: dict[str, list[Expectation]] = {
    "frames-constant-time": [Surface(rows=20, difference=(0.5, 1.5, 1.3863, 1e-3))],
    # The frame that the cut-off line began is repeated after it, and that before it: once.
    "frames-glued-header": [Refuses("COLVAR:17"), Surface(rows=30)],
    "frames-number-cut": [
        Refuses("COLVAR:13.*--on-bad skip"),
        Runs(tells=r"dropped +1 \(cut off by a header"),
    ],
    "frames-older-copy": [Refuses("same 14 frames as bck.0.COLVAR")],
    "frames-other-period": [Refuses("period") | Runs(warns="many times its period")],
    "frames-periodic-2d": [Surface(rows=30)],
    "frames-restarted": [Surface(rows=25)],
    "frames-rounded": [Surface(sigma=(0.005, 0.05), difference=(0.5, 1.2, 0.92, 0.2))],
    "frames-two-biases": [Refuses("metad.bias,uw.bias"), Surface(rows=30)],
    "frames-unreached": [Refuses("reach|no frame|--min")],
    "frames-window": [Surface(rows=20), Surface(rows=20)],
    "frames-without-header": [Surface(rows=30)],
    "hills-bad-rows": [Refuses("HILLS:7.*--on-bad skip"), Surface(rows=10)],
    "hills-bias-factors": [Surface(rows=24)],
    "hills-blocks": [Surface(rows=12), Surface(rows=12)],
    "hills-cut": [Refuses("HILLS:15.*--on-bad skip"), Surface(rows=11)],
    "hills-factor-of-one": [Refuses("biasf") | Surface(warns="biasf")],
    "hills-factor-infinite": [Surface(rows=12)],
    "hills-gaussian": [Surface(rows=12)],
    "hills-interleaved": [Surface(rows=12)],
    "hills-joined-copies": [
        Refuses("same") | Surface(rows=24, warns="12 of 24 hills are there tw")
    ],
    "hills-mixed-2d": [Surface(rows=12)],
    "hills-multivariate": [Surface(rows=10)],
    "hills-names": [Surface(rows=12)],
    "hills-number-cut": [
        Refuses("HILLS:15.*--on-bad skip"),
        Runs(tells=r"dropped +1 \(last line cut off"),
    ],
    "hills-overlap": [Refuses("same") | Surface(rows=15, warns="3 of 15 hills are there twice")],
    "hills-period-texts": [Surface(rows=18)],
    "hills-periodic": [Surface(rows=12), Surface(rows=12)],
    "hills-restart": [Surface(rows=24)],
    "hills-twice-named": [
        Surface(rows=24) | Refuses("--hills"),
        Surface(warns="same|twice|identical") | Refuses("same|twice|identical"),
    ],
}
