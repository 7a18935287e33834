/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: io - device registers and barriers (linux/io.h, Documentation/memory-barriers.txt)
 *
 * An ``__iomem`` cookie comes from ioremap() and is followed only by the accessors here: on bare
 * metal they are plain accesses, in a process each region has operations behind it. Registers are
 * little endian. Byte arithmetic on a cookie is legal inside its region.
 */
#ifndef BERTH_IO_H
#define BERTH_IO_H

#include <berth/port.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/** mb() - all earlier accesses, to memory and devices, before all later ones. */
static inline void mb(void)
{
	berth_port_mb();
}

/** rmb() - earlier reads before later reads, devices included. */
static inline void rmb(void)
{
	berth_port_rmb();
}

/** wmb() - earlier writes before later writes, devices included. */
static inline void wmb(void)
{
	berth_port_wmb();
}

/** dma_rmb() - earlier reads of coherent memory before later ones. */
static inline void dma_rmb(void)
{
	berth_port_dma_rmb();
}

/** dma_wmb() - earlier writes of coherent memory before later ones. */
static inline void dma_wmb(void)
{
	berth_port_dma_wmb();
}

/** readb_relaxed() - one read of 8 bits, not ordered against memory. Any context. */
static inline uint8_t readb_relaxed(const volatile void __iomem *addr)
{
	return berth_port_read8(addr);
}

/** writeb_relaxed() - one write of 8 bits, not ordered against memory. Any context. */
static inline void writeb_relaxed(uint8_t value, volatile void __iomem *addr)
{
	berth_port_write8(addr, value);
}

/** readb() - one read of 8 bits; later reads of memory come after it. Any context. */
static inline uint8_t readb(const volatile void __iomem *addr)
{
	uint8_t value = berth_port_read8(addr);

	berth_port_rmb();
	return value;
}

/**
 * writeb() - one write of 8 bits; earlier writes to memory come before it
 *
 * So a doorbell needs no barrier of its own. Any context.
 */
static inline void writeb(uint8_t value, volatile void __iomem *addr)
{
	berth_port_wmb();
	berth_port_write8(addr, value);
}

/** readw_relaxed() - one read of 16 bits, not ordered against memory. Any context. */
static inline uint16_t readw_relaxed(const volatile void __iomem *addr)
{
	return berth_port_read16(addr);
}

/** writew_relaxed() - one write of 16 bits, not ordered against memory. Any context. */
static inline void writew_relaxed(uint16_t value, volatile void __iomem *addr)
{
	berth_port_write16(addr, value);
}

/** readw() - one read of 16 bits; later reads of memory come after it. Any context. */
static inline uint16_t readw(const volatile void __iomem *addr)
{
	uint16_t value = berth_port_read16(addr);

	berth_port_rmb();
	return value;
}

/**
 * writew() - one write of 16 bits; earlier writes to memory come before it
 *
 * So a doorbell needs no barrier of its own. Any context.
 */
static inline void writew(uint16_t value, volatile void __iomem *addr)
{
	berth_port_wmb();
	berth_port_write16(addr, value);
}

/** readl_relaxed() - one read of 32 bits, not ordered against memory. Any context. */
static inline uint32_t readl_relaxed(const volatile void __iomem *addr)
{
	return berth_port_read32(addr);
}

/** writel_relaxed() - one write of 32 bits, not ordered against memory. Any context. */
static inline void writel_relaxed(uint32_t value, volatile void __iomem *addr)
{
	berth_port_write32(addr, value);
}

/** readl() - one read of 32 bits; later reads of memory come after it. Any context. */
static inline uint32_t readl(const volatile void __iomem *addr)
{
	uint32_t value = berth_port_read32(addr);

	berth_port_rmb();
	return value;
}

/**
 * writel() - one write of 32 bits; earlier writes to memory come before it
 *
 * So a doorbell needs no barrier of its own. Any context.
 */
static inline void writel(uint32_t value, volatile void __iomem *addr)
{
	berth_port_wmb();
	berth_port_write32(addr, value);
}

/** readq_relaxed() - one read of 64 bits, not ordered against memory. Any context. */
static inline uint64_t readq_relaxed(const volatile void __iomem *addr)
{
	return berth_port_read64(addr);
}

/** writeq_relaxed() - one write of 64 bits, not ordered against memory. Any context. */
static inline void writeq_relaxed(uint64_t value, volatile void __iomem *addr)
{
	berth_port_write64(addr, value);
}

/** readq() - one read of 64 bits; later reads of memory come after it. Any context. */
static inline uint64_t readq(const volatile void __iomem *addr)
{
	uint64_t value = berth_port_read64(addr);

	berth_port_rmb();
	return value;
}

/**
 * writeq() - one write of 64 bits; earlier writes to memory come before it
 *
 * So a doorbell needs no barrier of its own. Any context.
 */
static inline void writeq(uint64_t value, volatile void __iomem *addr)
{
	berth_port_wmb();
	berth_port_write64(addr, value);
}

/**
 * ioremap() - a cookie for device registers
 * @phys: first register, or memory that the linear map leaves out: no-map, or above mem=
 * @size: bytes
 *
 * May sleep. RAM of the linear map is refused: it is mapped already, with another type. So is what
 * ioremap_wc() or memremap() has mapped. Return: the cookie, until iounmap(), or NULL
 * (berth_last_error(): MAPPING, NO_DEVICE, OUT_OF_MEMORY).
 */
void __iomem *ioremap(phys_addr_t phys, size_t size);

/**
 * ioremap_wc() - ioremap() where writes may be merged and reads come early
 *
 * For memory in a device, a frame buffer for one. May sleep. Return: as ioremap().
 */
void __iomem *ioremap_wc(phys_addr_t phys, size_t size);

/**
 * iounmap() - give back a cookie of ioremap() or ioremap_wc(); NULL is ignored
 *
 * May sleep. Anything else is refused (NOT_OWNED).
 */
void iounmap(volatile void __iomem *addr);

#define MEMREMAP_WB 1UL /* cached, as the linear map is */
#define MEMREMAP_WT 2UL /* what is written is in memory: not cached */
#define MEMREMAP_WC 4UL /* not cached, and writes may be merged */

/**
 * memremap() - an address for memory that has none: no-map, or above mem=
 * @offset: first byte
 * @size: bytes
 * @flags: MEMREMAP_WB, MEMREMAP_WT, MEMREMAP_WC; of several the first that can be had, in this order
 *
 * It is plain memory: no accessors are needed. RAM in the linear map has an address: MEMREMAP_WB
 * returns that, the others are refused. Memory may be mapped several times, with one type: another
 * one is refused as long as any mapping of the page is left. May sleep. Return: the address, until
 * memunmap(), or NULL (ARGUMENT, OUT_OF_MEMORY, MAPPING: another type, no room, or no RAM there).
 */
void *memremap(resource_size_t offset, size_t size, unsigned long flags);

/**
 * memunmap() - give back what memremap() returned; NULL and the linear map are ignored
 *
 * May sleep. Anything else is refused (NOT_OWNED).
 */
void memunmap(void *addr);

BERTH_END_DECLS

#ifdef BERTH_CHECKED
#include <berth/check-io.h>
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
