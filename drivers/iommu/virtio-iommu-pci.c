/* SPDX-License-Identifier: BSD-2-Clause */
/* The modern PCI transport of the virtio-iommu (virtio specification 1.2, section 4.1). */
#include <berth/dma-mapping.h>
#include <berth/errno.h>
#include <berth/timer.h>

#include "virtio-iommu.h"

#define CAP_VENDOR 0x09
#define CAP_COMMON 1u
#define CAP_NOTIFY 2u
#define CAP_ISR 3u
#define CAP_DEVICE 4u

#define FEATURE_SELECT 0x00
#define FEATURE 0x04
#define GUEST_FEATURE_SELECT 0x08
#define GUEST_FEATURE 0x0c
#define MSIX_VECTOR 0x10
#define STATUS 0x14
#define QUEUE_SELECT 0x16
#define QUEUE_SIZE 0x18
#define QUEUE_MSIX_VECTOR 0x1a
#define QUEUE_ENABLE 0x1c
#define QUEUE_NOTIFY_OFF 0x1e
#define QUEUE_DESC 0x20
#define QUEUE_DRIVER 0x28
#define QUEUE_DEVICE 0x30
#define NO_VECTOR 0xffffu

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER 2u
#define STATUS_DRIVER_OK 4u
#define STATUS_FEATURES_OK 8u
#define STATUS_FAILED 0x80u

#define F_VERSION_1 32
#define F_ACCESS_PLATFORM 33

#define CONFIG_PAGE_SIZES 0x00
#define CONFIG_INPUT_FIRST 0x08
#define CONFIG_INPUT_LAST 0x10
#define CONFIG_DOMAIN_FIRST 0x18
#define CONFIG_DOMAIN_LAST 0x1c
#define CONFIG_PROBE_SIZE 0x20

static int refuse(const struct viommu *v, const char *why)
{
	dev_err(&v->pdev->dev, "%s\n", why);
	return -ENODEV;
}

/* The registers that a capability points at; NULL if it points nowhere. */
static char __iomem *map_cap(struct viommu *v, int at, uint32_t needed)
{
	struct pci_dev *pdev = v->pdev;
	uint32_t offset, length;
	uint8_t bar;

	if (pci_read_config_byte(pdev, at + 4, &bar) ||
	    pci_read_config_dword(pdev, at + 8, &offset) ||
	    pci_read_config_dword(pdev, at + 12, &length) || bar >= PCI_STD_NUM_BARS ||
	    length < needed || !pdev->resource[bar].flags || offset > pci_resource_len(pdev, bar) ||
	    length > pci_resource_len(pdev, bar) - offset)
		return NULL;
	if (!v->bars[bar])
		v->bars[bar] = pci_iomap(pdev, bar, 0);
	return v->bars[bar] ? (char __iomem *)v->bars[bar] + offset : NULL;
}

/* Of several of a kind the first that can be used counts. */
static int find_registers(struct viommu *v)
{
	int at = pci_find_capability(v->pdev, CAP_VENDOR);

	for (; at; at = pci_find_next_capability(v->pdev, (uint8_t)at, CAP_VENDOR)) {
		uint8_t type;

		if (pci_read_config_byte(v->pdev, at + 3, &type))
			break;
		if (type == CAP_COMMON && !v->common)
			v->common = map_cap(v, at, 0x38);
		else if (type == CAP_ISR && !v->isr)
			v->isr = map_cap(v, at, 1);
		else if (type == CAP_DEVICE && !v->config)
			v->config = map_cap(v, at, 0x24);
		else if (type == CAP_NOTIFY && !v->notify) {
			v->notify = map_cap(v, at, 2);
			pci_read_config_dword(v->pdev, at + 16, &v->notify_multiplier);
		}
	}
	return v->common && v->isr && v->config && v->notify
		       ? 0
		       : refuse(v, "registers of the modern transport are missing");
}

static void add_status(const struct viommu *v, uint8_t bits)
{
	writeb((uint8_t)(readb(v->common + STATUS) | bits), v->common + STATUS);
}

static int reset(const struct viommu *v)
{
	writeb(0, v->common + STATUS);
	for (unsigned int ms = 0; readb(v->common + STATUS); ms++) {
		if (ms == 1000)
			return refuse(v, "does not end its reset");
		msleep(1);
	}
	return 0;
}

