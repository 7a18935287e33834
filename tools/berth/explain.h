/* SPDX-License-Identifier: BSD-2-Clause */
/* What a board's devices get from the DMA stack, and what is wrong with its description. */
#ifndef TOOL_EXPLAIN_H
#define TOOL_EXPLAIN_H

#include <berth/dma-mapping.h>
#include <berth/iommu.h>
#include <berth/of.h>
#include <berth/types.h>

#define EXPLAIN_MASK_BITS 32 /* what a driver is assumed to set */
#define EXPLAIN_MAX_MEM 16

enum explain_kind {
	EXPLAIN_STATIC,
	EXPLAIN_CMA,
	EXPLAIN_COHERENT_POOL,
	EXPLAIN_RESTRICTED_POOL,
	EXPLAIN_CARVEOUT,
};

enum explain_backend {
	EXPLAIN_UNKNOWN, /* how much memory there is, is not known */
	EXPLAIN_DIRECT,
	EXPLAIN_BOUNCE,
	EXPLAIN_IOMMU,
};

enum explain_severity { EXPLAIN_NOTE, EXPLAIN_WARNING, EXPLAIN_ERROR };

/* One range that is reserved. */
struct explain_reserved {
	const char *name;
	const struct device_node *node; /* NULL: /memreserve/, or cma= */
	uint64_t base, size;
	enum explain_kind kind;
	bool is_dynamic, is_placed; /* not placed: base says nothing */
	bool is_bypassed; /* by cma=: nothing is reserved */
	bool is_nomap, is_reusable;
	bool is_default;
};

struct explain_device {
	struct device_node *node;
	bool is_coherent;
	struct berth_dma_window *windows; /* none: one to one */
	unsigned int nr_windows;
	struct berth_dma_window *behind; /* of the devices behind a PCI host */
	unsigned int nr_behind;
	const struct device_node *iommu; /* the first that iommus or iommu-map names */
	bool has_iommus, has_map;
	bool iommu_works; /* one of those it names is enabled */
	enum berth_protection protection; /* if it works */
	uint32_t *ids; /* all cells for that IOMMU */
	unsigned int nr_ids;
	enum explain_backend backend;
};

struct explain_finding {
	enum explain_severity severity;
	const char *code;
	const struct device_node *node; /* NULL: the whole tree */
	char message[240];
};

struct explain_options {
	bool all; /* every device with reg */
	struct berth_range mem[EXPLAIN_MAX_MEM];
	unsigned int nr_mem;
	const char *cma; /* as cma= would have it, or NULL */
};

struct explanation {
	char *bootargs;
	void *nodes;
	const char *model; /* "" if the tree has none */
	uint32_t cacheline;
	struct berth_range *memory; /* sorted; none: not known */
	unsigned int nr_memory;
	struct berth_range *mapped; /* less what is no-map */
	unsigned int nr_mapped;
	struct explain_reserved *reserved;
	unsigned int nr_reserved;
	struct explain_device *devices;
	unsigned int nr_devices, nr_more; /* left out: they have reg and no more */
	struct explain_finding *findings;
	unsigned int nr_findings;
	bool is_strict, is_passthrough;
	bool bounce_forced, bounce_forbidden;
	char error[320]; /* why there is no explanation */
};

/*
 * Explain a whole, flattened tree, which stays as it is until explain_free(). Not while berth runs.
 * 0, or -1 with a line in @error; explain_free() is due in both cases.
 */
int explain_board(const void *board, const struct explain_options *options,
		  struct explanation *result);
void explain_free(struct explanation *result);

void explain_print(const struct explanation *explanation);
void explain_print_json(const struct explanation *explanation);

/* RUN_FOUND if there is a finding that is more than a note, else RUN_DONE. */
int explain_status(const struct explanation *explanation);

/* `berth explain`. */
int explain_command(int argc, char **argv);

/* For the parts of the explanation. */

/* Both end the program if there is no memory. */
void *explain_alloc(size_t size);
/* One more element behind *@count others, all zero. */
void *explain_more(void *array, unsigned int *count, size_t size);

void explain_read_memory(struct explanation *e);
void explain_read_reserved(struct explanation *e);

void explain_find(struct explanation *e, enum explain_severity severity, const char *code,
		  const struct device_node *node, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void explain_find_reserved(struct explanation *e);
void explain_find_lists(struct explanation *e);
void explain_find_buses(struct explanation *e);
void explain_find_devices(struct explanation *e);

/* A list of phandles with arguments, one after the other. */
struct explain_list {
	const uint8_t *at;
	unsigned int left; /* cells */
	unsigned int entries; /* up to this one, empty ones included */
	const char *count_name; /* "#iommu-cells"; NULL: no arguments */
	struct device_node *target; /* NULL: nothing has that phandle, and the list ends there */
	const uint8_t *args;
	unsigned int nr_args;
};

void explain_list_open(struct explain_list *list, const struct device_node *node, const char *name,
		       const char *count_name);
bool explain_list_next(struct explain_list *list);

/* The windows of devices on a bus; freed by the caller. -1: the way to memory leads in a circle. */
int explain_windows(struct device_node *bus, struct berth_dma_window **windows,
		    unsigned int *count);

/* Bytes of [base, base + size) that a device with that mask does not reach. */
uint64_t explain_beyond(const struct berth_dma_window *windows, unsigned int count, uint64_t mask,
			uint64_t base, uint64_t size);

bool explain_is_enabled(const struct device_node *node); /* and all above it */
bool explain_is_device(const struct device_node *node);
bool explain_is_host(const struct device_node *node); /* of PCI */
const struct device_node *explain_reserved_root(void); /* NULL: there is none */
const struct explain_reserved *explain_reserved_of(const struct explanation *e,
						   const struct device_node *node);
const char *explain_kind_name(enum explain_kind kind);
const char *explain_backend_name(enum explain_backend backend); /* NULL: unknown */
const char *explain_severity_name(enum explain_severity severity);
const char *explain_protection(const struct explain_device *device); /* NULL: there is none */

#endif
