/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices behind IOMMUs: "iommus" and "iommu-map" of the tree, and what protects from them. */
#include <berth/errno.h>
#include <berth/of.h>
#include <berth/slab.h>

#include "board/board.h"
#include "board/pci.h"
#include "dma/internal.h"
#include "iommu/internal.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"

#define MAX_IDS 64u
#define MAX_ARGS 8u
#define MAX_RESV 16u

static enum berth_protection default_protection;

/* As Linux's kstrtobool(). */
static bool is_true(const char *arg, bool otherwise)
{
	if (!arg)
		return otherwise;
	switch (*arg) {
	case 'y':
	case 'Y':
	case 't':
	case 'T':
	case '1':
		return true;
	case 'n':
	case 'N':
	case 'f':
	case 'F':
	case '0':
		return false;
	case 'o':
	case 'O':
		return arg[1] == 'n' || arg[1] == 'N';
	default:
		return otherwise;
	}
}

void berth_iommu_read_bootargs(const char *bootargs)
{
	if (is_true(berth_bootarg(bootargs, "iommu.passthrough"), false))
		default_protection = BERTH_PROTECT_PASSTHROUGH;
	else if (is_true(berth_bootarg(bootargs, "iommu.strict"), true))
		default_protection = BERTH_PROTECT_STRICT;
	else
		default_protection = BERTH_PROTECT_LAZY;
	berth_iommu_dma_force_dac = is_true(berth_bootarg(bootargs, "iommu.forcedac"), false);
}

/*
 * What it may be: the driver of a device that can be plugged in cannot vouch for it. "external-facing"
 * is of the port's node, or of its host.
 */
static void read_trust(struct device *dev, const struct device_node *node)
{
	const struct device_node *says = node;

	while (says && !of_property_read_bool(says, "berth,untrusted") &&
	       !of_property_read_bool(says, "external-facing"))
		says = of_get_parent(says);
	dev->p->is_untrusted = says != NULL;
	while (node && of_property_read_u32(node, "berth,shadow-size", &dev->p->shadow_size))
		node = of_get_parent(node);
}

/* What the node says, or the nearest one above that says something. */
static enum berth_protection protection_of(const struct device *dev, const struct device_node *node)
{
	const char *name;

	for (; node; node = of_get_parent(node)) {
		int err = of_property_read_string(node, "berth,protection", &name);

		if (err == -EINVAL)
			continue;
		/* It says something that nobody can read: not what its parent says, or the default. */
		if (err)
			name = "";
		for (int p = BERTH_PROTECT_PASSTHROUGH; p <= BERTH_PROTECT_SHADOW; p++)
			if (!berth_strcmp(name, berth_protection_name((enum berth_protection)p)))
				return (enum berth_protection)p;
		dev_warn(dev, "berth,protection is \"%s\", which is none; it is strict\n", name);
		return BERTH_PROTECT_STRICT;
	}
	return default_protection;
}

/* Whether a driver in the program's list may yet drive the IOMMU at a node. */
static bool has_driver(const struct device_node *node)
{
	for (const struct berth_driver *d = berth_drivers(); d->platform || d->pci; d++)
		if (d->platform && of_match_node(d->platform->driver.of_match_table, node))
			return true;
	return berth_pci_has_driver(node);
}

static int bad_tree(const struct device *dev, const char *how)
{
	struct berth_error *error = berth_error_set(-EINVAL, BERTH_REASON_TREE, NULL);

	berth_snprintf(error->subject, sizeof(error->subject), "%s, %s", dev_name(dev), how);
	return -EINVAL;
}

/*
 * The IOMMU at a node. NULL if none is driven there, nor will be: then its devices reach memory as
 * if it were not there. -EPROBE_DEFER: later; else an error with the reason.
 */
static int find_iommu(const struct device *dev, const struct device_node *node, bool is_last_try,
		      struct iommu_device **iommu)
{
	struct berth_error *error;

	*iommu = NULL;
	if (!node)
		return bad_tree(dev, "which names no IOMMU");
	if (!of_device_is_available(node))
		return 0;
	*iommu = berth_iommu_of_node(node);
	if (*iommu || !has_driver(node))
		return 0;
	if (!is_last_try)
		return -EPROBE_DEFER;
	error = berth_error_set(-ENODEV, BERTH_REASON_IOMMU, dev_name(dev));
	berth_strlcpy(error->holder, berth_of_node_name(node), sizeof(error->holder));
	return -ENODEV;
}

/* struct iommu_ids - an IOMMU, and what it knows a device by */
struct iommu_ids {
	struct iommu_device *iommu;
	unsigned int nr;
	uint32_t id[MAX_IDS];
};

/* Of one device all ids are one IOMMU's. */
static int add_id(const struct device *dev, struct iommu_ids *ids, struct iommu_device *iommu,
		  uint32_t id)
{
	if (ids->iommu && ids->iommu != iommu)
		return bad_tree(dev, "which is behind two IOMMUs");
	if (ids->nr == MAX_IDS)
		return berth_fail_limit(-ENOSPC, BERTH_REASON_TABLE_FULL, dev_name(dev),
					ids->nr + 1, MAX_IDS);
	ids->iommu = iommu;
	ids->id[ids->nr++] = id;
	return 0;
}

