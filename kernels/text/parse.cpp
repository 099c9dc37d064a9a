#include "status.hpp"
int cyfes_count_rows(const char *, int64_t, int32_t, int64_t *) { return CYFES_UNSUPPORTED; }
int cyfes_parse_rows(const char *, int64_t, int32_t, int32_t, const int32_t *, int32_t, int64_t,
                     double *, uint8_t *, int64_t *, cyfes_bad_row *) { return CYFES_UNSUPPORTED; }
