/* SPDX-License-Identifier: BSD-2-Clause */
/* The QEMU machine: what its files share. */
#ifndef QEMU_INTERNAL_H
#define QEMU_INTERNAL_H

#include <pthread.h>
#include <sys/types.h>

#include <berth/qemu.h>

#include "cookies.h"
#include "host.h"

#define board berth_qemu_board

#define QEMU_PAGE 4096ull
#define QEMU_IRQS 1020u
#define QEMU_FIRST_SPI 32u

struct qemu_line {
	bool is_asserted, is_unmasked, is_level, is_latched, is_running;
	uint32_t unhandled;
};

/* The linear map has the banks less the no-map ranges, and `all` has all of them. One file. */
struct qemu_ram {
	int fd;
	uint64_t file_size;
	phys_addr_t base;
	uint8_t *linear, *all;
	void *area[2]; /* as reserved, before alignment */
	uint64_t area_size;
	uint8_t *uncached; /* a bit per page: remapped so */
	struct berth_range *banks, *mapped;
	unsigned int nr_banks, nr_mapped;
};

/* A board of QEMU's: kinds.c has the table. */
struct qemu_kind {
	const char *machine; /* as in -machine */
	const char *program, *cpu;
	const char *sound; /* -audiodev; NULL: it has none */
	uint64_t tree_offset; /* from the start of RAM, if QEMU makes one */
};

/*
 * All of it is under @lock, which is taken inside any spinlock of a driver's and held from a
 * command until its answer. No call of berth is made while it is held.
 */
struct qemu_board {
	pthread_mutex_t lock;
	struct berth_qemu_stats stats;
	unsigned int timeout_ms, slow_down;
	void *tree; /* QEMU's own */

	/* The emulator. Its parent is @keeper: it must not outlive that thread. */
	pthread_t keeper;
	bool has_keeper;
	char *const *argv;
	pthread_cond_t changed; /* @is_launched, @pid */
	bool is_launched;
	int launch_error;
	pid_t pid; /* 0: there is none */
	bool is_gone; /* no command is sent any more; written with the lock, atomic */
	char how[48];
	int output;

	int qtest, monitor; /* our ends */
	int peer[2]; /* the emulator's, until it runs */
	char in[4096]; /* what came on qtest and was not looked at yet */
	size_t in_size, in_used;
	char *text; /* what came on the monitor */
	size_t text_size, text_max;

	struct berth_cookies cookies;
	struct qemu_ram ram;

	struct qemu_line lines[QEMU_IRQS];
	uint64_t ready[(QEMU_IRQS + 63) / 64];
	uint64_t alarm_at;
	bool is_alarm_running;

	uint64_t start_ns; /* the host's time */
	uint64_t skipped_ns; /* berth's time that passed at once; atomic */

	/* One of those who wait sleeps on the socket and on @bell, the others until @kick changes. */
	int bell;
	bool has_listener;
	uint32_t kick;
	unsigned int nr_asleep;
	unsigned int nr_blocked; /* those that only another thread can wake */
	bool has_news; /* something that a waiting thread should see */
};

extern struct qemu_board board;

/* qemu.c: around what a call of the program's does; the end delivers interrupts. */
void berth_qemu_enter(void);
void berth_qemu_leave(void);
/* The machine is gone: the reason of the caller's. Returns @code. */
int berth_qemu_fail_gone(int code);

/* kinds.c: @machine is a -machine with its options; NULL, or not in the table: as virt. */
const struct qemu_kind *berth_qemu_kind(const char *machine);

/* process.c */
int berth_qemu_launch(char *const *argv);
/* With the lock: nothing more is sent. @how may be replaced by how the process ended. */
void berth_qemu_lose(const char *how);
void berth_qemu_end(void);
/* The last line that the emulator printed: whole on the console, its end in @line; "": none. */
void berth_qemu_last_line(char *line, size_t size);

/* arguments.c: NULL: no memory */
char **berth_qemu_arguments(const struct berth_qemu_config *config, uint64_t ram_size);
void berth_qemu_free_arguments(char **argv);

/* qtest.c, all with the lock: */
/* A command and its answer. 0; -EINVAL: refused; -EIO: the machine is gone. */
int berth_qemu_command(const char *command, uint64_t *value);
/* Take in what has come, without waiting. */
void berth_qemu_drain(void);

/* monitor.c: 0, or -EIO. */
/* The path of the device that is @index-th of those that have one of the types; -EINVAL: none. */
int berth_qemu_find(const char *const *types, unsigned int index, char *path, size_t size);
int berth_qemu_greet(void);
void berth_qemu_quit(void);

/* ram.c */
int berth_qemu_ram_create(uint64_t size);
int berth_qemu_ram_start(const struct berth_port_ram *ram, struct berth_port_linear *linear);
void berth_qemu_ram_stop(void);
/* QEMU's tree, so far from the start of RAM: board.tree. */
int berth_qemu_read_tree(uint64_t offset);
void *berth_qemu_remap(phys_addr_t phys, uint64_t size, enum berth_memory_type type);
void berth_qemu_unremap(void *virt, phys_addr_t phys, uint64_t size);
int berth_qemu_ram_file(phys_addr_t phys, uint64_t size, uint64_t *offset);
int berth_qemu_share(phys_addr_t phys, uint64_t size, enum berth_memory_type type,
		     uint64_t *offset);
int berth_qemu_show(phys_addr_t phys, uint64_t size, enum berth_memory_type type, uint64_t *offset);
void berth_qemu_hide(phys_addr_t phys, uint64_t size, enum berth_memory_type type);
/* Whether a range touches the linear map. */
bool berth_qemu_is_linear(phys_addr_t phys, uint64_t size);

/* irq.c */
void berth_qemu_set_line(unsigned int irq, bool is_asserted);
int berth_qemu_unmask(unsigned int irq, bool level);
void berth_qemu_mask(unsigned int irq);
bool berth_qemu_is_ready(void);
void berth_qemu_poll(void);
void berth_qemu_alarm(uint64_t at_ns);

/* time.c */
uint64_t berth_qemu_now(void);
int berth_qemu_wait(const uint32_t *word, uint32_t value, uint64_t deadline_ns);
void berth_qemu_wake(const uint32_t *word);
void berth_qemu_kick(void);
void berth_qemu_delay(uint64_t ns);

#endif
