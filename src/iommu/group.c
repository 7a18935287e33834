/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IOMMUs, the devices behind them, and what each group of devices sees.
 *
 * Devices and IOMMUs come and go while berth starts and stops, when hosts are scanned, and when
 * drivers are bound: one after the other. What may be asked at any time, in interrupt handlers too,
 * is under groups.lock. Drivers are called without it; group->is_changing keeps others away.
 */
#include <berth/errno.h>
#include <berth/slab.h>

#include "iommu/internal.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/string.h"

static struct {
	spinlock_t lock;
	struct iommu_device *iommus;
	struct iommu_group *first;
	unsigned int next_id;
} groups;

static int no_iommu(const struct device *dev)
{
	return berth_fail(-ENODEV, BERTH_REASON_NO_IOMMU, dev_name(dev));
}

static int owned(const struct iommu_group *group)
{
	return berth_fail(-EBUSY, BERTH_REASON_OWNED, dev_name(group->first->dev));
}

static int not_alone(const struct iommu_group *group, const struct device *dev)
{
	const struct dev_iommu *other = group->first;
	struct berth_error *error = berth_error_set(-EINVAL, BERTH_REASON_GROUP, dev_name(dev));

	if (other->dev == dev)
		other = other->next;
	berth_strlcpy(error->holder, dev_name(other->dev), sizeof(error->holder));
	return -EINVAL;
}

/* IOMMUs. */

struct iommu_device *berth_iommu_of_node(const struct device_node *node)
{
	struct iommu_device *iommu;
	unsigned long flags;

	spin_lock_irqsave(&groups.lock, flags);
	iommu = groups.iommus;
	while (iommu && iommu->dev->of_node != node)
		iommu = iommu->next;
	spin_unlock_irqrestore(&groups.lock, flags);
	return iommu;
}

int iommu_device_register(struct iommu_device *iommu, const struct iommu_ops *ops,
			  struct device *dev)
{
	unsigned long flags;

	if (!iommu || !ops || !ops->domain_alloc || !ops->probe_device || !dev || !dev->of_node)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "iommu_device_register");
	if (berth_iommu_of_node(dev->of_node))
		return berth_fail(-EBUSY, BERTH_REASON_STATE, dev_name(dev));
	iommu->ops = ops;
	iommu->dev = dev;
	spin_lock_irqsave(&groups.lock, flags);
	iommu->next = groups.iommus;
	groups.iommus = iommu;
	spin_unlock_irqrestore(&groups.lock, flags);
	return 0;
}

static struct dev_iommu *any_device_of(const struct iommu_device *iommu)
{
	for (struct iommu_group *group = groups.first; group; group = group->next)
		if (group->iommu == iommu)
			return group->first;
	return NULL;
}

void iommu_device_unregister(struct iommu_device *iommu)
{
	struct iommu_device **at = &groups.iommus;
	struct dev_iommu *record;
	unsigned long flags;

	while ((record = any_device_of(iommu))) {
		struct device *dev = record->dev;

		berth_driver_unbind(dev);
		berth_iommu_release_device(dev);
	}
	spin_lock_irqsave(&groups.lock, flags);
	while (*at && *at != iommu)
		at = &(*at)->next;
	if (*at)
		*at = iommu->next;
	spin_unlock_irqrestore(&groups.lock, flags);
}

/* Ids. */

static bool has_id(const struct dev_iommu *record, uint32_t id)
{
	for (unsigned int i = 0; i < record->nr_ids; i++)
		if (record->ids[i] == id)
			return true;
	return false;
}

static struct dev_iommu *find_id(const struct iommu_device *iommu, uint32_t id)
{
	for (struct iommu_group *group = groups.first; group; group = group->next) {
		if (group->iommu != iommu)
			continue;
		for (struct dev_iommu *record = group->first; record; record = record->next)
			if (has_id(record, id))
				return record;
	}
	return NULL;
}