static int translate_args(const struct device *dev, struct iommu_device *iommu,
			  const uint32_t *args, unsigned int nr, struct iommu_ids *ids)
{
	uint32_t id = nr ? args[0] : 0;
	int err = iommu->ops->of_xlate ? iommu->ops->of_xlate(iommu, args, nr, &id) : 0;

	return err ? err : add_id(dev, ids, iommu, id);
}

/* "iommus": an IOMMU's phandle and as many cells as it has in #iommu-cells, again and again. */
static int read_iommus(const struct device *dev, const struct device_node *node, bool is_last_try,
		       struct iommu_ids *ids)
{
	int length, err = 0;
	const uint8_t *cells = of_get_property(node, "iommus", &length);
	uint32_t nr, args[MAX_ARGS];

	if (cells && (!length || length % 4))
		return bad_tree(dev, "whose iommus are cut short");
	for (int at = 0; cells && !err && at < length;) {
		const struct device_node *target =
			of_find_node_by_phandle((uint32_t)of_read_number(cells + at, 1));
		struct iommu_device *iommu;

		at += 4;
		err = find_iommu(dev, target, is_last_try, &iommu);
		if (err)
			return err;
		if (of_property_read_u32(target, "#iommu-cells", &nr) || nr > MAX_ARGS ||
		    (int)nr > (length - at) / 4)
			return bad_tree(dev, "whose iommus are cut short");
		for (uint32_t i = 0; i < nr; i++)
			args[i] = (uint32_t)of_read_number(cells + at + 4 * i, 1);
		at += 4 * (int)nr;
		if (iommu)
			err = translate_args(dev, iommu, args, nr, ids);
	}
	return err;
}

/* struct map_entry - of "iommu-map": ids of a bus, and what an IOMMU knows them by */
struct map_entry {
	uint32_t first;
	const struct device_node *iommu;
	uint32_t id;
	uint32_t count;
};

static bool map_entry(const struct device_node *host, int index, struct map_entry *entry)
{
	int length;
	const uint8_t *cells = of_get_property(host, "iommu-map", &length);

	if (!cells || length / 16 <= index)
		return false;
	cells += 16 * index;
	entry->first = (uint32_t)of_read_number(cells, 1);
	entry->iommu = of_find_node_by_phandle((uint32_t)of_read_number(cells + 4, 1));
	entry->id = (uint32_t)of_read_number(cells + 8, 1);
	entry->count = (uint32_t)of_read_number(cells + 12, 1);
	return true;
}

static bool is_below(const struct device_node *node, const struct device_node *above)
{
	while (node && node != above)
		node = of_get_parent(node);
	return node != NULL;
}

/* A host waits for the IOMMUs of what is behind it, unless they are behind it themselves. */
static int wait_for_map(const struct device *dev, const struct device_node *host, bool is_last_try)
{
	struct map_entry entry;
	struct iommu_device *iommu;
	int err = 0;

	for (int i = 0; !err && map_entry(host, i, &entry); i++)
		if (!is_below(entry.iommu, host))
			err = find_iommu(dev, entry.iommu, is_last_try, &iommu);
	/* What is behind it has an error of its own. */
	return err == -EPROBE_DEFER ? err : 0;
}

static int read_map(const struct device *dev, const struct device_node *host, uint32_t rid,
		    bool is_last_try, struct iommu_ids *ids)
{
	uint32_t mask = UINT32_MAX;
	struct map_entry entry;
	int length;

	/* Who is in what is missing nobody knows. */
	if (of_get_property(host, "iommu-map", &length) && length % 16)
		return bad_tree(dev, "whose host's iommu-map is cut short");
	of_property_read_u32(host, "iommu-map-mask", &mask);
	rid &= mask;
	for (int i = 0; map_entry(host, i, &entry); i++) {
		struct iommu_device *iommu;
		int err;

		if (rid - entry.first >= entry.count)
			continue;
		err = find_iommu(dev, entry.iommu, is_last_try, &iommu);
		if (!err && iommu)
			err = add_id(dev, ids, iommu, entry.id + (rid - entry.first));
		return err;
	}
	return 0;
}

/* An entry of a region's "iommu-addresses" that is about @node: as Linux reads it. */
static bool resv_entry(const struct device_node *node, const struct device_node *region, int index,
		       struct iommu_resv_region *resv)
{
	int na = of_n_addr_cells(node), ns = of_n_size_cells(node), length, entry;
	const uint8_t *cells = of_get_property(region, "iommu-addresses", &length);
	struct berth_range range;

