/* SPDX-License-Identifier: BSD-2-Clause */
/* The NVMe driver's own; the numbers are those of the NVM Express base specification, 1.4. */
#ifndef BERTH_DRIVERS_NVME_INTERNAL_H
#define BERTH_DRIVERS_NVME_INTERNAL_H

#include <berth/dma-mapping.h>
#include <berth/dmapool.h>
#include <berth/errno.h>
#include <berth/error.h>
#include <berth/io.h>
#include <berth/spinlock.h>
#include <berth/timer.h>

#include <berth/drivers/nvme.h>

/* Registers. */
#define REG_CAP 0x00
#define REG_VS 0x08
#define REG_INTMS 0x0c
#define REG_INTMC 0x10
#define REG_CC 0x14
#define CC_EN 0x1u
#define CC_SHN_NORMAL (1u << 14)
#define CC_ENTRIES (6u << 16 | 4u << 20) /* 64 and 16 bytes; pages of 4 KiB */
#define REG_CSTS 0x1c
#define CSTS_RDY 0x1u
#define CSTS_CFS 0x2u
#define CSTS_SHST 0xcu
#define CSTS_SHST_DONE 0x8u
#define REG_AQA 0x24
#define REG_ASQ 0x28
#define REG_ACQ 0x30
#define REG_DOORBELLS 0x1000u
#define GONE UINT32_MAX

/* Commands. */
#define ADMIN_CREATE_SQ 0x01u
#define ADMIN_CREATE_CQ 0x05u
#define ADMIN_IDENTIFY 0x06u
#define ADMIN_SET_FEATURES 0x09u
#define IO_FLUSH 0x00u
#define IO_WRITE 0x01u
#define IO_READ 0x02u
#define QUEUE_CONTIGUOUS 0x1u
#define QUEUE_INTERRUPTS 0x2u
#define FEATURE_QUEUES 0x07u
#define IDENTIFY_NAMESPACE 0u
#define IDENTIFY_CONTROLLER 1u
#define IDENTIFY_LIST 2u

#define NVME_PAGE 4096u
#define ADMIN_DEPTH 4u
#define IO_DEPTH (BERTH_NVME_DEPTH + 1)
#define MAX_SEGMENTS 64u
/* What one list of 1 KiB describes, wherever in a page it begins. */
#define LIST_ENTRIES 128u
#define MAX_TRANSFER (LIST_ENTRIES * NVME_PAGE)

#define DEFAULT_TIMEOUT_MS 30000u
#define TICK_MS 1000u

struct nvme_command {
	uint8_t opcode;
	uint8_t flags;
	uint16_t cid;
	uint32_t nsid;
	uint64_t reserved;
	uint64_t metadata;
	uint64_t prp[2];
	uint32_t dw10;
	uint32_t dw11;
	uint32_t dw12;
	uint32_t dw13;
	uint32_t dw14;
	uint32_t dw15;
};

struct nvme_completion {
	uint32_t result;
	uint32_t reserved;
	uint16_t sq_head;
	uint16_t sq_id;
	uint16_t cid;
	uint16_t status; /* bit 0: the phase */
};

_Static_assert(sizeof(struct nvme_command) == 64, "an entry of a submission queue");
_Static_assert(sizeof(struct nvme_completion) == 16, "an entry of a completion queue");

/*
 * struct queue - a submission queue and its completion queue
 * @cqes, @sqes: coherent memory
 * @tail: where the next command goes
 * @head: where the next completion comes
 * @phase: what its bit is then
 */
struct queue {
	unsigned int id;
	unsigned int depth;
	struct nvme_command *sqes;
	volatile struct nvme_completion *cqes;
	dma_addr_t sq_dma;
	dma_addr_t cq_dma;
	unsigned int tail;
	unsigned int head;
	unsigned int phase;
};

/* What bounds a command. */
struct nvme_limits {
	unsigned int block_bytes;
	unsigned int max_bytes; /* a multiple of every block size */
	unsigned int max_segment; /* a multiple of NVME_PAGE */
	unsigned int max_segments;
};

/*
 * struct slot - a command; its number is its id
 * @table: its memory, MAX_SEGMENTS entries of which are its own
 * @list: of LIST_ENTRIES, from the pool
 * @deadline: in jiffies
 * @is_issued: the controller has it
 */
struct slot {
	struct slot *next;
	struct berth_nvme_request *request;
	struct nvme_command command;
	struct sg_table table;
	struct scatterlist *sgl;
	uint64_t *list;
	dma_addr_t list_dma;
	enum dma_data_direction dir;
	unsigned long deadline;
	int error;
	unsigned int status;
	bool is_mapped;
	bool is_issued;
};

