/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: abi - which headers a program was built with
 */
#ifndef BERTH_ABI_H
#define BERTH_ABI_H

/* Changes with the layout of anything that inline functions read. */
#define BERTH_ABI 1u

#if defined(BERTH_CHECKED) || defined(BERTH_ABI_IS_CHECKED)
#define BERTH_ABI_CHECKED 0x80000000u
#else
#define BERTH_ABI_CHECKED 0u
#endif

#endif
