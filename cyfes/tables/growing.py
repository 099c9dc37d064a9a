"""Arrays that grow without being copied."""

import mmap

import numpy as np

#: From this size on large pages, which come 500 times less often than the usual ones.
_LARGE = 1 << 23
_LARGE_PAGE = 1 << 21


class GrowingArray:
    """Rows of ``width`` float64 that are appended to.

    The memory is a mapping of its own, which is lengthened by moving page tables; what has not
    been written takes none. No view on it may be alive when ``room`` is called again.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._n = 0
        self._memory = _memory(mmap.PAGESIZE)

    def room(self, n: int) -> np.ndarray:
        """Return room for n more rows, float64[n, width]."""
        needed = 8 * (self._n + n) * self._width
        if needed > len(self._memory):
            self._grow(max(needed, 2 * len(self._memory)))
        return self._view(self._n, n)

    def keep(self, n: int) -> None:
        """Make the first n rows of the room part of the array."""
        self._n += n

    def array(self) -> np.ndarray:
        """Return the rows kept, float64[n, width]; there is no more room from then on."""
        return self._view(0, self._n)

    def _grow(self, size: int) -> None:
        if size < _LARGE:
            self._memory.resize(size)
            return
        # Linux puts whole numbers of large pages where such a page begins, and moves them whole.
        size = -(-size // _LARGE_PAGE) * _LARGE_PAGE
        if len(self._memory) >= _LARGE:
            self._memory.resize(size)
            return
        small = self.array()
        self._memory = _memory(size)
        self._memory.madvise(mmap.MADV_HUGEPAGE)
        self.array()[:] = small

    def _view(self, first: int, n: int) -> np.ndarray:
        width = self._width
        flat = np.frombuffer(self._memory, np.float64, n * width, 8 * first * width)
        return flat.reshape(n, width)


def _memory(size: int) -> mmap.mmap:
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
