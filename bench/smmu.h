/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_SMMU_H
#define BENCH_SMMU_H

#include <stddef.h>

/* smmu.dts, compiled. */
extern const unsigned char bench_smmu[];
extern const size_t bench_smmu_size;

#endif
