/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: machine - what stands behind the Linux port: a modelled SoC, a QEMU board, real devices
 *
 * The port keeps what all machines share (threads, the linear map, sanitizers, output) and asks the
 * machine for the rest. One machine runs at a time.
 */
#ifndef BERTH_MACHINE_H
#define BERTH_MACHINE_H

#include <berth/port.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct berth_machine - operations of a machine; the calls of port.h of the same names
 *
 * @start is given the device tree; it may refuse it, and supplies its own for NULL if it has one. @ram creates the RAM, maps it and fills in
 * @linear. Registers are reached by the cookie that @ioremap returned. @wake with NULL says that a
 * thread has come or gone.
 *
 * @ram_file says where a part of the linear map lies in a file that can be mapped once more: the
 * descriptor, which stays the machine's, and @offset; or a negative errno value. Without it programs
 * get no memory that moves. @copy copies pages inside the linear map as stores of a CPU would; it is
 * called while threads are held, takes no lock and is not instrumented. Without it the port copies.
 *
 * @show says which file shows a part of a bank, in the linear map or outside, as a memory type, and
 * where in it: the descriptor, which stays the machine's, and @offset; or a negative errno value. It
 * begins a view that @hide ends, as a whole or by parts; see berth_port_range_map(). Without them
 * there are no ranges.
 *
 * @share begins a view as @show does, except that no time passes for the machine, and sets the reason of a
 * failure itself; @unshare ends it. @area says where the machine itself maps all RAM as a memory type:
 * the address of @base, and how many bytes from there on may be mapped; the same from start to stop. The
 * port puts another file with the same bytes in the place of what @share has named, there and in ranges, for
 * other processes to see; the machine's own threads that store meanwhile wait as others do. Without @area no
 * process can be shown anything.
 *
 * @fresh_word says what @fresh has put into eight aligned bytes; false: nothing, or the CPU sees something else there by now.
 *
 * @can_trap says whether the machine itself reaches RAM past the linear map, so that pages of that may be closed.
 */
struct berth_machine {
	const char *name;
	int (*start)(const void **fdt, const void *config);
	void (*stop)(void);
	int (*ram)(const struct berth_port_ram *ram, struct berth_port_linear *linear);
	void *(*remap)(phys_addr_t phys, uint64_t size, enum berth_memory_type type);
	void (*unremap)(void *virt, phys_addr_t phys, uint64_t size);
	int (*ram_file)(phys_addr_t phys, uint64_t size, uint64_t *offset);
	void (*copy)(phys_addr_t to, phys_addr_t from, uint64_t size);
	int (*show)(phys_addr_t phys, uint64_t size, enum berth_memory_type type, uint64_t *offset);
	void (*hide)(phys_addr_t phys, uint64_t size, enum berth_memory_type type);
	int (*share)(phys_addr_t phys, uint64_t size, enum berth_memory_type type,
		     uint64_t *offset);
	void (*unshare)(phys_addr_t phys, uint64_t size, enum berth_memory_type type);
	void *(*area)(enum berth_memory_type type, phys_addr_t *base, uint64_t *size);
	void *(*ioremap)(phys_addr_t phys, uint64_t size);
	void (*iounmap)(void *cookie);
	uint64_t (*read)(const volatile void *cookie, unsigned int bytes);
	void (*write)(volatile void *cookie, unsigned int bytes, uint64_t value);
	unsigned int (*line_size)(void);
	void (*clean)(phys_addr_t phys, uint64_t size);
	void (*invalidate)(phys_addr_t phys, uint64_t size);
	void (*flush)(phys_addr_t phys, uint64_t size);
	void (*barrier)(unsigned int orders);
	void (*fresh)(void *virt, size_t size);
	bool (*can_trap)(void);
	bool (*fresh_word)(const void *virt, uint64_t *word);
	int (*irq_unmask)(unsigned int irq, bool level);
	void (*irq_mask)(unsigned int irq);
	void (*irq_poll)(void);
	uint64_t (*now)(void);
	int (*wait)(const uint32_t *word, uint32_t value, uint64_t deadline_ns);
	void (*wake)(const uint32_t *word);
	void (*delay)(uint64_t ns);
	void (*alarm)(uint64_t at_ns);
};

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
