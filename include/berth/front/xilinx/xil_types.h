/* SPDX-License-Identifier: BSD-2-Clause */
/* The types of Xilinx's standalone library, on the host. */
#ifndef BERTH_FRONT_XIL_TYPES_H
#define BERTH_FRONT_XIL_TYPES_H

#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef char char8;
typedef uintptr_t UINTPTR;
typedef intptr_t INTPTR;
typedef ptrdiff_t PTRDIFF;

#ifndef TRUE
#define TRUE 1U
#endif
#ifndef FALSE
#define FALSE 0U
#endif

#endif