static int agree(struct viommu *v)
{
	const uint64_t wanted = UINT64_C(1) << F_VERSION_1 | UINT64_C(1) << F_ACCESS_PLATFORM |
				1u << VIOMMU_F_INPUT_RANGE | 1u << VIOMMU_F_DOMAIN_RANGE |
				1u << VIOMMU_F_MAP_UNMAP | 1u << VIOMMU_F_PROBE |
				1u << VIOMMU_F_MMIO | 1u << VIOMMU_F_BYPASS_CONFIG;

	for (uint32_t half = 0; half < 2; half++) {
		writel(half, v->common + FEATURE_SELECT);
		v->features |= (uint64_t)readl(v->common + FEATURE) << 32 * half;
	}
	v->features &= wanted;
	if (!viommu_has(v, F_VERSION_1) || !viommu_has(v, VIOMMU_F_MAP_UNMAP))
		return refuse(v, "has no MAP and UNMAP, or no modern transport");
	for (uint32_t half = 0; half < 2; half++) {
		writel(half, v->common + GUEST_FEATURE_SELECT);
		writel((uint32_t)(v->features >> 32 * half), v->common + GUEST_FEATURE);
	}
	add_status(v, STATUS_FEATURES_OK);
	if (!(readb(v->common + STATUS) & STATUS_FEATURES_OK))
		return refuse(v, "refuses the features that it offers");
	return 0;
}

static int read_config(struct viommu *v)
{
	v->page_sizes = readq(v->config + CONFIG_PAGE_SIZES);
	v->input_last = UINT64_MAX;
	v->domain_last = UINT32_MAX;
	if (viommu_has(v, VIOMMU_F_INPUT_RANGE)) {
		v->input_first = readq(v->config + CONFIG_INPUT_FIRST);
		v->input_last = readq(v->config + CONFIG_INPUT_LAST);
	}
	if (viommu_has(v, VIOMMU_F_DOMAIN_RANGE)) {
		v->domain_first = readl(v->config + CONFIG_DOMAIN_FIRST);
		v->domain_last = readl(v->config + CONFIG_DOMAIN_LAST);
	}
	if (viommu_has(v, VIOMMU_F_PROBE))
		v->probe_size = readl(v->config + CONFIG_PROBE_SIZE);
	if (!v->page_sizes || v->input_first >= v->input_last || v->domain_first > v->domain_last ||
	    v->probe_size > 65536)
		return refuse(v, "has a configuration that makes no sense");
	return 0;
}

static int start_queue(struct viommu *v, uint16_t index, struct vring *ring, unsigned int size)
{
	unsigned int max;
	uint64_t offset;
	int err;

	writew(index, v->common + QUEUE_SELECT);
	max = readw(v->common + QUEUE_SIZE);
	if (max < size)
		return refuse(v, "has queues that are too short");
	err = berth_viommu_ring_init(v, ring, size);
	if (err)
		return err;
	offset = (uint64_t)readw(v->common + QUEUE_NOTIFY_OFF) * v->notify_multiplier;
	ring->notify = v->notify + offset;
	writew((uint16_t)size, v->common + QUEUE_SIZE);
	writew(NO_VECTOR, v->common + QUEUE_MSIX_VECTOR);
	writeq(ring->bus, v->common + QUEUE_DESC);
	writeq(ring->bus + (uint64_t)((char *)ring->avail - (char *)ring->memory),
	       v->common + QUEUE_DRIVER);
	writeq(ring->bus + (uint64_t)((char *)ring->used - (char *)ring->memory),
	       v->common + QUEUE_DEVICE);
	writew(1, v->common + QUEUE_ENABLE);
	return 0;
}

int berth_viommu_pci_start(struct viommu *v)
{
	int err = find_registers(v);

	if (err)
		return err;
	err = reset(v);
	if (err)
		return err;
	add_status(v, STATUS_ACKNOWLEDGE);
	add_status(v, STATUS_DRIVER);
	err = agree(v);
	if (!err)
		err = read_config(v);
	writew(NO_VECTOR, v->common + MSIX_VECTOR);
	if (!err)
		err = berth_viommu_queue_init(v);
	if (!err)
		err = start_queue(v, 0, &v->requests.ring, VIOMMU_MAX_QUEUE);
	if (!err)
		err = start_queue(v, 1, &v->events, VIOMMU_EVENTS);
	if (err) {
		add_status(v, STATUS_FAILED);
		return err;
	}
	add_status(v, STATUS_DRIVER_OK);
	berth_viommu_events_fill(v);
	return 0;
}

void berth_viommu_pci_stop(struct viommu *v)
{
	if (v->common)
		reset(v);
	berth_viommu_ring_free(v, &v->events);
	berth_viommu_ring_free(v, &v->requests.ring);
	berth_viommu_queue_free(v);
	for (unsigned int bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		if (v->bars[bar])
			pci_iounmap(v->pdev, v->bars[bar]);
}
