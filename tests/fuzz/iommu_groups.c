// SPDX-License-Identifier: BSD-2-Clause
/* Who decides what devices see, and what is told of accesses that were refused. */
#include "iommu_world.h"

static char owners[2];

static struct party *take_party(void)
{
	return &parties[take_below(nr_parties)];
}

static struct device *device_of(const struct party *party)
{
	for (unsigned int i = 0;; i++)
		if (clients[i].party == party)
			return clients[i].dev;
}

static void attach(struct party *party, struct space *space)
{
	struct device *dev = device_of(party);
	bool alone = take() & 1, fits, is_free;
	int err;

	fits = space->domain && space->iommu == party->iommu && !(alone && party->nr_devices > 1);
	is_free = party->sees < 0;
	if (!space->domain)
		return;
	berth_clear_error();
	err = alone ? iommu_attach_device(space->domain, dev)
		    : iommu_attach_group(space->domain, party->group);
	if (!err) {
		MUST(fits && is_free);
		party->sees = (int)(space - spaces);
		return;
	}
	MUST((err == -EINVAL && !fits) || (err == -EBUSY && fits && !is_free) ||
	     (err == -EIO && world.fails && !attaches_left));
}

static void detach(struct party *party, struct space *space)
{
	struct device *dev = device_of(party);
	bool alone = take() & 1, had_failure = attaches_left;
	bool fits = party->sees == space - spaces && !(alone && party->nr_devices > 1);

	if (!space->domain)
		return;
	berth_clear_error();
	if (alone)
		iommu_detach_device(space->domain, dev);
	else
		iommu_detach_group(space->domain, party->group);
	MUST(fits || berth_last_error()->code == -EINVAL);
	/* Rather nothing than what it should not see any more. */
	if (fits)
		party->sees = party->is_owned || (had_failure && !attaches_left) ? BLOCKED
										 : DEFAULT;
}

static void claim(struct party *party)
{
	void *owner = take() > 0xf0 ? NULL : &owners[take() & 1];
	bool is_free = !party->is_owned && !party->is_used && party->sees == DEFAULT;
	int err = iommu_group_claim_dma_owner(party->group, owner);

	if (!err) {
		MUST(owner && is_free);
		party->is_owned = true;
		party->sees = BLOCKED;
		return;
	}
	MUST((err == -EINVAL && !owner) || (err == -EBUSY && owner && !is_free) ||
	     (err == -EIO && world.fails && !attaches_left));
}

static void release(struct party *party)
{
	bool had_failure = attaches_left;

	berth_clear_error();
	iommu_group_release_dma_owner(party->group);
	if (!party->is_owned) {
		MUST(berth_last_error()->code == -EINVAL);
		return;
	}
	party->is_owned = false;
	party->sees = had_failure && !attaches_left ? BLOCKED : DEFAULT;
}

static void protect(struct party *party)
{
	unsigned int protection = take() % 5;
	struct device *dev = device_of(party);
	bool is_untrusted = false;
	int err;

	/* Nobody knows what is mapped there. */
	if (party->nr_live && (party->protection == BERTH_PROTECT_PASSTHROUGH ||
			       party->protection == BERTH_PROTECT_SHADOW))
		return;
	for (unsigned int i = 0; i < NR_DEVICES; i++)
		is_untrusted = is_untrusted || (clients[i].dev == dev && clients[i].is_untrusted);
	berth_clear_error();
	err = berth_device_set_protection(dev, (enum berth_protection)protection);
	if (party->sees == DEFAULT)
		party->home = iommu_get_domain_for_dev(dev);
	if (!err) {
		MUST(protection <= BERTH_PROTECT_SHADOW && party->nr_devices == 1);
		MUST(party->sees == DEFAULT && !party->is_owned && !party->nr_live);
		MUST(!is_untrusted || protection >= BERTH_PROTECT_STRICT);
		party->protection = (enum berth_protection)protection;
		party->nr_pages = protection == BERTH_PROTECT_SHADOW ? 256 * KIB >> world.shift : 0;
	} else {
		/* Of a refused attach the driver would say why: this one does not. */
		MUST(berth_last_error()->code == err || err == -EIO);
		MUST((err == -EINVAL && (protection > BERTH_PROTECT_SHADOW ||
					 party->nr_devices > 1 || is_untrusted)) ||
		     (err == -EBUSY &&
		      (party->sees != DEFAULT || party->is_owned || party->nr_live)) ||
		     ((err == -ENOMEM || err == -EIO) && world.fails));
	}
	/* Neither the new protection nor the old one could be had. */
	if (dev->backend == BERTH_DMA_NONE) {
		MUST(err && world.fails);
		world.is_over = true;
		return;
	}
	if (party->protection != BERTH_PROTECT_PASSTHROUGH)
		MUST(count_pages(to_fuzz(party->home)) == party->nr_pages);
}