struct berth_nvme_namespace {
	struct backing backing;
	struct nvme *nvme;
	uint32_t id;
	unsigned int block_bytes;
	uint64_t blocks;
};

enum nvme_state {
	LIVE,
	DEAD, /* it failed, and was stopped */
	LEAVING, /* the driver is being unbound */
};

/*
 * struct nvme - a controller
 * @lock: of all that follows; only registers and @timer are touched with it.
 * @waiting: requests of which not everything is issued; the first may be begun
 * @free: slots
 * @busy: slots that are not free
 * @ended: how often one became free
 * @ending: requests whose done is being called; atomic
 * @is_pumping: somebody turns requests into commands
 */
struct nvme {
	struct pci_dev *pdev;
	struct device *dev;
	char __iomem *regs;
	unsigned int doorbell_stride;
	unsigned int ready_ms;
	struct queue admin;
	struct queue io;
	struct dma_pool *lists;
	unsigned int nr_slots;
	struct nvme_limits limits;
	struct berth_nvme_info info;
	struct berth_nvme_namespace namespaces[BERTH_NVME_MAX_NAMESPACES];
	struct timer_list timer;

	spinlock_t lock;
	enum nvme_state state;
	int why; /* DEAD: what requests get */
	struct slot *slots;
	struct slot *free;
	unsigned int busy;
	uint64_t ended;
	unsigned int ending;
	bool is_pumping;
	bool is_polling;
	unsigned int timeout_ms;
	struct berth_nvme_request *waiting;
	struct berth_nvme_request **waiting_end;
	struct berth_nvme_stats stats;
};

/* prp.c: memory as the controller is told. No state. */

/* The request's memory from its start on. */
void berth_nvme_start_cursor(struct berth_nvme_cursor *at,
			     const struct berth_nvme_request *request);

/*
 * The next command's memory. @sgl: max_segments entries that are filled in, *@nents of them; or NULL,
 * when only the bytes matter. Return: bytes; 0 at the end; -EINVAL if there is no such command.
 */
int berth_nvme_cut(struct berth_nvme_cursor *at, const struct nvme_limits *limits,
		   struct scatterlist *sgl, unsigned int *nents);

/*
 * A mapped list as PRP entries. @list, @list_dma: room for @room of them, should two not do. Return: 0,
 * -EINVAL if the list has gaps or needs more room.
 */
int berth_nvme_build_prps(struct scatterlist *sgl, unsigned int nents, uint64_t *list,
			  dma_addr_t list_dma, unsigned int room, uint64_t prp[2]);

/* Whether nothing of it is left. */
bool berth_nvme_is_at_end(const struct berth_nvme_cursor *at);

/* queue.c */

/* With the lock, if others can use the controller: it is counted. */
void berth_nvme_reg_write(struct nvme *nvme, uint32_t value, unsigned int reg);
int berth_nvme_alloc_queue(struct nvme *nvme, struct queue *queue, unsigned int id,
			   unsigned int depth);
void berth_nvme_free_queue(struct nvme *nvme, struct queue *queue);
/* With the lock, if others can use the queue. There must be room. */
void berth_nvme_push(struct nvme *nvme, struct queue *queue, const struct nvme_command *command);
/* The same: the completion at the head, if it has come. The controller is told by berth_nvme_popped(). */
bool berth_nvme_pop(struct queue *queue, struct nvme_completion *completion);
void berth_nvme_popped(struct nvme *nvme, struct queue *queue);
/* What a status without its phase bit means. */
int berth_nvme_errno(unsigned int status);

/* nvme.c */

/* The controller does not do what it should: say so. Return: @err. */
int berth_nvme_complain(const struct nvme *nvme, int err, const char *what);
/* Whether it may use its interrupt line; for good. */
void berth_nvme_set_line(struct pci_dev *pdev, bool is_on);

/* admin.c */
int berth_nvme_identify(struct nvme *nvme);
int berth_nvme_create_io_queue(struct nvme *nvme);

/* io.c */
int berth_nvme_alloc_slots(struct nvme *nvme);
void berth_nvme_free_slots(struct nvme *nvme);
/* End what is done. Return: commands. */
unsigned int berth_nvme_reap(struct nvme *nvme, bool is_interrupt);
void berth_nvme_tick(struct timer_list *timer);
/* No request is begun any more. False: that was so before. */
bool berth_nvme_stop_requests(struct nvme *nvme, enum nvme_state state, int why);
/* After that, when the controller touches no memory any more: end all. */
void berth_nvme_end_all(struct nvme *nvme);
/* Whether nobody is at work with a command any more. */
bool berth_nvme_is_idle(struct nvme *nvme);

/* backing.c */
void berth_nvme_init_backing(struct berth_nvme_namespace *ns);

#endif
