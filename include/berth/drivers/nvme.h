/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: nvme - NVMe controllers on PCI (NVM Express base specification 1.4, NVM command set)
 *
 * Whole blocks are read and written, from and to scattered memory, many requests at once. A request
 * is cut into as many commands as the controller's limits ask for. Pieces of memory begin at multiples
 * of 4 bytes; between two pieces that do not both touch at a multiple of 4096 lies a whole number of
 * blocks. docs/nvme.md tells the whole.
 */
#ifndef BERTH_DRIVERS_NVME_H
#define BERTH_DRIVERS_NVME_H

#include <berth/backing.h>
#include <berth/bvec.h>
#include <berth/pci.h>
#include <berth/scatterlist.h>
#include <berth/types.h>

BERTH_BEGIN_DECLS

/* Namespaces of a controller that are used; more are left alone. */
#define BERTH_NVME_MAX_NAMESPACES 16u

/* Commands that the controller may have at once. */
#define BERTH_NVME_DEPTH 63u

/* For the list of berth_start(). */
extern const struct pci_driver berth_nvme_driver;

struct berth_nvme_namespace;

/**
 * struct berth_nvme_info - what a controller says of itself
 * @model: its model, without spaces at the end
 * @serial: its serial number, likewise
 * @firmware: its firmware revision, likewise
 * @version: as in its register: 0x10400 is 1.4.0
 * @max_transfer: bytes of the longest command
 * @depth: commands that it has at once
 * @nr_namespaces: how many are used
 * @has_write_cache: what is written is safe only after a flush
 */
struct berth_nvme_info {
	char model[41];
	char serial[21];
	char firmware[9];
	uint32_t version;
	uint32_t max_transfer;
	unsigned int depth;
	unsigned int nr_namespaces;
	bool has_write_cache;
};

/**
 * struct berth_nvme_stats - what a controller has done since it was bound
 * @requests: requests that ended, failed ones included
 * @commands: commands that were given to it
 * @errors: commands that failed
 * @register_writes: all of them, those of probe included
 * @interrupts: calls of the handler that found something
 * @lost_interrupts: commands that were done when their time was up, and nobody had been told
 * @timeouts: commands whose time was up
 * @max_in_flight: commands that it had at once, at most
 */
struct berth_nvme_stats {
	uint64_t requests;
	uint64_t commands;
	uint64_t errors;
	uint64_t register_writes;
	uint64_t interrupts;
	uint64_t lost_interrupts;
	uint64_t timeouts;
	unsigned int max_in_flight;
};

/** enum berth_nvme_op - what a request wants */
enum berth_nvme_op {
	BERTH_NVME_READ,
	BERTH_NVME_WRITE,
	BERTH_NVME_FLUSH, /* all writes that have ended before are safe; no memory */
};

/**
 * struct berth_nvme_cursor - a place in a request's memory; private
 */
struct berth_nvme_cursor {
	struct scatterlist *sg;
	unsigned int left;
	unsigned int done;
	const struct bio_vec *bvecs;
	struct bvec_iter iter;
};

/**
 * struct berth_nvme_request - something to do
 * @op: what
 * @block: the first block
 * @sgl: the memory: a list that is not mapped; or NULL, and @bvecs counts
 * @nents: its entries
 * @bvecs: the memory as a vector
 * @iter: the part of it that is meant
 * @done: called when it has ended, in any context, with no lock held; it may submit, and free @request
 * @data: for @done
 * @error: how it ended: 0, or a negative errno value
 * @status: the controller's status of the command that failed (its type in bits 8 to 10); 0: none
 *
 * The other fields are private. Request and memory are the driver's from berth_nvme_submit() until
 * @done is called.
 */
struct berth_nvme_request {
	enum berth_nvme_op op;
	uint64_t block;
	struct scatterlist *sgl;
	unsigned int nents;
	const struct bio_vec *bvecs;
	struct bvec_iter iter;
	void (*done)(struct berth_nvme_request *request);
	void *data;
	int error;
	unsigned int status;
	struct berth_nvme_request *next;
	struct berth_nvme_namespace *ns;
	struct berth_nvme_cursor at;
	uint64_t at_block;
	unsigned int commands;
	bool is_cut;
};

/** berth_nvme_info() - what a bound controller says of itself. Return: 0, -ENODEV. */
int berth_nvme_info(struct pci_dev *pdev, struct berth_nvme_info *info);

/** berth_nvme_stats() - what it has done. Any context. Return: 0, -ENODEV. */
int berth_nvme_stats(struct pci_dev *pdev, struct berth_nvme_stats *stats);

