/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: check - the checker: who may touch which bytes, and who did
 *
 * A driver that is built with BERTH_CHECKED calls the DMA API through the checker: its calls are
 * recorded, and from then on each byte of a mapping has an owner. What touches a byte out of turn is
 * reported, with both places: who mapped it, and who touched it. Such a program is linked with
 * libberth-check; berth_start() refuses a mixture. docs/check.md is the guide.
 *
 * What sees the accesses: loads and stores of code that was built with ``-fsanitize=kernel-address``, those
 * of devices of the model, frees, and the calls themselves. What is legal on every machine is not
 * reported; what is wrong on some says on which.
 */
#ifndef BERTH_CHECK_H
#define BERTH_CHECK_H

#include <berth/dma-direction.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct device;

/** berth_is_checked() - whether this library has the checker. Any context. */
bool berth_is_checked(void);

/**
 * enum berth_check_rule - what was broken
 *
 * berth_check_rule_id() is its name, berth_check_rule_advice() says what to do.
 */
enum berth_check_rule {
	BERTH_CHECK_NOTHING,
	/* Calls. */
	BERTH_CHECK_NOT_DMA_MEMORY, /* mapped: memory that is no RAM of berth's, such as vmalloc() or malloc() */
	BERTH_CHECK_STACK, /* mapped: the stack */
	BERTH_CHECK_OVERLAP, /* mapped while a device already writes there */
	BERTH_CHECK_SEGMENT, /* longer, or across a boundary, than the device's limits say */
	BERTH_CHECK_UNMAP_UNKNOWN, /* unmapped what is not mapped */
	BERTH_CHECK_UNMAP_TWICE, /* unmapped again */
	BERTH_CHECK_UNMAP_SIZE, /* with another length */
	BERTH_CHECK_UNMAP_DIRECTION, /* with another direction */
	BERTH_CHECK_UNMAP_KIND, /* with the function of another kind of mapping */
	BERTH_CHECK_UNMAP_NENTS, /* a list with another number of entries */
	BERTH_CHECK_UNMAP_DEVICE, /* by another device */
	BERTH_CHECK_SYNC_UNKNOWN, /* synced what is not mapped */
	BERTH_CHECK_SYNC_DIRECTION, /* with another direction */
	BERTH_CHECK_SYNC_RANGE, /* beyond the end of a mapping */
	BERTH_CHECK_ERROR_UNCHECKED, /* used without dma_mapping_error() */
	BERTH_CHECK_ERROR_USED, /* used though it is DMA_MAPPING_ERROR */
	BERTH_CHECK_LEAK, /* still mapped when the driver went */
	BERTH_CHECK_FREE_UNKNOWN, /* freed what is not allocated */
	BERTH_CHECK_FREE_SIZE, /* with another length */
	BERTH_CHECK_FREE_ADDRESS, /* with another device address */
	BERTH_CHECK_FREE_KIND, /* with the function of another kind of memory */
	BERTH_CHECK_FREE_MAPPED, /* memory freed while a device has it */
	BERTH_CHECK_UNMAP_ADDRESS, /* unmapped at an address inside a mapping, or of other memory */
	BERTH_CHECK_FREE_TWICE, /* freed again */
	BERTH_CHECK_FREE_POOL, /* a block given to another pool */
	BERTH_CHECK_POOL_BUSY, /* a pool destroyed of which blocks are out */
	BERTH_CHECK_ERROR_LOST, /* a mapping failed, and the operation said that all is well */
	BERTH_CHECK_ALLOC_UNCHECKED, /* used memory though its allocation failed */
	BERTH_CHECK_TRANSFER_BUSY, /* unmapped or freed what a DMA controller's transfer uses */
	BERTH_CHECK_TRANSFER_TWICE, /* submitted a descriptor that is under way */
	BERTH_CHECK_TRANSFER_RELEASED, /* released a channel whose transfers go on */
	BERTH_CHECK_BUF_GONE, /* used a dma-buf or an attachment that is no more */
	BERTH_CHECK_BUF_ATTACHED, /* put the last reference to a dma-buf while devices are attached */
	BERTH_CHECK_BUF_MAPPED, /* detached a device that has a dma-buf mapped */
	BERTH_CHECK_MEMORY_TYPE, /* mapped memory that is mapped with another type */
	BERTH_CHECK_SYNC_NEEDLESS, /* a note: synced what needs none */
	/* Accesses of the CPU. */
	BERTH_CHECK_CPU_READ, /* read what a device may be writing */
	BERTH_CHECK_CPU_WRITE, /* wrote what a device has */
	BERTH_CHECK_LINE_SHARED, /* wrote beside what a device writes, in the same cache line */
	BERTH_CHECK_UNWRITTEN, /* read what a device was to write and has not, nor anybody else */
	/* Accesses of devices. */
	BERTH_CHECK_DEVICE_UNMAPPED, /* a device touched memory that it was not given */
	BERTH_CHECK_DEVICE_DIRECTION, /* a device wrote what it was to read */
	BERTH_CHECK_DEVICE_EARLY, /* a device touched what the CPU has */
	BERTH_CHECK_DEVICE_OUTSIDE, /* a device touched memory that nobody has given it */
	BERTH_CHECK_DEVICE_BEYOND, /* a device touched what lies behind the end of what it was given */
	BERTH_CHECK_DEVICE_MASK, /* the high bits of an address are missing */
	BERTH_CHECK_DEVICE_WORDS, /* the two words of an address are swapped */
	BERTH_CHECK_UNINITIALISED, /* a device read what nobody has written */
	/* The order of accesses to coherent memory. */
	BERTH_CHECK_UNORDERED_STORE, /* no barrier between what a descriptor says and the word that gives it away */
	BERTH_CHECK_UNORDERED_DOORBELL, /* no barrier between a store and the register that tells the device of it */
	BERTH_CHECK_UNORDERED_LOAD, /* no barrier between the word that gives a descriptor back and what it says */
	/* Devices that are not trusted: only with the option hostile. */
	BERTH_CHECK_DOUBLE_FETCH, /* read twice what the device may change between */
	BERTH_CHECK_DEVICE_POINTER, /* followed an address out of memory that the device can write */
	BERTH_CHECK_WILD_ACCESS, /* used a number of the device's without asking whether it can be */
	/* Memory that no call has mapped, of a driver that works the caches itself. */
	BERTH_CHECK_RAW_CLEAN, /* a device read what the CPU has written and not cleaned */
	BERTH_CHECK_RAW_INVALIDATE, /* the CPU read what a device has written, not invalidated since */
	BERTH_CHECK_RAW_DIRTY, /* a device wrote in a line that is dirty in the cache */
	BERTH_CHECK_RAW_LOST, /* read what an invalidate or a write-back has destroyed */
	BERTH_CHECK_RULES
};

