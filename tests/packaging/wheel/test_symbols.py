"""Which symbols decide the platform tag."""

import subprocess

import pytest

pytest.importorskip("elftools", reason="no pyelftools, which auditwheel brings")

import symbols


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("GLIBC_2.28", False),
        ("GLIBC_2.29", True),
        ("GLIBC_2.2.5", False),
        ("GLIBCXX_3.4.24", False),
        ("GLIBCXX_3.4.29", True),
        ("CXXABI_1.3.13", True),
        ("CXXABI_TM_1", False),
        ("GOMP_4.5", False),
    ],
)
def test_versions_too_new_for_an_old_system(version, expected):
    assert symbols.too_new(version) is expected


def test_the_symbols_of_a_library_have_versions(compiler, tmp_path):
    source, library = tmp_path / "x.c", tmp_path / "libx.so"
    source.write_text('#include <stdlib.h>\nchar *x(void) { return getenv("X"); }\n')
    subprocess.run([compiler, "-shared", "-fPIC", source, "-o", library], check=True)
    assert dict(symbols.versioned(library))["getenv"].startswith("GLIBC_2.")
