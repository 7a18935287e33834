/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the virtio-iommu driver: virtio-iommu.c is what berth sees of it, -queue.c sends
 * requests and takes events, -pci.c finds the registers.
 *
 * Locks, with interrupts away: viommu_queue->lock (rings and slots) and viommu_domain->lock (what is
 * mapped) are leaves; nobody takes one with the other.
 */
#ifndef DRIVERS_VIRTIO_IOMMU_H
#define DRIVERS_VIRTIO_IOMMU_H

#include <berth/io.h>
#include <berth/iommu-driver.h>
#include <berth/pci.h>
#include <berth/spinlock.h>

#include <berth/drivers/virtio-iommu.h>

/* Requests, by the specification. All numbers are little-endian, as berth's machines are. */
enum viommu_type {
	VIOMMU_ATTACH = 1,
	VIOMMU_DETACH = 2,
	VIOMMU_MAP = 3,
	VIOMMU_UNMAP = 4,
	VIOMMU_PROBE = 5,
};

enum viommu_status {
	VIOMMU_OK,
	VIOMMU_IOERR,
	VIOMMU_UNSUPP,
	VIOMMU_DEVERR,
	VIOMMU_INVAL,
	VIOMMU_RANGE,
	VIOMMU_NOENT,
	VIOMMU_FAULT,
	VIOMMU_NOMEM,
};

struct viommu_head {
	uint8_t type;
	uint8_t reserved[3];
};

#define VIOMMU_ATTACH_BYPASS 0x1u

struct viommu_attach {
	struct viommu_head head;
	uint32_t domain;
	uint32_t endpoint;
	uint32_t flags;
	uint8_t reserved[4];
};

#define VIOMMU_MAP_READ 0x1u
#define VIOMMU_MAP_WRITE 0x2u
#define VIOMMU_MAP_MMIO 0x4u

struct viommu_map {
	struct viommu_head head;
	uint32_t domain;
	uint64_t first;
	uint64_t last;
	uint64_t phys;
	uint32_t flags;
	uint32_t pad; /* not sent */
};

struct viommu_unmap {
	struct viommu_head head;
	uint32_t domain;
	uint64_t first;
	uint64_t last;
	uint8_t reserved[4];
	uint32_t pad; /* not sent */
};

struct viommu_probe {
	struct viommu_head head;
	uint32_t endpoint;
	uint8_t reserved[64];
};

#define VIOMMU_PROBE_RESV_MEM 1u

struct viommu_resv {
	uint16_t type;
	uint16_t length;
	uint8_t subtype; /* 0: reserved, 1: MSI */
	uint8_t reserved[3];
	uint64_t first;
	uint64_t last;
};

#define VIOMMU_FAULT_DOMAIN 1u
#define VIOMMU_FAULT_MAPPING 2u
#define VIOMMU_FAULT_WRITE 0x2u
#define VIOMMU_FAULT_ADDRESS 0x100u

struct viommu_fault {
	uint8_t reason;
	uint8_t reserved[3];
	uint32_t flags;
	uint32_t endpoint;
	uint32_t pad;
	uint64_t address;
};

/* Requests that may be under way at once; each is a chain of two descriptors. */
#define VIOMMU_SLOTS 64u
#define VIOMMU_OUT_BYTES 80u
#define VIOMMU_IN_BYTES 16u
#define VIOMMU_EVENTS 64u
#define VIOMMU_MAX_QUEUE (2 * VIOMMU_SLOTS)

/* A split virtqueue (section 2.7), in memory that device and CPU share. */
struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct vring_used_elem {
	uint32_t id;
	uint32_t len;
};

struct vring {
	unsigned int size;
	struct vring_desc *desc;
	uint16_t *avail; /* flags, index, entries */
	uint16_t *used; /* flags, index, and struct vring_used_elem from byte 4 on */
	uint16_t next_avail, last_used;
	void __iomem *notify;
	dma_addr_t bus;
	void *memory;
	size_t bytes;
};

/* What a slot of the request queue is doing. */
enum viommu_slot { SLOT_FREE, SLOT_WAITED_FOR, SLOT_ALONE, SLOT_DONE };

struct viommu_queue {
	spinlock_t lock;
	struct vring ring;
	char *buffers; /* VIOMMU_OUT_BYTES and VIOMMU_IN_BYTES for each slot */
	dma_addr_t buffers_bus;
	uint8_t slots[VIOMMU_SLOTS];
	uint64_t sent[VIOMMU_SLOTS]; /* when, in requests */
	uint64_t nr_sent;
	bool is_broken; /* it does not answer any more */
};

struct viommu {
	struct iommu_device iommu;
	struct pci_dev *pdev;
	char __iomem *common;
	char __iomem *notify;
	char __iomem *isr;
	char __iomem *config;
	void __iomem *bars[PCI_STD_NUM_BARS];
	uint32_t notify_multiplier;
	uint64_t features;
	uint64_t page_sizes;
	dma_addr_t input_first, input_last;
	uint32_t domain_first, domain_last;
	uint32_t probe_size;
	uint64_t *domains; /* bitmap of numbers in use, from domain_first on */
	struct viommu_queue requests;
	struct vring events;
	struct viommu_fault *event_buffers;
	dma_addr_t event_buffers_bus;
	struct berth_virtio_iommu_counts counts;
};

#define VIOMMU_F_INPUT_RANGE 0
#define VIOMMU_F_DOMAIN_RANGE 1
#define VIOMMU_F_MAP_UNMAP 2
#define VIOMMU_F_PROBE 4
#define VIOMMU_F_MMIO 5
#define VIOMMU_F_BYPASS_CONFIG 6

static inline bool viommu_has(const struct viommu *v, unsigned int feature)
{
	return v->features >> feature & 1;
}

/* virtio-iommu-pci.c */

/* Find the registers, agree on features, make the queues. 0, or with the reason. */
int berth_viommu_pci_start(struct viommu *v);
void berth_viommu_pci_stop(struct viommu *v);

/* virtio-iommu-queue.c */

/* Rings and buffers. */
int berth_viommu_ring_init(struct viommu *v, struct vring *ring, unsigned int size);
void berth_viommu_ring_free(struct viommu *v, struct vring *ring);
int berth_viommu_queue_init(struct viommu *v);
void berth_viommu_queue_free(struct viommu *v);

/*
 * Send a request and wait for the answer. @in, if not NULL, is DMA memory for @in_size bytes of it in
 * front of the status. 0, or a negative errno value with the reason. Any context.
 */
int berth_viommu_ask(struct viommu *v, const void *request, size_t size, dma_addr_t in,
		     size_t in_size, const uint8_t *in_status);
/* Send one and do not wait. */
int berth_viommu_tell(struct viommu *v, const void *request, size_t size);
/* Return when all that was sent has been answered. */
void berth_viommu_sync(struct viommu *v);

/* Buffers for the device's events, all of them. */
void berth_viommu_events_fill(struct viommu *v);
/* What came is reported. Whether there was something. */
bool berth_viommu_events_drain(struct viommu *v);

#endif
