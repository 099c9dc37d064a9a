#include "status.hpp"
int cyfes_format_grid(const cyfes_grid *, int32_t, const double *const *, int64_t, int64_t, int32_t,
                      int32_t, int32_t, char **, int64_t *) { return CYFES_UNSUPPORTED; }
void cyfes_free_text(char *) {}
