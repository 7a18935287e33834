/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: model-device - devices of one's own in the modelled SoC
 *
 * A device is a state machine: it answers accesses to its registers, and acts later, at moments of virtual time, by
 * DMA and interrupts. What is due at the same moment happens in an order that the seed decides. docs/check-guide.md
 * writes one.
 *
 * The functions of &struct berth_model_device_type are called with the model's lock held; so are steps. They neither
 * sleep nor call berth, but for what is below.
 */
#ifndef BERTH_MODEL_DEVICE_H
#define BERTH_MODEL_DEVICE_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

#define BERTH_MODEL_MAX_IRQS 8
#define BERTH_MODEL_MAX_WINDOWS 8

struct berth_model_device;

/**
 * struct berth_model_device_type - a kind of device
 * @compatible: of the nodes that are one
 * @state_size: bytes of dev->state, zeroed at the start
 * @start: berth starts; not 0 makes berth_start() fail with it. NULL: nothing to do
 * @stop: berth stops. NULL: nothing to do
 * @read: a register is read; @offset in the device's registers, @bytes 1, 2, 4 or 8. NULL: all read 0
 * @write: a register is written. NULL: nothing happens
 * @translate: of an IOMMU: where an access within a page of 4 KiB goes: BERTH_MODEL_BYPASSED,
 *	BERTH_MODEL_TRANSLATED with its physical address, or -EFAULT: then the IOMMU has reported it. NULL: it is none
 */
struct berth_model_device_type {
	const char *compatible;
	size_t state_size;
	int (*start)(struct berth_model_device *dev);
	void (*stop)(struct berth_model_device *dev);
	uint64_t (*read)(struct berth_model_device *dev, uint64_t offset, unsigned int bytes);
	void (*write)(struct berth_model_device *dev, uint64_t offset, unsigned int bytes,
		      uint64_t value);
	int (*translate)(struct berth_model_device *dev, uint32_t stream, uint64_t address,
			 bool is_write, uint64_t *phys);
};

enum { BERTH_MODEL_BYPASSED, BERTH_MODEL_TRANSLATED };

/** struct berth_model_window - where an address of a device's bus leads */
struct berth_model_window {
	uint64_t cpu, bus, size;
};

/**
 * struct berth_model_device - a device that the tree describes
 * @type: its kind
 * @path: its node
 * @base: of its registers
 * @size: their bytes
 * @irqs: its interrupt lines
 * @nr_irqs: how many
 * @windows: how it reaches memory
 * @nr_windows: how many; 0: one to one
 * @coherent: it sees the CPU's caches
 * @iommu: the one that the tree puts it behind, or NULL
 * @stream: how that one calls it
 * @fdt: the tree
 * @node: offset in it, for properties of its own
 * @state: its own
 * @next: of the list of all
 */
struct berth_model_device {
	const struct berth_model_device_type *type;
	char path[96];
	uint64_t base, size;
	unsigned int irqs[BERTH_MODEL_MAX_IRQS];
	unsigned int nr_irqs;
	struct berth_model_window windows[BERTH_MODEL_MAX_WINDOWS];
	unsigned int nr_windows;
	bool coherent;
	struct berth_model_device *iommu;
	uint32_t stream;
	const void *fdt;
	int node;
	void *state;
	struct berth_model_device *next;
};

/**
 * berth_model_add_type() - one more kind of device, before berth starts
 * @type: goes before one of the model's own with the same name; stays until the process ends. Adding it again does
 *	nothing
 */
void berth_model_add_type(const struct berth_model_device_type *type);

/** berth_model_find() - the device of a node; NULL if there is none. While berth runs. */
struct berth_model_device *berth_model_find(const char *path);

/**
 * berth_model_lock() - the model's lock, for functions that the program calls
 *
 * Devices are called with it held. It nests; no call of berth is made, and no spinlock of a driver's is taken,
 * while it is held.
 */
void berth_model_lock(void);

/** berth_model_unlock() - see berth_model_lock() */
void berth_model_unlock(void);

/**
 * berth_model_dma_read() - the device reads memory, or another device's registers
 * @dev: the device
 * @bus: what it was told
 * @buffer: filled
 * @size: bytes
 *
 * Registers are accessed by 8, 4, 2 or 1 bytes, as many as are aligned; a device on which such an access has an effect
 * at once reaches memory alone meanwhile. Behind an IOMMU each page of 4 KiB is an access of its own: of one that
 * fails nothing is transferred, the others are. With the model's lock. Return: 0; -EFAULT if any byte is not behind
 * one of its windows, when nothing was transferred, or was refused by the IOMMU.
 */
int berth_model_dma_read(struct berth_model_device *dev, uint64_t bus, void *buffer, size_t size);

/** berth_model_dma_write() - the device writes; see berth_model_dma_read() */
int berth_model_dma_write(struct berth_model_device *dev, uint64_t bus, const void *buffer,
			  size_t size);

/** berth_model_irq() - drive one of the device's interrupt lines. With the model's lock. */
void berth_model_irq(struct berth_model_device *dev, unsigned int index, bool asserted);

/**
 * berth_model_after() - call @step(@dev, @arg) after @delay_ns of virtual time. With the model's lock.
 *
 * Events due at the same moment happen in an order that the seed decides.
 */
void berth_model_after(struct berth_model_device *dev, uint64_t delay_ns,
		       void (*step)(struct berth_model_device *dev, uint64_t arg), uint64_t arg);

/** berth_model_cancel() - forget all pending steps of a device with that function. With the model's lock. */
void berth_model_cancel(struct berth_model_device *dev,
			void (*step)(struct berth_model_device *dev, uint64_t arg));

/** berth_model_now() - virtual time in ns. With the model's lock. */
uint64_t berth_model_now(void);

/** berth_model_random() - a number from the seed, below @bound; part of the repeatable run. With the model's lock. */
uint32_t berth_model_random(uint32_t bound);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
