/* SPDX-License-Identifier: BSD-2-Clause */
/* The tree of lend.dts. */
#ifndef TOOL_LEND_H
#define TOOL_LEND_H

#include <stddef.h>

extern const unsigned char tree_lend[];
extern const size_t tree_lend_size;

#endif