/**
 * enum berth_check_severity - how bad it is
 * @BERTH_CHECK_ERROR: wrong, on all machines or on those that the report names
 * @BERTH_CHECK_WARNING: right with berth, wrong on Linux
 * @BERTH_CHECK_NOTE: right, and not needed; told only if that is asked for, and never counted
 */
enum berth_check_severity {
	BERTH_CHECK_ERROR,
	BERTH_CHECK_WARNING,
	BERTH_CHECK_NOTE,
};

#define BERTH_CHECK_FRAMES 20u

/** struct berth_check_place - a call stack, the innermost address first */
struct berth_check_place {
	uintptr_t frame[BERTH_CHECK_FRAMES];
	unsigned int nr;
};

/**
 * struct berth_check_report - something that is wrong
 * @rule: which rule
 * @device: the device concerned, "" if none
 * @address: the CPU's address of the first byte that was touched, or 0
 * @length: how many were
 * @buffer: the CPU's address of the mapping's first byte, or 0
 * @buffer_length: its bytes
 * @bus: what the device was told
 * @direction: of the mapping
 * @is_store: it was a write
 * @breaks_on: the class of machine where it breaks, such as "machines whose caches are not coherent"; NULL: on all
 * @touched: who touched it, or called
 * @other: the return address of the other access, where a rule is about two; 0
 * @mapped: who had mapped or allocated it; nr is 0 if nobody had
 * @count: how often, with the same two places and device
 * @severity: berth_check_rule_severity() of the rule
 * @hint: what more is known of this case, as one sentence; NULL: nothing
 * @system_call: the system call that has done it, such as "read()"; NULL: none
 */
struct berth_check_report {
	enum berth_check_rule rule;
	char device[64];
	uintptr_t address;
	uint64_t length;
	uintptr_t buffer;
	uint64_t buffer_length;
	dma_addr_t bus;
	enum dma_data_direction direction;
	bool is_store;
	const char *breaks_on;
	struct berth_check_place touched, mapped;
	uintptr_t other;
	uint64_t count;
	enum berth_check_severity severity;
	const char *hint;
	const char *system_call;
};