	entry = 4 * (1 + na + ns);
	if (!cells || length / entry <= index)
		return false;
	cells += entry * index;
	*resv = (struct iommu_resv_region){ 0 };
	if ((uint32_t)of_read_number(cells, 1) != berth_node_phandle(node))
		return true;
	resv->start = of_read_number(cells + 4, na);
	resv->length = of_read_number(cells + 4 + 4 * na, ns);
	resv->type = IOMMU_RESV_RESERVED;
	if (!berth_of_address(region, 0, &range) && range.base == resv->start &&
	    range.size == resv->length) {
		resv->type = IOMMU_RESV_DIRECT;
		resv->prot = IOMMU_READ | IOMMU_WRITE;
		if (of_dma_is_coherent(node))
			resv->prot |= IOMMU_CACHE;
	}
	if (resv->length && resv->start + (resv->length - 1) < resv->start)
		resv->length = 0;
	return true;
}

static int read_resv(struct device *dev, const struct device_node *node)
{
	struct iommu_resv_region resv[MAX_RESV];
	const struct device_node *region;
	unsigned int nr = 0;

	if (!berth_node_phandle(node))
		return 0;
	for (int r = 0; (region = of_parse_phandle(node, "memory-region", r)); r++) {
		for (int i = 0; nr < MAX_RESV && resv_entry(node, region, i, &resv[nr]); i++)
			nr += resv[nr].length != 0;
	}
	return nr ? berth_iommu_set_resv(dev, resv, nr) : 0;
}

/* All is known: the IOMMU gets the device, and the DMA API serves it there. */
static int take(struct device *dev, const struct device_node *node, const struct iommu_ids *ids,
		struct device *same)
{
	const struct device_node *says = dev->of_node ? dev->of_node : node;
	struct berth_error why;
	int err;

	err = berth_iommu_probe_device(dev, ids->iommu, ids->id, ids->nr, same,
				       protection_of(dev, says));
	if (err)
		return err;
	dev->p->iommu->released = berth_dma_iommu_teardown;
	read_trust(dev, says);
	err = dev->of_node ? read_resv(dev, dev->of_node) : 0;
	if (!err)
		err = berth_dma_iommu_setup(dev);
	if (!err)
		return 0;
	why = *berth_last_error();
	berth_iommu_release_device(dev);
	*berth_port_error() = why;
	return err;
}

/* A device whose IOMMU cannot be used does no DMA: it might reach what it should not. */
static int end_try(struct device *dev, int err)
{
	char why[160];

	if (!err || err == -EPROBE_DEFER)
		return err;
	/* Not every driver says why. */
	if (berth_last_error()->code == err)
		berth_error_text(NULL, why, sizeof(why));
	else
		berth_strlcpy(why, berth_error_name(err), sizeof(why));
	dev_err(dev, "does no DMA: %s\n", why);
	berth_dma_forbid(dev);
	return 0;
}

int berth_iommu_configure(struct device *dev, bool is_last_try)
{
	const struct device_node *node = dev->of_node;
	struct iommu_ids ids = { 0 };
	int err;

	if (!node || dev->p->iommu || dev->backend == BERTH_DMA_NONE)
		return 0;
	err = wait_for_map(dev, node, is_last_try);
	if (!err)
		err = read_iommus(dev, node, is_last_try, &ids);
	if (!err && ids.iommu)
		err = take(dev, node, &ids, NULL);
	return end_try(dev, err);
}

/*
 * A conventional bridge sends what comes from below with an id of its own: all that is behind it is
 * one to the IOMMU. Linux: pci_for_each_dma_alias().
 */
static int add_aliases(const struct pci_dev *pdev, const struct device_node *host, bool is_last_try,
		       struct iommu_ids *ids)
{
	for (const struct pci_bus *bus = pdev->bus; bus->self; bus = bus->self->pdev.bus) {
		struct pci_dev *bridge = &bus->self->pdev;
		int err, kind = berth_pci_express_type(bridge);
		uint32_t rid;

		if (kind == PCI_EXP_TYPE_PCI_BRIDGE)
			rid = bus->number << 8;
		else if (kind < 0)
			rid = bridge->bus->number << 8 | bridge->devfn;
		else
			continue;
		err = read_map(&pdev->dev, host, rid, is_last_try, ids);
		if (err)
			return err;
	}
	return 0;
}

int berth_iommu_configure_pci(struct pci_dev *pdev, bool is_last_try)
{
	const struct device_node *host = pdev->bus->bridge->dev->of_node;
	struct device *dev = &pdev->dev;
	struct iommu_ids ids = { 0 };
	int err;

	if (dev->p->iommu || dev->backend == BERTH_DMA_NONE)
		return 0;
	err = read_map(dev, host, pdev->bus->number << 8 | pdev->devfn, is_last_try, &ids);
	if (!err && ids.iommu)
		err = add_aliases(pdev, host, is_last_try, &ids);
	if (!err && ids.iommu)
		err = take(dev, host, &ids, berth_pci_same(pdev));
	return end_try(dev, err);
}

static void unuse(void *dev)
{
	berth_iommu_unuse(dev);
}

int berth_iommu_before_probe(struct device *dev)
{
	int err = berth_iommu_use(dev);

	return err || !dev->p->iommu ? err : devm_add_action_or_reset(dev, unuse, dev);
}
