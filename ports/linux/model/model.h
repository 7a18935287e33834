/* SPDX-License-Identifier: BSD-2-Clause */
/* The modelled SoC from the inside: how a device of the model is written. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <berth/model.h>

#include "names.h"

#define MODEL_MAX_IRQS 8
#define MODEL_MAX_WINDOWS 8

struct model_device;

/*
 * A kind of device. Registers are read and written with the model's lock held, on the model's
 * clock; a handler must not sleep or call into berth. Devices act later through model_after().
 */
struct model_device_type {
	const char *compatible;
	size_t state_size; /* zeroed and given as dev->state */
	int (*start)(struct model_device *dev);
	void (*stop)(struct model_device *dev);
	uint64_t (*read)(struct model_device *dev, uint64_t offset, unsigned int bytes);
	void (*write)(struct model_device *dev, uint64_t offset, unsigned int bytes,
		      uint64_t value);
	/*
	 * Of an IOMMU: where an access within a page of 4 KiB goes. MODEL_BYPASSED, MODEL_TRANSLATED
	 * with its physical address, or -EFAULT: then the IOMMU has reported it.
	 */
	int (*translate)(struct model_device *dev, uint32_t stream, uint64_t address, bool is_write,
			 uint64_t *phys);
};

enum { MODEL_BYPASSED, MODEL_TRANSLATED };

struct model_window {
	uint64_t cpu, bus, size;
};

/* A device that the tree describes. */
struct model_device {
	const struct model_device_type *type;
	char path[96];
	uint64_t base, size;
	unsigned int irqs[MODEL_MAX_IRQS];
	unsigned int nr_irqs;
	struct model_window windows[MODEL_MAX_WINDOWS];
	unsigned int nr_windows; /* 0: one to one */
	bool coherent;
	struct model_device *iommu; /* the one that the tree puts it behind; NULL */
	uint32_t stream; /* how that one calls it */
	const void *fdt;
	int node; /* offset in fdt, for properties of its own */
	void *state;
	struct model_device *next;
};

/* All kinds there are, NULL at the end; devices.c. */
extern const struct model_device_type *const model_device_types[];

/*
 * One more kind, for tests, before berth starts: it goes before one of model_device_types[] with
 * the same name. It stays until the process ends; adding it again does nothing.
 */
void model_add_type(const struct model_device_type *type);

/* The device at a path; NULL if there is none. */
struct model_device *model_find(const char *path);

/*
 * The model's lock, for functions that the program calls: devices are called with it held. It
 * nests; no call of berth is made, and no spinlock of a driver's is taken, while it is held.
 */
void model_lock(void);
void model_unlock(void);

/*
 * The device reads or writes memory, or another device's registers, by bus address. Registers are
 * accessed by 8, 4, 2 or 1 bytes, as many as are aligned; a device on which such an access has an
 * effect at once reaches memory alone meanwhile. 0, or -EFAULT if any byte is neither behind one of
 * its windows; then nothing was transferred. Behind an IOMMU each page of 4 KiB is an access of its
 * own: of one that fails nothing is transferred, the others are, and it is -EFAULT.
 */
int model_dma_read(struct model_device *dev, uint64_t bus, void *buffer, size_t size);
int model_dma_write(struct model_device *dev, uint64_t bus, const void *buffer, size_t size);

/* Drive one of the device's interrupt lines. */
void model_irq(struct model_device *dev, unsigned int index, bool asserted);

/*
 * Call @step(@dev, @arg) after @delay_ns of virtual time; events due at the same moment happen in
 * an order that the seed decides. model_cancel() forgets all pending steps of a device with that
 * function.
 */
void model_after(struct model_device *dev, uint64_t delay_ns,
		 void (*step)(struct model_device *dev, uint64_t arg), uint64_t arg);
void model_cancel(struct model_device *dev, void (*step)(struct model_device *dev, uint64_t arg));

/* Virtual time. */
uint64_t model_now(void);

/* A number from the seed, below @bound; part of the repeatable run. */
uint32_t model_random(uint32_t bound);

#endif
