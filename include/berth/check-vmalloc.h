/* SPDX-License-Identifier: BSD-2-Clause */
/* vmap() of a program that is built with BERTH_CHECKED; included by vmalloc.h. See check-dma.h. */
#ifndef BERTH_CHECK_VMALLOC_H
#define BERTH_CHECK_VMALLOC_H

#include <berth/vmalloc.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

void *berth_checked_vmap(struct page **pages, unsigned int count, unsigned long flags,
			 pgprot_t prot);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#define berth_vmap berth_checked_vmap
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
