// The parts of test_kernels.cpp.
#ifndef CYFES_TESTS_TEST_KERNELS_HPP
#define CYFES_TESTS_TEST_KERNELS_HPP

void test_sums();
void test_basins();
void test_mbar();
void test_text();

#endif
