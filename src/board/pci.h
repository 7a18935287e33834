/* SPDX-License-Identifier: BSD-2-Clause */
/* The PCI core from the inside: buses, functions, and where their BARs go. */
#ifndef BERTH_BOARD_PCI_H
#define BERTH_BOARD_PCI_H

#include <berth/pci.h>

/* Index of a bridge's memory window among what needs a place; 0 to 5 are BARs. */
#define PCI_BRIDGE_WINDOW PCI_STD_NUM_BARS
#define PCI_NUM_PLACES (PCI_STD_NUM_BARS + 1)

/*
 * struct pci_bus - a bus
 * @bridge: the host it belongs to
 * @self: the bridge that leads to it, NULL for a host's first bus
 * @number: bus number
 */
struct pci_bus {
	struct pci_host_bridge *bridge;
	struct pci_function *self;
	unsigned int number;
};

/* Bytes and alignment of a BAR or a bridge's window; size 0: not there. */
struct pci_need {
	uint64_t size;
	uint64_t align;
	bool is_64bit;
	bool is_prefetchable;
};

/*
 * struct pci_function - a function from the inside
 * @pdev: what drivers see
 * @next, @prev: all functions, as they were found
 * @below: the bus behind it, for a bridge
 * @need: its BARs, and the window of a bridge
 */
struct pci_function {
	struct pci_dev pdev;
	struct pci_function *next;
	struct pci_function *prev;
	struct pci_bus *below;
	struct pci_need need[PCI_NUM_PLACES];
};

static inline struct pci_function *to_pci_function(struct pci_dev *pdev)
{
	return container_of(pdev, struct pci_function, pdev);
}

/* pci.c */
struct pci_function *berth_pci_first_function(void);

/* Whether one of the program's drivers is for a function that is described by a node. */
bool berth_pci_has_driver(const struct device_node *node);

/* Device/port type of a function (PCI_EXP_TYPE_*); negative for a conventional one. */
#define PCI_EXP_TYPE_PCI_BRIDGE 7
int berth_pci_express_type(struct pci_dev *pdev);

/* A function of the same device that it may reach without anybody in between; NULL if none. */
struct device *berth_pci_same(const struct pci_dev *pdev);

/* Configuration space by bus: all ones where nothing answers. @where is a multiple of @bytes. */
uint32_t berth_pci_bus_read(const struct pci_bus *bus, unsigned int devfn, unsigned int where,
			    unsigned int bytes);
void berth_pci_bus_write(const struct pci_bus *bus, unsigned int devfn, unsigned int where,
			 unsigned int bytes, uint32_t value);

/* pci_place.c */

/* Find out how large the BARs of a function are; its decoders must be off. */
void berth_pci_size_bars(struct pci_function *fn, unsigned int nr_bars);

/*
 * Tell the DMA API where functions reach each other's BARs, before they are added: in the host's
 * ranges, by the addresses that are in the BARs. 0, or -EINVAL (TREE).
 */
int berth_pci_set_peers(struct pci_host_bridge *bridge);

/* Give everything behind a host its place in the host's ranges. 0, or -EINVAL (TREE). */
int berth_pci_place_all(struct pci_host_bridge *bridge);

#endif