void group_call(void)
{
	struct party *party = take_party();
	struct space *space = &spaces[take_below(NR_SPACES)];
	uint8_t what = take();

	/* Most often one that fits. */
	for (unsigned int i = 0; i < NR_SPACES && what & 0x30; i++)
		if (!space->domain || space->iommu != party->iommu)
			space = &spaces[i];
	if (what > 0xc0) {
		attaches_left = 1 + (what >> 3 & 1);
		world.fails = true;
	}
	switch (what & 7) {
	case 0:
	case 1:
		attach(party, space);
		break;
	case 2:
	case 3:
		detach(party, party->sees >= 0 && what & 8 ? &spaces[party->sees] : space);
		break;
	case 4:
		claim(party);
		break;
	case 5:
		release(party);
		break;
	default:
		protect(party);
		break;
	}
	attaches_left = 0;
	check_parties();
}

/* Faults. */

static uint64_t nr_reported, nr_told;

static void check_fault(const struct berth_iommu_fault *fault)
{
	char text[40];
	const struct client *c = clients;

	MUST(berth_iommu_fault_text(fault, text, sizeof(text)) && memchr(text, 0, sizeof(text)));
	while (c < clients + NR_DEVICES && c->dev != fault->dev)
		c++;
	if (c == clients + NR_DEVICES) {
		MUST(!fault->dev);
		return;
	}
	MUST(c->id == fault->id);
	if (fault->last_size)
		MUST(fault->address - fault->last_start < fault->last_size);
	if (c->party->sees >= 0) {
		const struct space *space = &spaces[c->party->sees];
		bool is_mapped = space_word(space, fault->address) & MAPPED;

		MUST(is_mapped == (fault->last_size && !fault->ended));
		if (space->ended_size && !is_mapped &&
		    fault->address - space->ended < space->ended_size)
			MUST(fault->ended == 1 && fault->last_start == space->ended &&
			     fault->last_size == space->ended_size);
	}
}

static void listen(const struct berth_iommu_fault *fault, void *data)
{
	MUST(data == owners);
	nr_told += fault->count;
	check_fault(fault);
}

static int handle(struct iommu_domain *domain, struct device *dev, dma_addr_t iova, int flags,
		  void *token)
{
	(void)iova;
	(void)flags;
	MUST(token == domain && iommu_get_domain_for_dev(dev) == domain);
	return -ENODEV;
}

void fault_call(void)
{
	unsigned int iommu = take_below(NR_IOMMUS), id = take_below(NR_IDS), how = take();
	struct space *space = &spaces[take_below(NR_SPACES)];
	dma_addr_t address = (dma_addr_t)take2() << (how & 1 ? world.shift : 9);
	unsigned int nr = 1 + take_below(4);

	if (how & 2)
		address = space->ended + (take() & 15);
	berth_iommu_set_listener(listen, owners);
	if (space->domain)
		iommu_set_fault_handler(space->domain, handle, space->domain);
	for (unsigned int i = 0; i < nr; i++, address += how & 4 ? 64 : world.granule) {
		struct client *c = clients;

		while (c < clients + NR_DEVICES && (c->id != id || c->party->iommu != iommu))
			c++;
		if (c < clients + NR_DEVICES)
			c->nr_faults++;
		nr_reported++;
		berth_iommu_report_fault(&iommus[iommu]->iommu, id, address, how >> 3 & 1,
					 (enum berth_iommu_fault_reason)(how >> 4 & 7));
	}
	if (how & 0x80) {
		berth_iommu_report_end(&iommus[0]->iommu);
		berth_iommu_report_end(&iommus[1]->iommu);
		MUST(nr_told == nr_reported);
	}
	check_parties();
}

void group_stop(void)
{
	for (unsigned int i = 0; i < NR_IOMMUS; i++)
		berth_iommu_report_end(&iommus[i]->iommu);
	MUST(nr_told == nr_reported);
	nr_told = nr_reported = 0;
	for (unsigned int i = 0; i < nr_parties; i++) {
		struct party *party = &parties[i];
		struct iommu_domain *domain;

		if (party->sees >= 0)
			iommu_detach_group(spaces[party->sees].domain, party->group);
		if (party->is_owned) {
			iommu_group_release_dma_owner(party->group);
		} else if (party->sees == BLOCKED) {
			domain = iommu_domain_alloc(device_of(party));
			MUST(domain && !iommu_attach_group(domain, party->group));
			iommu_detach_group(domain, party->group);
			iommu_domain_free(domain);
		}
		party->is_owned = false;
		party->sees = DEFAULT;
	}
	check_parties();
}
