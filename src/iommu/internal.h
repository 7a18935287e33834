/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of src/iommu/ share.
 *
 * Locks, in the order in which they may be taken; all with interrupts away:
 *
 *   groups.lock         the IOMMUs, the groups and who is in them; what a group sees (group.c)
 *   faults.lock         who is told of faults, runs of equal ones (fault.c); a leaf
 *   io_pgtable->lock    which tables are linked, and the epochs of those that are not
 *   iova_caches->lock   full magazines that belong to no slot; a leaf
 *   iova_domain->lock   the tree of ranges; the locks of kmalloc() come after it
 *
 * A slot's word of an IOVA cache is a lock that nobody waits for, but who gives back all that the
 * caches hold, and that one gives up after a while. While a word is held both locks of the IOVA
 * domain may be taken, one after the other. No lock is held while a function of a driver's runs.
 */
#ifndef BERTH_IOMMU_INTERNAL_H
#define BERTH_IOMMU_INTERNAL_H

#include <berth/iommu-driver.h>
#include <berth/iova.h>

/*
 * struct iommu_group - devices that the hardware cannot tell apart
 * @first: its devices
 * @domain: what they see; NULL while no domain could be attached
 * @default_domain: what they see when nobody else decides
 * @owner: who does; NULL: nobody
 * @nr_users: devices with a driver
 * @blocked: a domain that nothing is reachable in
 * @is_changing: somebody attaches a domain, without a lock
 */
struct iommu_group {
	struct iommu_group *next;
	struct iommu_device *iommu;
	struct dev_iommu *first;
	struct iommu_domain *domain, *default_domain, *blocked;
	void *owner;
	unsigned int id;
	unsigned int nr_users;
	bool is_changing;
};

/*
 * struct dev_iommu - what is known of a device behind an IOMMU
 * @next: in its group
 * @priv: the IOMMU driver's
 * @protection: as the tree or a call says
 * @released: called before it goes; how the DMA API serves the device ends with it
 * @resv: ranges that the tree reserves, sorted; kmalloc()'s
 * @nr_faults, @last_fault: under faults.lock
 */
struct dev_iommu {
	struct dev_iommu *next;
	struct device *dev;
	struct iommu_device *iommu;
	struct iommu_group *group;
	void *priv;
	enum berth_protection protection;
	void (*released)(struct device *dev);
	struct iommu_resv_region *resv;
	unsigned int nr_resv;
	uint64_t nr_faults;
	struct berth_iommu_fault last_fault;
	unsigned int nr_ids;
	uint32_t ids[];
};

/* Mappings that ended last, for reports of faults. */
#define IOMMU_HISTORY 64u

/*
 * struct iommu_domain_private - what berth keeps of a domain
 * @cookie: the DMA API's (dma/iommu.h)
 * @release_cookie: called when the domain goes, if @cookie is set
 * @nr_attached: groups that see it
 * @handler, @token: who is told of faults
 * @nr_ended: unmappings, the last of which are in @ended; read without a lock: a report may tell
 *	of one that is being written
 */
struct iommu_domain_private {
	void *cookie;
	void (*release_cookie)(struct iommu_domain *domain);
	unsigned int nr_attached;
	iommu_fault_handler_t handler;
	void *token;
	uint32_t nr_ended;
	struct iommu_ended {
		dma_addr_t iova;
		uint64_t size;
	} ended[IOMMU_HISTORY];
};

/* group.c */

/*
 * A device of @iommu: gets a record, a group, what its protection asks for, and sees the group's
 * default domain. Devices of the same ids are in one group; @same, if not NULL, is one that the
 * hardware cannot tell it from. Return: 0, or with the reason and nothing changed.
 */
int berth_iommu_probe_device(struct device *dev, struct iommu_device *iommu, const uint32_t *ids,
			     unsigned int nr_ids, struct device *same,
			     enum berth_protection protection);
/* It goes: sees nothing. */
void berth_iommu_release_device(struct device *dev);
/* The IOMMU of a node, NULL if none is registered. */
struct iommu_device *berth_iommu_of_node(const struct device_node *node);
/*
 * Another default domain for a device that is alone in its group, of IOMMU_DOMAIN_IDENTITY, DMA or
 * DMA_FQ; the old one is freed. 0, or with the reason and nothing changed.
 */
int berth_iommu_set_default(struct device *dev, unsigned int type);
/* A driver is to be bound, and has been unbound. 0, or -EBUSY (OWNED). */
int berth_iommu_use(struct device *dev);
void berth_iommu_unuse(struct device *dev);
/* Ranges that the tree reserves for a device, before it is probed or after. 0 or -ENOMEM. */
int berth_iommu_set_resv(struct device *dev, const struct iommu_resv_region *regions,
			 unsigned int count);
/* A device of an IOMMU by its id; NULL if there is none. */
struct device *berth_iommu_device_of_id(struct iommu_device *iommu, uint32_t id);
/* Forget everything: all devices are gone. */
void berth_iommu_reset(void);

/* domain.c */

/* A domain with its private part; NULL with the reason. */
struct iommu_domain *berth_iommu_domain_new(struct iommu_device *iommu, unsigned int type);
/* Nothing is attached, and the DMA API has nothing there any more. */
void berth_iommu_domain_drop(struct iommu_domain *domain);

/* An address range has ended, or has begun to: a fault there will be told with it. */
static inline void berth_iommu_ended(struct iommu_domain *domain, dma_addr_t iova, uint64_t size)
{
	struct iommu_domain_private *p = domain->p;
	uint32_t n = __atomic_fetch_add(&p->nr_ended, 1, __ATOMIC_RELAXED);
	struct iommu_ended *ended = &p->ended[n % IOMMU_HISTORY];

	__atomic_store_n(&ended->iova, iova, __ATOMIC_RELAXED);
	__atomic_store_n(&ended->size, size, __ATOMIC_RELAXED);
}

/* fault.c */

/* A device is in no group any more: on return nobody tells of it, nor will. May wait. */
void berth_iommu_faults_forget(struct device *dev);
void berth_iommu_faults_reset(void);

/* Give back a range by its first page. False, with the reason, if it is not one's. */
bool berth_iova_free_at(struct iova_domain *iovad, uint64_t pfn, const char *subject);

/* What the caches hold goes back to the tree; false if they hold nothing. */
bool berth_iova_flush(struct iova_domain *iovad);
/* The caches themselves go, and what they hold with the domain. */
void berth_iova_drop_caches(struct iova_domain *iovad);

#endif
