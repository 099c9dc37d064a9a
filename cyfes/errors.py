"""Everything cyfes raises on purpose, and how texts of a user are shown in it.

The command line turns each error into one line and exit code 2.
"""

#: Longest text of a user that is repeated in a message, in characters.
MAX_QUOTED = 80


def shortened(text: str, most: int = MAX_QUOTED) -> str:
    """Return ``text``, its middle left out where it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}...{text[head + 3 - most :]}"


def quoted(text: str) -> str:
    """Return what a user wrote, in quotes for a message: escaped, shortened where it is long."""
    return repr(shortened(text))


def printable(text: str, encoding: str = "utf-8") -> str:
    """Return text on one line that a terminal shows as it is.

    Control characters, and what ``encoding`` lacks, are escaped.
    """
    known = text.encode(encoding, "backslashreplace").decode(encoding)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in known)


class CyfesError(Exception):
    """Base of all errors that a user can cause and cure."""


class InputError(CyfesError, ValueError):
    """An argument is wrong; the text names it, what was got and what was expected."""


class FileFormatError(InputError):
    """A file's content is wrong; the text starts with ``path:line:`` where a line is to blame."""


class FileMissingError(CyfesError, FileNotFoundError):
    """A file to read does not exist or cannot be read."""

    def __str__(self) -> str:
        return str(self.args[0])


class OutputError(CyfesError, OSError):
    """A file could not be written; nothing was left half written."""


class GridTooLargeError(InputError, MemoryError):
    """A grid would not fit in memory; the text gives its size and one that fits."""


class BackendError(CyfesError, RuntimeError):
    """A compute backend cannot be used; the text gives the cause and the remedy."""


class BackendLibraryError(BackendError):
    """The library of a backend is missing, broken, of another version, or lacks one it needs."""


class LibraryMissingError(BackendLibraryError):
    """libcufes.so is not there: a build without CUDA."""


class CudaRuntimeError(BackendLibraryError):
    """libcufes.so is there, the CUDA runtime that it needs is not."""


class DriverError(BackendError):
    """The GPU driver is older than the CUDA runtime of libcufes.so."""


class NoDeviceError(BackendError):
    """There is no GPU, or no driver for it."""


class DeviceIndexError(BackendError):
    """There is no GPU of the given index."""


class DeviceMemoryError(BackendError, MemoryError):
    """The GPU's memory does not suffice, even for small batches."""


class DeviceFailureError(BackendError):
    """A kernel failed on the GPU; this process has lost the device."""


class ExtensionError(CyfesError, ImportError):
    """The compiled extension is missing or cannot be loaded; the text gives the remedy."""


#: The compiled extension, without which nothing can be computed.
EXTENSION = "cyfes._kernels"
#: The OpenMP runtimes, that of gcc and that of clang -> the packages that bring them.
OPENMP_PACKAGES = {
    "libgomp": "conda: libgomp; Debian, Ubuntu: libgomp1; Fedora: libgomp",
    "libomp": "conda: llvm-openmp; Homebrew: libomp; Debian, Ubuntu: libomp5; Fedora: libomp",
}


def extension_error(error: ImportError) -> ExtensionError | None:
    """Return what an import's failure means if the extension is to blame, else None."""
    # The dynamic loader names a module without its package; `from cyfes import` only says it.
    name = EXTENSION.rpartition(".")[2]
    if error.name not in (EXTENSION, name) and f"'{name}'" not in str(error):
        return None
    if error.path is None or error.path.endswith(".py"):
        return ExtensionError(
            f"{EXTENSION} is not compiled here: install cyfes (pip install .), and do not run in "
            "the folder of its source"
        )
    remedy = "reinstall cyfes"
    for library, packages in OPENMP_PACKAGES.items():
        if library in str(error):
            remedy = f"install the OpenMP runtime ({packages}), or {remedy}"
    cause = " ".join(map(str.strip, str(error).splitlines()))  # macOS takes several lines
    return ExtensionError(f"{error.path} cannot be loaded: {cause}; {remedy}")


class CyfesWarning(UserWarning):
    """Something a user should know; the command line prints it as one line on stderr."""
