/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: qemu - a QEMU board as the machine: devices that somebody else wrote
 *
 * berth and its drivers run in this process, the board's devices in QEMU: its RAM is mapped here,
 * its registers are reached over a socket (QEMU's qtest protocol), and its interrupts arrive here.
 * The board's CPUs are switched off. Devices are coherent with the process. docs/qemu.md is the
 * guide.
 */
#ifndef BERTH_QEMU_H
#define BERTH_QEMU_H

#include <berth/machine.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * struct berth_qemu_config - settings; all zero is a good choice
 * @program: the emulator, looked for in $PATH; NULL: that of the machine
 * @machine: QEMU's -machine; NULL: virt,dtb-randomness=off
 * @cpu: QEMU's -cpu, an ARM one; NULL: that of the machine
 * @ram_size: bytes, whole MiB; 0: 256 MiB
 * @arguments: further arguments, ends with NULL; NULL: none
 * @interrupts: QOM path of the interrupt controller; NULL: the machine's GIC is looked for
 * @timeout_ms: an emulator that does not answer for so long, in the host's time, is taken for dead;
 *	0: 30000
 * @slow_down: berth's time passes so many times more slowly than the host's, so that a timeout of a
 *	driver does not strike where the host is busy; 0: 1
 *
 * Program and CPU are known for the machines virt, xilinx-zynq-a9, xlnx-zcu102 and xlnx-versal-virt,
 * also with options behind a comma; others have those of virt. Used until berth_start() returns.
 */
struct berth_qemu_config {
	const char *program;
	const char *machine;
	const char *cpu;
	uint64_t ram_size;
	const char *const *arguments;
	const char *interrupts;
	unsigned int timeout_ms;
	unsigned int slow_down;
};

/*
 * The machine for struct berth_options; its config is a struct berth_qemu_config, or NULL. With no
 * board berth_start() takes the tree that QEMU has made, which it does for virt and
 * xlnx-versal-virt; without that, -EINVAL (ARGUMENT). It fails, beside what berth_start() says,
 * with -ENOENT (IO) without an emulator, with -EINVAL (ARGUMENT) for settings, and with -EIO
 * (MACHINE) if the emulator ended or did not answer: what it said is the subject.
 */
extern const struct berth_machine berth_qemu;

/**
 * struct berth_qemu_stats - what happened since berth_start()
 * @reads: of registers
 * @writes: of registers
 * @interrupts: deliveries
 */
struct berth_qemu_stats {
	uint64_t reads;
	uint64_t writes;
	uint64_t interrupts;
};

/** berth_qemu_stats() - figures of the run, also after berth_stop(), until the next start. */
void berth_qemu_stats(struct berth_qemu_stats *stats);

/** berth_qemu_pid() - the emulator's process; 0 if there is none, or it has ended. Any thread. */
int berth_qemu_pid(void);

/**
 * berth_qemu_output() - what the emulator has printed: warnings, and what -trace and -d ask for
 * @offset: from which byte on
 * @buffer: where it goes; not terminated
 * @size: bytes at @buffer
 *
 * While berth runs. Return: bytes, 0 at the end, or -EINVAL (STATE).
 */
long berth_qemu_output(uint64_t offset, char *buffer, size_t size);

/**
 * berth_qemu_set_input() - drive an input of a device, as another device of the board would
 * @type: its type, as QEMU's "info qom-tree" has it
 * @index: which one of that type, 0 for the first in that tree
 * @line: which of its inputs that have no name
 * @level: the level
 *
 * For requests, busy lines and the like that nothing else on the board drives. Return: 0, -EINVAL
 * (ARGUMENT: no such device), -EIO (MACHINE).
 */
int berth_qemu_set_input(const char *type, unsigned int index, unsigned int line, bool level);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
