/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: drivers/uio - devices for programs, as the tree describes them
 *
 * Three drivers that know nothing of a device but its registers, memory and interrupt. The interrupt is held back
 * when it has come, until the program writes 1. Each has a compatible string of its own; a node that is
 * "generic-uio" is served as what its properties say by whichever of them comes first in the list of drivers. What the
 * properties are: docs/uio.md.
 */
#ifndef BERTH_DRIVERS_UIO_H
#define BERTH_DRIVERS_UIO_H

#include <berth/platform_device.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/* "berth,uio-pdrv": registers. */
extern const struct platform_driver berth_uio_pdrv_genirq_driver;

/* "berth,uio-dmem": memory besides, by size and number, while somebody has it open. */
extern const struct platform_driver berth_uio_dmem_genirq_driver;

/* "berth,uio-pmem": memory besides that is always there, which memory-region names. */
extern const struct platform_driver berth_uio_pmem_genirq_driver;

#define BERTH_UIO_SYNC_FOR_DEVICE 1u
#define BERTH_UIO_SYNC_FOR_CPU 2u

/**
 * struct berth_uio_sync - who works on a part of a cached map from now on
 * @map: its number
 * @flags: BERTH_UIO_SYNC_FOR_DEVICE or BERTH_UIO_SYNC_FOR_CPU
 * @offset: first byte
 * @length: bytes
 */
struct berth_uio_sync {
	uint32_t map;
	uint32_t flags;
	uint64_t offset;
	uint64_t length;
};

/* The ioctl(): _IOW('U', 0, struct berth_uio_sync). Of maps that need none it does nothing. */
#define BERTH_UIO_SYNC 0x40185500u

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