struct device *berth_iommu_device_of_id(struct iommu_device *iommu, uint32_t id)
{
	struct dev_iommu *record;
	unsigned long flags;

	spin_lock_irqsave(&groups.lock, flags);
	record = find_id(iommu, id);
	spin_unlock_irqrestore(&groups.lock, flags);
	return record ? record->dev : NULL;
}

const uint32_t *dev_iommu_ids(const struct device *dev, unsigned int *count)
{
	const struct dev_iommu *record = dev->p ? dev->p->iommu : NULL;

	*count = record ? record->nr_ids : 0;
	return record ? record->ids : NULL;
}

void dev_iommu_priv_set(struct device *dev, void *priv)
{
	if (dev->p && dev->p->iommu)
		dev->p->iommu->priv = priv;
}

void *dev_iommu_priv_get(const struct device *dev)
{
	return dev->p && dev->p->iommu ? dev->p->iommu->priv : NULL;
}

/* What a group sees. */

static int begin_change(struct iommu_group *group)
{
	unsigned long flags;
	bool is_changing;

	spin_lock_irqsave(&groups.lock, flags);
	is_changing = group->is_changing;
	group->is_changing = true;
	spin_unlock_irqrestore(&groups.lock, flags);
	return is_changing ? owned(group) : 0;
}

static void set_domain(struct iommu_group *group, struct iommu_domain *domain)
{
	unsigned long flags;

	spin_lock_irqsave(&groups.lock, flags);
	if (group->domain && group->domain->p)
		group->domain->p->nr_attached--;
	group->domain = domain;
	if (domain && domain->p)
		domain->p->nr_attached++;
	spin_unlock_irqrestore(&groups.lock, flags);
}

static void end_change(struct iommu_group *group)
{
	unsigned long flags;

	spin_lock_irqsave(&groups.lock, flags);
	group->is_changing = false;
	spin_unlock_irqrestore(&groups.lock, flags);
}

/* One device; where that fails it sees nothing, if even the old domain is refused. */
static void attach_back(struct iommu_group *group, struct device *dev)
{
	struct berth_error why = *berth_last_error();
	struct iommu_domain *old = group->domain ? group->domain : group->blocked;

	if (old->ops->attach_dev(old, dev))
		group->blocked->ops->attach_dev(group->blocked, dev);
	*berth_port_error() = why;
}

/* All devices of a group; between begin_change() and end_change(). */
static int attach_all(struct iommu_group *group, struct iommu_domain *domain)
{
	struct dev_iommu *record, *done;
	int err = 0;

	if (domain == group->domain)
		return 0;
	for (record = group->first; record; record = record->next) {
		err = domain->ops->attach_dev(domain, record->dev);
		if (err)
			break;
	}
	if (!err) {
		set_domain(group, domain);
		return 0;
	}
	for (done = group->first; done != record; done = done->next)
		attach_back(group, done->dev);
	return err;
}

/* Devices. */

static unsigned int default_type(enum berth_protection protection)
{
	switch (protection) {
	case BERTH_PROTECT_PASSTHROUGH:
		return IOMMU_DOMAIN_IDENTITY;
	case BERTH_PROTECT_LAZY:
		return IOMMU_DOMAIN_DMA_FQ;
	default:
		return IOMMU_DOMAIN_DMA;
	}
}

static void free_group(struct iommu_group *group)
{
	berth_iommu_domain_drop(group->default_domain);
	berth_iommu_domain_drop(group->blocked);
	kfree(group);
}

static struct iommu_group *new_group(struct iommu_device *iommu, enum berth_protection protection)
{
	struct iommu_group *group = kzalloc(sizeof(*group), GFP_KERNEL);
	unsigned long flags;

	if (!group)
		return NULL;
	group->iommu = iommu;
	group->blocked = berth_iommu_domain_new(iommu, IOMMU_DOMAIN_BLOCKED);
	if (group->blocked)
		group->default_domain = berth_iommu_domain_new(iommu, default_type(protection));
	if (!group->default_domain) {
		free_group(group);
		return NULL;
	}
	spin_lock_irqsave(&groups.lock, flags);
	group->id = groups.next_id++;
	group->next = groups.first;
	groups.first = group;
	spin_unlock_irqrestore(&groups.lock, flags);
	set_domain(group, group->default_domain);
	return group;
}

