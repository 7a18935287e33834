/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: io-pgtable - page tables that an IOMMU walks (linux/io-pgtable.h)
 *
 * An IOMMU driver asks for tables of the format that its hardware reads and is called back for
 * invalidations. Meaning: include/linux/io-pgtable.h. Here are the formats; the functions come with
 * the page-table engine.
 */
#ifndef BERTH_IO_PGTABLE_H
#define BERTH_IO_PGTABLE_H

#include <berth/iommu.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct io_pgtable_cfg;
struct io_pgtable_ops;

/**
 * enum io_pgtable_fmt - formats, by Linux's numbers
 * @ARM_64_LPAE_S1: VMSAv8-64 stage 1, granules of 4, 16 and 64 KiB
 */
enum io_pgtable_fmt {
	ARM_64_LPAE_S1 = 2,
};

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