/**
 * berth_nvme_get_namespace() - one of a controller's namespaces
 * @index: from 0 on
 *
 * Any context. Return: it, as long as the driver is bound, or NULL (NO_DEVICE; ARGUMENT: it has no
 * more).
 */
struct berth_nvme_namespace *berth_nvme_get_namespace(struct pci_dev *pdev, unsigned int index);

/** berth_nvme_id() - the number that the controller gives a namespace. Any context. */
uint32_t berth_nvme_id(const struct berth_nvme_namespace *ns);

/** berth_nvme_blocks() - how many blocks a namespace has. Any context. */
uint64_t berth_nvme_blocks(const struct berth_nvme_namespace *ns);

/** berth_nvme_block_bytes() - bytes of a block: 512 to 4096. Any context. */
unsigned int berth_nvme_block_bytes(const struct berth_nvme_namespace *ns);

/**
 * berth_nvme_set_polling() - whether interrupts or berth_nvme_poll() end requests
 * @pdev: the controller, with no request on its way
 * @polling: no interrupts from now on
 *
 * It begins with interrupts. Any context. Return: 0, -ENODEV, -EINVAL (IRQ: it has no line).
 */
int berth_nvme_set_polling(struct pci_dev *pdev, bool polling);

/**
 * berth_nvme_poll() - end requests that are done
 *
 * Any context in which a request's @done may be called, but not while the driver is being unbound;
 * useful with interrupts, too. Return: how many commands were done.
 */
unsigned int berth_nvme_poll(struct pci_dev *pdev);

/**
 * berth_nvme_set_timeout() - how long a command may take
 * @pdev: the controller
 * @ms: at least 1; 30,000 at first
 *
 * For commands from now on. A controller that takes longer is stopped: see berth_nvme_submit(). Any
 * context. Return: 0, -ENODEV, -EINVAL.
 */
int berth_nvme_set_timeout(struct pci_dev *pdev, unsigned int ms);

/**
 * berth_nvme_submit() - begin a request
 * @ns: the namespace
 * @request: filled in
 *
 * Any context. It waits for room in the controller if it must, in the order of submission; nothing is
 * allocated but bounce buffers. Return: 0, and @done is called later, or already was; or, and it is
 * not called: -EINVAL (ARGUMENT: no memory, or not of whole blocks, or pieces that are not allowed),
 * -EIO (IO: the controller was stopped), -ENXIO (IO: it is being removed).
 *
 * The request ends with 0; -EREMOTEIO: blocks behind the end; -ENODATA: the medium is damaged;
 * -EILSEQ: a check of the data failed; -EOPNOTSUPP: the controller cannot do that; -ENOSPC; -EACCES:
 * it is write protected; -ENOMEM: no bounce buffer; -ETIMEDOUT: the controller took too long. Then,
 * and when it fails, or is gone (its registers read as ones), it is stopped: every request
 * on its way ends with -EIO or -ETIMEDOUT, and so does every later one. -ENXIO: the driver was unbound.
 */
int berth_nvme_submit(struct berth_nvme_namespace *ns, struct berth_nvme_request *request);

/**
 * berth_nvme_run() - berth_nvme_submit(), and wait for the end
 *
 * @request's done and data are overwritten. May sleep; not while the driver is being unbound.
 * Return: how it ended, with its reason (ARGUMENT; IO: with the device, the offset and the bytes).
 */
int berth_nvme_run(struct berth_nvme_namespace *ns, struct berth_nvme_request *request);

/** berth_nvme_read() - read blocks into a list, from @block on. As berth_nvme_run(). */
int berth_nvme_read(struct berth_nvme_namespace *ns, uint64_t block, struct scatterlist *sgl,
		    unsigned int nents);

/** berth_nvme_write() - write blocks from a list, from @block on. As berth_nvme_run(). */
int berth_nvme_write(struct berth_nvme_namespace *ns, uint64_t block, struct scatterlist *sgl,
		     unsigned int nents);

/** berth_nvme_flush() - make safe what was written. As berth_nvme_run(). */
int berth_nvme_flush(struct berth_nvme_namespace *ns);

/**
 * berth_nvme_backing() - a namespace for the file cache, or for swap
 *
 * As long as the driver is bound: close the file before. Any context. Return: the backing; its size
 * is fixed.
 */
struct backing *berth_nvme_backing(struct berth_nvme_namespace *ns);

BERTH_END_DECLS

#endif