static void unlink_group(struct iommu_group *group)
{
	struct iommu_group **at = &groups.first;
	unsigned long flags;

	spin_lock_irqsave(&groups.lock, flags);
	while (*at != group)
		at = &(*at)->next;
	*at = group->next;
	spin_unlock_irqrestore(&groups.lock, flags);
	set_domain(group, NULL);
	free_group(group);
}

/* The group of devices that a new one cannot be told from; NULL: it is told from all. */
static struct iommu_group *shared_group(const struct dev_iommu *record, struct device *same)
{
	if (same && same->p->iommu && same->p->iommu->iommu == record->iommu)
		return same->p->iommu->group;
	for (unsigned int i = 0; i < record->nr_ids; i++) {
		const struct dev_iommu *other = find_id(record->iommu, record->ids[i]);

		if (other)
			return other->group;
	}
	return NULL;
}

static void join(struct iommu_group *group, struct dev_iommu *record)
{
	struct dev_iommu **at = &group->first;
	unsigned long flags;

	spin_lock_irqsave(&groups.lock, flags);
	while (*at)
		at = &(*at)->next;
	*at = record;
	record->group = group;
	spin_unlock_irqrestore(&groups.lock, flags);
}

static void leave(struct dev_iommu *record)
{
	struct iommu_group *group = record->group;
	struct dev_iommu **at = &group->first;
	unsigned long flags;

	spin_lock_irqsave(&groups.lock, flags);
	while (*at != record)
		at = &(*at)->next;
	*at = record->next;
	record->group = NULL;
	spin_unlock_irqrestore(&groups.lock, flags);
	if (!group->first)
		unlink_group(group);
}

static struct dev_iommu *new_record(struct device *dev, struct iommu_device *iommu,
				    const uint32_t *ids, unsigned int nr_ids,
				    enum berth_protection protection)
{
	struct dev_iommu *record =
		kzalloc(sizeof(*record) + nr_ids * sizeof(record->ids[0]), GFP_KERNEL);

	if (!record)
		return NULL;
	record->dev = dev;
	record->iommu = iommu;
	record->protection = protection;
	for (unsigned int i = 0; i < nr_ids; i++)
		if (!has_id(record, ids[i]))
			record->ids[record->nr_ids++] = ids[i];
	return record;
}

static int join_group(struct dev_iommu *record, struct device *same)
{
	struct iommu_group *group = shared_group(record, same);
	struct device *dev = record->dev;
	int err;

	if (!group)
		group = new_group(record->iommu, record->protection);
	if (!group)
		return berth_last_error()->code ? berth_last_error()->code : -ENOMEM;
	if (group->first && group->first->protection != record->protection) {
		dev_warn(dev, "shares its ids with %s, and is held as that is: %s\n",
			 dev_name(group->first->dev),
			 berth_protection_name(group->first->protection));
		record->protection = group->first->protection;
	}
	err = group->domain->ops->attach_dev(group->domain, dev);
	if (!err)
		join(group, record);
	else if (!group->first)
		unlink_group(group);
	return err;
}

int berth_iommu_probe_device(struct device *dev, struct iommu_device *iommu, const uint32_t *ids,
			     unsigned int nr_ids, struct device *same,
			     enum berth_protection protection)
{
	struct dev_iommu *record;
	struct berth_error why;
	int err;

	if (dev->p->iommu || !nr_ids)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, dev_name(dev));
	record = new_record(dev, iommu, ids, nr_ids, protection);
	if (!record)
		return -ENOMEM;
	dev->p->iommu = record;
	err = iommu->ops->probe_device(iommu, dev);
	if (!err) {
		err = join_group(record, same);
		if (!err)
			return 0;
		why = *berth_last_error();
		if (iommu->ops->release_device)
			iommu->ops->release_device(iommu, dev);
		*berth_port_error() = why;
	}
	dev->p->iommu = NULL;
	kfree(record);
	return err;
}

