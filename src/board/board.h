/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of floor 6: a device tree in, an assembled machine out. */
#ifndef BERTH_BOARD_BOARD_H
#define BERTH_BOARD_BOARD_H

#include <berth/berth.h>
#include <berth/mm.h>
#include <berth/of.h>

struct cma;

/* early.c: memory and reservations, before there is an allocator. */

#define BERTH_MAX_RESERVED 128

/* One range of a child of /reserved-memory, or the area that cma= asks for. */
struct berth_reserved {
	char name[48];
	uint32_t phandle;
	int offset; /* of the node in the blob; negative for cma= */
	phys_addr_t base;
	uint64_t size;
	bool is_placed; /* false: it is dynamic, and no free range satisfies it */
	bool is_pool; /* compatible with shared-dma-pool */
	bool is_restricted; /* compatible with restricted-dma-pool */
	bool is_reusable; /* and not no-map */
	bool is_nomap;
	bool is_default; /* linux,cma-default */
	bool is_dma_default; /* linux,dma-default */
	bool is_guaranteed; /* berth,guaranteed */
	bool is_taken; /* something else had been reserved there before */
	bool stays_mapped; /* no-map, and not, since it is taken */
	bool is_coherent; /* a pool of coherent memory: it can be one */
	struct cma *area;
	struct coherent_pool *pool; /* that pool, once somebody has asked for it */
};

extern struct berth_reserved berth_reserved[BERTH_MAX_RESERVED];
extern unsigned int berth_nr_reserved;

/* RAM above the mem= limit: nobody's, but the port knows of it. Sorted, above all of memblock's. */
extern struct berth_range berth_left_out[BERTH_MAX_BANKS];
extern unsigned int berth_nr_left_out;

/* Fill memblock and the tables above from the tree, the options and the port. */
int berth_early_scan(const void *fdt, const struct berth_options *options);

/* The same without a port; a tree that tells of no memory is no error. */
int berth_early_read(const void *fdt, const struct berth_options *options);

/* /chosen/bootargs; NULL if there is none. */
const char *berth_early_bootargs(const void *fdt);

/* The pools that are CMA areas, once the linear map exists. */
int berth_early_declare_areas(void);

void berth_early_reset(void);

/* bootargs.c */

/* The value of "@key=" among the arguments; NULL if it is not there. Ends at a space. */
const char *berth_bootarg(const char *bootargs, const char *key);

/* nodes.c: the nodes as a tree in memory. */
int berth_nodes_build(const void *fdt);

/* What the nodes take, in bytes; 0 with the reason. */
size_t berth_nodes_bytes(const void *fdt);

/* Build them in memory of the caller's, which is his again after berth_nodes_reset(). */
void berth_nodes_link(const void *fdt, void *memory);
void berth_nodes_reset(void);
uint32_t berth_node_phandle(const struct device_node *node);
struct device_node *berth_node_at(int offset); /* NULL: no node begins there in the blob */
struct platform_device *berth_node_device(const struct device_node *node);
void berth_node_set_device(struct device_node *node, struct platform_device *pdev);

/* address.c */

/* An address of the bus @bus (in its own number of cells) as the CPU sees it; false if it does not. */
bool berth_of_translate(const struct device_node *bus, uint64_t addr, uint64_t *cpu);

/* reserved.c */

/*
 * Give a device the first area, or pool of coherent memory, that memory-region points at, if any. 0,
 * or with the reason if there is one that cannot be used.
 */
int berth_of_set_region(struct device *dev, const struct device_node *np);

/* The pool for devices that have none of their own, if the tree names one. 0, or with the reason. */
int berth_reserved_set_default(void);

/* The restricted-dma-pool that memory-region leads to, or NULL. */
const struct berth_reserved *berth_of_restricted(const struct device_node *np);

/* irq.c */

/*
 * An interrupt of a child of @node through its interrupt-map: @unit is the child's unit address in
 * @nr_unit cells. The port's number, or negative.
 */
int berth_of_irq_map(const struct device_node *node, const uint32_t *unit, int nr_unit,
		     uint32_t pin);

/* iommu.c */

/* What the boot arguments say of the protection of devices. */
void berth_iommu_read_bootargs(const char *bootargs);

/*
 * Let a device's IOMMU know it, if it has one and has not done so yet. One that cannot be used is
 * told, and the device does no DMA. Return: 0, or -EPROBE_DEFER if its IOMMU may come yet.
 */
int berth_iommu_configure(struct device *dev, bool is_last_try);
int berth_iommu_configure_pci(struct pci_dev *pdev, bool is_last_try);

/* A driver is going to probe a device. 0, or -EBUSY (OWNED), -ENOMEM. */
int berth_iommu_before_probe(struct device *dev);

/* of_dma.c: channels of DMA controllers by device tree, from start to stop. */
void berth_of_dma_start(void);
void berth_of_dma_reset(void);

/* device.c: devices whose private records are berth's. */
int berth_device_add(struct device *dev, const char *name);
void berth_device_del(struct device *dev);

/* platform.c */
int berth_platform_populate(void);
/* Whether one of them does not see the CPU's caches. */
bool berth_platform_any_noncoherent(void);
void berth_platform_bind(const struct berth_driver *drivers);
void berth_platform_remove_all(void);

/* Say on the console why a probe failed, and keep it as the last error. */
void berth_report_probe(const struct device *dev, const char *driver, int err);

/* read.c: whether a board is only being read. */
bool berth_board_is_open(void);

/* board.c: whether every byte of a tree makes sense. 0, or -EINVAL with the reason. */
int berth_check_tree(const void *board);

/* The list that berth_start() was given; ends with an empty entry. */
const struct berth_driver *berth_drivers(void);

/* What programs have to be built for: of the two libraries, each has its own (version.c). */
uint32_t berth_abi(void);

#endif
