/* SPDX-License-Identifier: BSD-2-Clause */
/* Places in swap (swap.c), and who keeps pages there (anon.c). */
#ifndef BERTH_MM_SWAP_H
#define BERTH_MM_SWAP_H

#include <berth/mm.h>
#include <berth/swap.h>

/* A place is a number below 2^31: the area in the bits of SWAP_AREA, the page in it below them. */
#define SWAP_AREA_SHIFT 28
#define SWAP_AREA (7u << SWAP_AREA_SHIFT)

/* A free place; false if there is none. */
bool berth_swap_alloc(uint32_t *place);
void berth_swap_free(uint32_t place);

/* Any number at once; for one place one at a time. They sleep. 0 or a negative errno value. */
int berth_swap_write(uint32_t place, struct page *page);
int berth_swap_read(uint32_t place, struct page *page);

/* Free places. */
uint64_t berth_swap_room(void);

/* Read every page in again whose place, under @mask, is @places. 0 or a negative errno value. */
int berth_anon_bring_back(uint32_t mask, uint32_t places);

/* While berth stops: nobody has a place any more. */
void berth_swap_reset(void);

#endif
