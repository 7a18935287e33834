/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: CMSIS - the cache calls of a Cortex-M7, for a driver under the checker
 *
 * A driver for such a processor is compiled with ``-I .../berth/front/cmsis`` instead of CMSIS, and linked with
 * libberth-check; docs/check-raw.md is the guide. Its lines have 32 bytes: run it on a machine whose lines do.
 */
#ifndef BERTH_FRONT_CORE_CM7_H
#define BERTH_FRONT_CORE_CM7_H

#include <berth/front/cmsis/cmsis_compiler.h>

#ifndef __CORTEX_M
#define __CORTEX_M 7U
#endif
#ifndef __DCACHE_PRESENT
#define __DCACHE_PRESENT 1U
#endif
#ifndef __ICACHE_PRESENT
#define __ICACHE_PRESENT 1U
#endif

#include <berth/front/cmsis/cachel1_armv7.h>

#endif
