/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: types - the fixed-width types, the three kinds of address, and small helpers
 *
 * berth keeps three kinds of address apart and never casts one into another outside the single
 * place that converts it:
 *
 *   ``void *``        what the CPU dereferences
 *   ``phys_addr_t``   RAM and registers as the CPU's bus sees them
 *   ``dma_addr_t``    what a device is told
 *
 * The last two are 64 bits wide on every architecture, so that structures and prototypes are the
 * same everywhere.
 */
#ifndef BERTH_TYPES_H
#define BERTH_TYPES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
/* Some functions share the name of the struct that they fill in, which g++ calls a shadowing. */
#define BERTH_BEGIN_DECLS                                                             \
	_Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wshadow\"") \
		_Pragma("GCC visibility push(default)") extern "C"                    \
	{
#define BERTH_END_DECLS \
	}               \
	_Pragma("GCC visibility pop") _Pragma("GCC diagnostic pop")
#else
#define BERTH_BEGIN_DECLS _Pragma("GCC visibility push(default)")
#define BERTH_END_DECLS _Pragma("GCC visibility pop")
#endif

/* RAM or registers as the CPU's bus sees them. */
typedef uint64_t phys_addr_t;
/* What a device is told. Equal to a physical address only by accident. */
typedef uint64_t dma_addr_t;
typedef phys_addr_t resource_size_t;
/* Allocation flags, see gfp.h. */
typedef unsigned int gfp_t;

#ifndef BERTH_NO_SHORT_NAMES
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
#endif

/* A cookie for device registers: only the accessors of io.h may follow it. */
#ifndef __iomem
#define __iomem
#endif

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif
#ifndef BIT
#define BIT(n) (1UL << (n))
#endif
#ifndef BIT_ULL
#define BIT_ULL(n) (1ULL << (n))
#endif
#ifndef container_of
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(uintptr_t)(ptr)-offsetof(type, member)))
#endif
#ifndef lower_32_bits
#define lower_32_bits(n) ((uint32_t)((n)&0xffffffffu))
#endif
#ifndef upper_32_bits
#define upper_32_bits(n) ((uint32_t)(((n) >> 16) >> 16))
#endif

#define BERTH_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define BERTH_MUST_CHECK __attribute__((warn_unused_result))

/* A range of physical addresses. */
struct berth_range {
	phys_addr_t base;
	uint64_t size;
};

#endif
