/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages of a program that is built with BERTH_CHECKED; included by gfp.h. See check-dma.h. */
#ifndef BERTH_CHECK_GFP_H
#define BERTH_CHECK_GFP_H

#include <berth/gfp.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

void berth_checked_free_block(struct page *page, unsigned int order);
void berth_checked_free_block_at(unsigned long addr, unsigned int order);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#define berth___free_pages berth_checked_free_block
#define berth___free_page(page) berth_checked_free_block(page, 0)
#define berth_free_pages berth_checked_free_block_at
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
