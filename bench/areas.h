/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_AREAS_H
#define BENCH_AREAS_H

#include <stddef.h>

/* areas.dts, compiled. */
extern const unsigned char bench_areas[];
extern const size_t bench_areas_size;

#endif
