/* SPDX-License-Identifier: BSD-2-Clause */
/* ioremap() and kin of a program that is built with BERTH_CHECKED; included by io.h. See check-dma.h. */
#ifndef BERTH_CHECK_IO_H
#define BERTH_CHECK_IO_H

#include <berth/io.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

void __iomem *berth_checked_ioremap(phys_addr_t phys, size_t size);
void __iomem *berth_checked_ioremap_wc(phys_addr_t phys, size_t size);
void *berth_checked_memremap(resource_size_t offset, size_t size, unsigned long flags);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#define berth_ioremap berth_checked_ioremap
#define berth_ioremap_wc berth_checked_ioremap_wc
#define berth_memremap berth_checked_memremap
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
