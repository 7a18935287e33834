/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the IOMMU core and the DMA API behind it are compared with: IOMMUs of the fuzzer's own, which
 * remember what they have read until they are told to forget it; a walker of their tables after the
 * architecture's rules; and flat arrays of where each page of each address space should lead.
 */
#ifndef TESTS_FUZZ_IOMMU_WORLD_H
#define TESTS_FUZZ_IOMMU_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <berth/berth.h>
#include <berth/dma-mapping.h>
#include <berth/gfp.h>
#include <berth/io-pgtable.h>
#include <berth/iommu-driver.h>
#include <berth/test.h>

#define KIB 1024ull
#define MIB (1024 * KIB)
#define RAM 0x80000000ull
#define RAM_SIZE (16 * MIB)
#define MMIO 0x10000000ull
#define MMIO_SIZE 0x100000ull
#define LAST_IOVA ((1ull << 40) - 1)

#define NR_IOMMUS 2u
#define NR_IDS 8u
#define NR_DEVICES 6u
#define NR_SPACES 3u
#define NR_WINDOWS 3u
#define NR_REMEMBERED 128u

/* A page: where it leads, and in the low bits how. */
typedef uint64_t word;
#define MAPPED 1u
#define IN_BLOCK 2u
#define PENDING 4u /* not mapped, but the IOMMU may remember something */
#define PROT_SHIFT 3
#define PROT (0x3full << PROT_SHIFT)

/* The next bytes of the trace; 0 behind its end. */
uint8_t take(void);
unsigned int take2(void);
unsigned int take_below(unsigned int bound);

/* One thing that does not hold: the trace has found a fault. */
void wrong(const char *file, int line, const char *what) __attribute__((noreturn));
#define MUST(condition)                                        \
	do {                                                   \
		if (!(condition))                              \
			wrong(__FILE__, __LINE__, #condition); \
	} while (0)

/*
 * struct world - this input's machine
 * @granule, @block: sizes; @block is 0 where there are none
 * @fails: an allocation, or an attach, of the step that runs may fail
 * @is_over: a device does no DMA any more, which the rest of the trace would not know
 */
extern struct world {
	unsigned int shift;
	uint64_t granule, block;
	uint64_t last_phys;
	unsigned long quirks;
	bool fails;
	bool is_over;
} world;

/* The IOMMUs. */

struct fuzz_domain {
	struct iommu_domain domain;
	struct io_pgtable_cfg cfg;
	struct remembered {
		uint64_t page; /* and one: 0 is none */
		word leads;
	} tlb[NR_REMEMBERED];
	struct {
		uint64_t place;
		uint64_t table;
	} tables[64]; /* the last ones of walks */
};

struct fuzz_iommu {
	struct iommu_device iommu;
	struct iommu_domain blocked, identity;
	const struct iommu_domain *seen[NR_IDS];
};

extern struct fuzz_iommu *iommus[NR_IOMMUS];
/* Before an attach fails; 0: none does. */
extern unsigned int attaches_left;
extern const struct berth_driver fuzz_drivers[];

static inline struct fuzz_domain *to_fuzz(struct iommu_domain *domain)
{
	return (struct fuzz_domain *)domain;
}

/* How protection shows in a table. */
word prot_word(int prot);
/* By the tables alone: where the page of @iova leads; 0: nowhere. */
word walk(const struct fuzz_domain *d, dma_addr_t iova);
/* As a device sees it: what is remembered counts. */
word look_up(struct fuzz_domain *d, dma_addr_t iova);
/* How many pages the tables have in all. */
uint64_t count_pages(const struct fuzz_domain *d);
/* Devices and their groups. */

enum { DEFAULT = -1, BLOCKED = -2 };

/* struct party - a group: what it should see */
struct party {
	struct iommu_group *group;
	unsigned int iommu;
	unsigned int nr_devices;
	bool is_used; /* by a driver */
	bool is_owned;
	int sees; /* the number of a space, DEFAULT or BLOCKED */
	enum berth_protection protection;
	struct iommu_domain *home; /* the default one */
	uint64_t nr_pages; /* in it: what the DMA API has mapped */
	unsigned int nr_live; /* mappings and memory of the DMA API */
};

struct client {
	struct device *dev;
	struct party *party;
	uint32_t id;
	bool is_coherent, is_untrusted;
	uint64_t nr_faults;
};

extern struct client clients[NR_DEVICES];
extern struct party parties[NR_DEVICES];
extern unsigned int nr_parties;

/*
 * An access of a device as its default domain lets it, page by page, past the CPU's caches if it does
 * not see them. False: it faulted.
 */
bool device_access(const struct client *c, dma_addr_t iova, void *bytes, size_t size,
		   bool is_write);

void world_start(void);
/* All that was made for it has gone. */
void world_stop(void);
/* Each device sees what its group should. */
void check_parties(void);

/* Address spaces of the trace's own (iommu_spaces.c). */

struct space {
	struct iommu_domain *domain; /* NULL: there is none */
	unsigned int iommu;
	unsigned int nr_attached;
	struct iommu_iotlb_gather gather;
	bool has_gather;
	uint64_t nr_mapped;
	dma_addr_t ended; /* what was unmapped last, if that is known */
	uint64_t ended_size;
	word *pages[NR_WINDOWS];
};

extern struct space spaces[NR_SPACES];

void space_call(void);
void space_stop(void);
/* Where an address of a space should lead. */
word space_word(const struct space *space, dma_addr_t iova);
/* Groups, owners, faults. */
void group_call(void);
void group_stop(void);
void fault_call(void);

/* The DMA API (iommu_dma.c). */

void dma_call(void);
void dma_stop(void);

#endif
