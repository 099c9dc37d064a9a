#include "cpu/simd.hpp"
