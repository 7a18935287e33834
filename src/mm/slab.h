/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors of kmalloc()'s slabs: in pages of their own (slab_descriptor.c), used by slab.c. */
#ifndef BERTH_MM_SLAB_H
#define BERTH_MM_SLAB_H

#include <berth/slab.h>

struct slab_cache;

/*
 * struct slab - descriptor of one slab
 * @s: what taking an object needs; bit n of @s.free is set while object n is free
 * @last: @s.free of a slab that is empty then and can go elsewhere; 0, never, for a slot's own
 * @next: in the list of slabs with free and used objects, or in that of slots' own
 * @inverse: of the odd part of the stride, modulo 2^32; @shift: the stride's even part
 * @asked: what kmalloc() was asked for, where a red zone begins right behind it
 */
struct slab {
	struct berth_slab s;
	uint64_t last;
	struct slab *next;
	struct slab *prev;
	struct slab_cache *cache;
	uint32_t inverse;
	uint32_t nr_objects;
	uint8_t shift;
	bool is_own;
	uint16_t nr_pages;
	uint16_t asked[BERTH_PORT_REDZONE ? 64 : 1];
};

/* A descriptor that is nobody's, its contents undefined; NULL if there is no memory. */
struct slab *berth_slab_new_descriptor(gfp_t gfp);
void berth_slab_free_descriptor(struct slab *slab);
void berth_slab_forget_descriptors(void);

/* Pages of slabs, large objects and descriptors come, or go (@nr negative). */
void berth_slab_count_pages(uint64_t nr);

#endif
