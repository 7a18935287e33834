/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libfdt's environment, in the place of its own libfdt_env.h: no libc, and each of its global symbols
 * under berth's prefix, so that berth links beside a libfdt that is already there (U-Boot, Zephyr).
 */
#ifndef LIBFDT_ENV_H
#define LIBFDT_ENV_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __CHECKER__
#define FDT_FORCE __attribute__((force))
#define FDT_BITWISE __attribute__((bitwise))
#else
#define FDT_FORCE
#define FDT_BITWISE
#endif

typedef uint16_t FDT_BITWISE fdt16_t;
typedef uint32_t FDT_BITWISE fdt32_t;
typedef uint64_t FDT_BITWISE fdt64_t;

/* A device tree is big-endian: a swap on a little-endian CPU, in either direction. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FDT_SWAP(bits, x) __builtin_bswap##bits(x)
#else
#define FDT_SWAP(bits, x) (x)
#endif

#define FDT_CONVERSIONS(bits)                                            \
	static inline uint##bits##_t fdt##bits##_to_cpu(fdt##bits##_t x) \
	{                                                                \
		return FDT_SWAP(bits, (FDT_FORCE uint##bits##_t)x);      \
	}                                                                \
	static inline fdt##bits##_t cpu_to_fdt##bits(uint##bits##_t x)   \
	{                                                                \
		return (FDT_FORCE fdt##bits##_t)FDT_SWAP(bits, x);       \
	}

FDT_CONVERSIONS(16)
FDT_CONVERSIONS(32)
FDT_CONVERSIONS(64)

#undef FDT_CONVERSIONS
#undef FDT_SWAP

/* The port has these four. */
void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *left, const void *right, size_t bytes);

static inline size_t berth_fdt_strnlen(const char *text, size_t limit)
{
	size_t length = 0;

	while (length < limit && text[length])
		length++;
	return length;
}

static inline size_t berth_fdt_strlen(const char *text)
{
	return berth_fdt_strnlen(text, SIZE_MAX);
}

static inline void *berth_fdt_memchr(const void *bytes, int wanted, size_t count)
{
	const unsigned char *at = bytes;

	for (; count; at++, count--)
		if (*at == (unsigned char)wanted)
			return (void *)at;
	return NULL;
}

static inline char *berth_fdt_strrchr(const char *text, int wanted)
{
	const char *last = NULL;

	do {
		if (*text == (char)wanted)
			last = text;
	} while (*text++);
	return (char *)last;
}

#define memchr berth_fdt_memchr
#define strlen berth_fdt_strlen
#define strnlen berth_fdt_strnlen
#define strrchr berth_fdt_strrchr

/* All that the files listed in meson.build define. */
#define fdt_address_cells berth_fdt_address_cells
#define fdt_appendprop_addrrange berth_fdt_appendprop_addrrange
#define fdt_check_full berth_fdt_check_full
#define fdt_check_header berth_fdt_check_header
#define fdt_check_node_offset_ berth_fdt_check_node_offset_
#define fdt_check_prop_offset_ berth_fdt_check_prop_offset_
#define fdt_find_max_phandle berth_fdt_find_max_phandle
#define fdt_find_string_ berth_fdt_find_string_
#define fdt_first_property_offset berth_fdt_first_property_offset
#define fdt_first_subnode berth_fdt_first_subnode
#define fdt_generate_phandle berth_fdt_generate_phandle
#define fdt_get_alias berth_fdt_get_alias
#define fdt_get_alias_namelen berth_fdt_get_alias_namelen
#define fdt_get_mem_rsv berth_fdt_get_mem_rsv
#define fdt_get_name berth_fdt_get_name
#define fdt_get_path berth_fdt_get_path
#define fdt_get_phandle berth_fdt_get_phandle
#define fdt_get_property berth_fdt_get_property
#define fdt_get_property_by_offset berth_fdt_get_property_by_offset
#define fdt_get_property_namelen berth_fdt_get_property_namelen
#define fdt_get_string berth_fdt_get_string
#define fdt_get_symbol berth_fdt_get_symbol
#define fdt_get_symbol_namelen berth_fdt_get_symbol_namelen
#define fdt_getprop berth_fdt_getprop
#define fdt_getprop_by_offset berth_fdt_getprop_by_offset
#define fdt_getprop_namelen berth_fdt_getprop_namelen
#define fdt_header_size berth_fdt_header_size
#define fdt_header_size_ berth_fdt_header_size_
#define fdt_move berth_fdt_move
#define fdt_next_node berth_fdt_next_node
#define fdt_next_property_offset berth_fdt_next_property_offset
#define fdt_next_subnode berth_fdt_next_subnode
#define fdt_next_tag berth_fdt_next_tag
#define fdt_node_check_compatible berth_fdt_node_check_compatible
#define fdt_node_depth berth_fdt_node_depth
#define fdt_node_offset_by_compatible berth_fdt_node_offset_by_compatible
#define fdt_node_offset_by_phandle berth_fdt_node_offset_by_phandle
#define fdt_node_offset_by_prop_value berth_fdt_node_offset_by_prop_value
#define fdt_num_mem_rsv berth_fdt_num_mem_rsv
#define fdt_offset_ptr berth_fdt_offset_ptr
#define fdt_parent_offset berth_fdt_parent_offset
#define fdt_path_offset berth_fdt_path_offset
#define fdt_path_offset_namelen berth_fdt_path_offset_namelen
#define fdt_ro_probe_ berth_fdt_ro_probe_
#define fdt_size_cells berth_fdt_size_cells
#define fdt_strerror berth_fdt_strerror
#define fdt_string berth_fdt_string
#define fdt_stringlist_contains berth_fdt_stringlist_contains
#define fdt_stringlist_count berth_fdt_stringlist_count
#define fdt_stringlist_get berth_fdt_stringlist_get
#define fdt_stringlist_search berth_fdt_stringlist_search
#define fdt_subnode_offset berth_fdt_subnode_offset
#define fdt_subnode_offset_namelen berth_fdt_subnode_offset_namelen
#define fdt_supernode_atdepth_offset berth_fdt_supernode_atdepth_offset

#endif