/* Ids that another device has as well stay with that one. */
static void drop_shared_ids(struct dev_iommu *record)
{
	unsigned int nr = 0;
	unsigned long flags;

	spin_lock_irqsave(&groups.lock, flags);
	for (unsigned int i = 0; i < record->nr_ids; i++) {
		const struct dev_iommu *other = record->group->first;

		while (other && (other == record || !has_id(other, record->ids[i])))
			other = other->next;
		if (!other)
			record->ids[nr++] = record->ids[i];
	}
	record->nr_ids = nr;
	spin_unlock_irqrestore(&groups.lock, flags);
}

void berth_iommu_release_device(struct device *dev)
{
	struct dev_iommu *record = dev->p->iommu;
	struct iommu_group *group;

	if (!record)
		return;
	group = record->group;
	if (record->released)
		record->released(dev);
	drop_shared_ids(record);
	group->blocked->ops->attach_dev(group->blocked, dev);
	if (record->iommu->ops->release_device)
		record->iommu->ops->release_device(record->iommu, dev);
	leave(record);
	berth_iommu_faults_forget(dev);
	dev->p->iommu = NULL;
	kfree(record->resv);
	kfree(record);
}

int berth_iommu_set_default(struct device *dev, unsigned int type)
{
	struct iommu_group *group = dev->p->iommu ? dev->p->iommu->group : NULL;
	struct iommu_domain *domain, *old;
	int err;

	if (!group)
		return no_iommu(dev);
	if (group->first->next)
		return not_alone(group, dev);
	if (group->owner || group->domain != group->default_domain)
		return owned(group);
	domain = berth_iommu_domain_new(group->iommu, type);
	if (!domain)
		return berth_last_error()->code ? berth_last_error()->code : -ENOMEM;
	err = begin_change(group);
	if (err) {
		berth_iommu_domain_drop(domain);
		return err;
	}
	old = group->default_domain;
	err = attach_all(group, domain);
	if (!err)
		group->default_domain = domain;
	end_change(group);
	berth_iommu_domain_drop(err ? domain : old);
	return err;
}

int berth_iommu_use(struct device *dev)
{
	struct iommu_group *group = dev->p->iommu ? dev->p->iommu->group : NULL;
	unsigned long flags;
	bool is_owned;

	if (!group)
		return 0;
	spin_lock_irqsave(&groups.lock, flags);
	is_owned = group->owner != NULL;
	group->nr_users += !is_owned;
	spin_unlock_irqrestore(&groups.lock, flags);
	return is_owned ? owned(group) : 0;
}

void berth_iommu_unuse(struct device *dev)
{
	struct iommu_group *group = dev->p->iommu ? dev->p->iommu->group : NULL;
	unsigned long flags;

	if (!group)
		return;
	spin_lock_irqsave(&groups.lock, flags);
	group->nr_users -= group->nr_users > 0;
	spin_unlock_irqrestore(&groups.lock, flags);
}

void berth_iommu_reset(void)
{
	memset(&groups, 0, sizeof(groups));
	berth_iommu_faults_reset();
}

/* For users of domains. */

struct iommu_group *iommu_group_get(struct device *dev)
{
	return dev->p && dev->p->iommu ? dev->p->iommu->group : NULL;
}

unsigned int iommu_group_id(const struct iommu_group *group)
{
	return group->id;
}

int iommu_group_for_each_dev(struct iommu_group *group, void *data,
			     int (*fn)(struct device *dev, void *data))
{
	struct dev_iommu *record = group->first;
	int ret = 0;

	for (; record && !ret; record = record->next)
		ret = fn(record->dev, data);
	return ret;
}