/**
 * struct berth_check_options - how it is checked
 * @memory: for the checker's records; stays the checker's until berth_check_stop()
 * @size: bytes, at least BERTH_CHECK_MEMORY_LEAST
 * @on_report: called for each new pair of places, once; any context, the checker's lock held: of berth it calls
 *	berth_check_text() and berth_check_rule_*() at most, it is not built as a driver under test is, and it
 *	touches no memory of devices. NULL: a line on the console
 * @data: handed to it
 * @is_suppressed: whether a report is not wanted; as @on_report. NULL: all are
 * @with_notes: tell notes as well
 * @hostile: not 0: devices write what they please into coherent memory, each number in a way of its own
 * @has_raw: the program works the caches itself, without the DMA API (docs/check-raw.md): memory that is not mapped
 *	is followed as well
 * @no_traps: do not close pages that a device has whole to code that is not instrumented
 *
 * When the memory is full that is said once, on the console, and what comes then is followed in part: less is found,
 * and nothing is reported that is not so.
 */
struct berth_check_options {
	void *memory;
	size_t size;
	void (*on_report)(const struct berth_check_report *report, void *data);
	void *data;
	bool (*is_suppressed)(const struct berth_check_report *report, void *data);
	bool with_notes;
	uint64_t hostile;
	bool has_raw;
	bool no_traps;
};

#define BERTH_CHECK_MEMORY_LEAST (1u << 20)

/**
 * berth_check_start() - begin to check, before berth_start()
 *
 * Return: 0; -EINVAL (ARGUMENT: too little memory), -EBUSY (it runs). Only libberth-check has it.
 */
int BERTH_MUST_CHECK berth_check_start(const struct berth_check_options *options);

/** berth_check_stop() - no more, after berth_stop(). Return: how many different reports there were. */
unsigned int berth_check_stop(void);

/** berth_check_count() - how many different reports there are up to now, without notes. Any context. */
unsigned int berth_check_count(void);

/** berth_check_each() - visit them again with their counts, as they came; not 0 ends it. Any context. */
int berth_check_each(int (*visit)(const struct berth_check_report *report, void *data), void *data);

/** berth_check_is_short() - whether the checker's memory has been full. Any context. */
bool berth_check_is_short(void);

/**
 * berth_check_returned() - the driver's operation has ended with @ret
 *
 * For a test that calls the driver and knows that 0 means done. A mapping of this device's that failed in this
 * thread since the last call, and was neither tried again, nor done without (the CPU has not touched
 * the bytes), nor given up (they were not freed), does not end so. Any context.
 */
void berth_check_returned(struct device *dev, int ret);

/**
 * berth_check_fail_map_nth() - let the @nth mapping or allocation of DMA memory from now on fail
 * @nth: 1 is the next one; 0: none
 *
 * Counts calls of checked programs, which can fail at any time: every failing path of a driver can be walked so. The
 * reason is OUT_OF_MEMORY.
 */
void berth_check_fail_map_nth(uint64_t nth);

/** berth_check_map_failed() - whether that has come to pass. Any context. */
bool berth_check_map_failed(void);

/**
 * berth_check_foreign() - code that is not checked gives memory to a device, too
 *
 * Of such a device it is not known what it was given: that it touches something else is not reported. Any context.
 */
void berth_check_foreign(struct device *dev);

/** berth_check_rule_severity() - how bad it is to break a rule. Any context. */
enum berth_check_severity berth_check_rule_severity(enum berth_check_rule rule);

/** berth_check_rule_id() - "cpu-write" and so on. Any context. */
const char *berth_check_rule_id(enum berth_check_rule rule);

/** berth_check_rule_text() - what is wrong, as half a sentence. Any context. */
const char *berth_check_rule_text(enum berth_check_rule rule);

/** berth_check_rule_advice() - what to do, as one sentence. Any context. */
const char *berth_check_rule_advice(enum berth_check_rule rule);

/**
 * berth_check_text() - a report in one line, without its stacks
 *
 * Any context. Return: the length of the whole text, which may exceed @size - 1, as snprintf().
 */
size_t berth_check_text(const struct berth_check_report *report, char *text, size_t size);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