struct iommu_domain *iommu_get_domain_for_dev(struct device *dev)
{
	struct iommu_group *group = iommu_group_get(dev);

	return group ? group->domain : NULL;
}

int iommu_attach_group(struct iommu_domain *domain, struct iommu_group *group)
{
	int err;

	if (!domain || domain->type != IOMMU_DOMAIN_UNMANAGED || domain->iommu != group->iommu)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, dev_name(group->first->dev));
	err = begin_change(group);
	if (err)
		return err;
	if (group->domain != group->default_domain && group->domain != group->blocked)
		err = owned(group);
	else
		err = attach_all(group, domain);
	end_change(group);
	return err;
}

void iommu_detach_group(struct iommu_domain *domain, struct iommu_group *group)
{
	if (begin_change(group))
		return;
	if (group->domain != domain)
		berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, dev_name(group->first->dev));
	else if (attach_all(group, group->owner ? group->blocked : group->default_domain) &&
		 !attach_all(group, group->blocked))
		dev_err(group->first->dev, "sees nothing: its domain could not be attached\n");
	end_change(group);
}

int iommu_attach_device(struct iommu_domain *domain, struct device *dev)
{
	struct iommu_group *group = iommu_group_get(dev);

	if (!group)
		return no_iommu(dev);
	if (group->first->next)
		return not_alone(group, dev);
	return iommu_attach_group(domain, group);
}

void iommu_detach_device(struct iommu_domain *domain, struct device *dev)
{
	struct iommu_group *group = iommu_group_get(dev);

	if (!group)
		no_iommu(dev);
	else if (group->first->next)
		not_alone(group, dev);
	else
		iommu_detach_group(domain, group);
}

int iommu_group_claim_dma_owner(struct iommu_group *group, void *owner)
{
	unsigned long flags;
	bool is_free;
	int err;

	if (!owner)
		return berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "iommu_group_claim_dma_owner");
	err = begin_change(group);
	if (err)
		return err;
	spin_lock_irqsave(&groups.lock, flags);
	is_free = !group->owner && !group->nr_users && group->domain == group->default_domain;
	if (is_free)
		group->owner = owner;
	spin_unlock_irqrestore(&groups.lock, flags);
	err = is_free ? attach_all(group, group->blocked) : owned(group);
	if (err && is_free)
		group->owner = NULL;
	end_change(group);
	return err;
}

void iommu_group_release_dma_owner(struct iommu_group *group)
{
	if (begin_change(group))
		return;
	if (!group->owner)
		berth_fail(-EINVAL, BERTH_REASON_ARGUMENT, "iommu_group_release_dma_owner");
	else if (attach_all(group, group->default_domain) && !attach_all(group, group->blocked))
		dev_err(group->first->dev, "sees nothing: its domain could not be attached\n");
	group->owner = NULL;
	end_change(group);
}

bool iommu_group_dma_owner_claimed(const struct iommu_group *group)
{
	return group->owner != NULL;
}

bool device_iommu_mapped(struct device *dev)
{
	return iommu_group_get(dev) != NULL;
}

bool device_iommu_capable(struct device *dev, enum iommu_cap cap)
{
	struct iommu_device *iommu = dev->p && dev->p->iommu ? dev->p->iommu->iommu : NULL;

	return iommu && iommu->ops->capable && iommu->ops->capable(iommu, cap);
}

enum berth_protection berth_device_protection(const struct device *dev)
{
	return dev->p && dev->p->iommu ? dev->p->iommu->protection : BERTH_PROTECT_PASSTHROUGH;
}

const char *berth_protection_name(enum berth_protection protection)
{
	static const char *const names[] = {
		[BERTH_PROTECT_PASSTHROUGH] = "passthrough",
		[BERTH_PROTECT_LAZY] = "lazy",
		[BERTH_PROTECT_STRICT] = "strict",
		[BERTH_PROTECT_SHADOW] = "shadow",
	};

	return (unsigned int)protection < ARRAY_SIZE(names) ? names[protection] : "unknown";
}
