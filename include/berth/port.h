/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: port - the seam below berth: what one machine must provide
 *
 * Everything that differs between machines is behind this header. A port implements the functions
 * declared here, and the inline part in its own ``include/berth/port-arch.h``, chosen by include
 * path at build time. ``tests/port/`` tells a port's author whether it is right; docs/porting.md is
 * the guide. A port needs no threads, no interrupts and no MMU: where they are missing, waiting
 * and interrupts poll.
 *
 * The inline part, port-arch.h, provides (see that file of an existing port for the exact form):
 *
 *   BERTH_PORT_MAX_SLOTS        processors, or registered threads, with per-CPU caches of their own
 *   BERTH_PORT_REDZONE          bytes that allocators leave poisoned behind an object; 0 without
 *                               a sanitizer
 *   BERTH_PORT_DMA_DEFAULT_COHERENT
 *                               1 if devices see the caches unless the tree says otherwise; need
 *                               not be there where it is 0
 *   berth_port_slot()           the caller's slot, below BERTH_PORT_MAX_SLOTS
 *   berth_port_slot_or_none()   the caller's slot + 1, or 0 if it has none yet: no call, no branch
 *   berth_port_relax()          one turn of a busy loop
 *   berth_port_irq_save()       keep interrupts away from this CPU or thread; nests
 *   berth_port_irq_restore()    undo one berth_port_irq_save()
 *   berth_port_irq_was_on()     of what berth_port_irq_save() has returned: whether it was the outermost
 *   berth_port_mb() rmb() wmb() dma_rmb() dma_wmb()
 *                               the barriers of Documentation/memory-barriers.txt
 *   berth_port_read8..64(), berth_port_write8..64()
 *                               one access of that width on an __iomem cookie, not ordered against
 *                               memory (io.h adds the barriers)
 *   berth_port_poison() unpoison()
 *                               tell a sanitizer, and the checker, that memory is free, or in use; a no-op without
 *   BERTH_PORT_ONE_CPU          defined where there is one CPU, and no threads that share it: locks
 *                               then keep interrupts away, and nothing else
 *   berth_port_is_guarded()     whether these two do anything; constant from berth_port_ram() on
 *
 * memcpy(), memmove(), memset() and memcmp() are the port's as well: compilers call them by name.
 */
#ifndef BERTH_PORT_H
#define BERTH_PORT_H

#include <berth/types.h>
#include <berth/error.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * enum berth_memory_type - how a CPU mapping treats a page
 * @BERTH_MEMORY_CACHED: normal memory, write-back cacheable: the linear map's type
 * @BERTH_MEMORY_WRITE_COMBINE: normal memory, not cacheable, writes may be merged
 * @BERTH_MEMORY_UNCACHED: normal memory, not cacheable
 * @BERTH_MEMORY_DEVICE: device memory: every access happens once, in order
 */
enum berth_memory_type {
	BERTH_MEMORY_CACHED,
	BERTH_MEMORY_WRITE_COMBINE,
	BERTH_MEMORY_UNCACHED,
	BERTH_MEMORY_DEVICE,
};

/**
 * struct berth_port_ram - the RAM of a board, handed to berth_port_ram()
 * @banks: all RAM there is, sorted, disjoint, page-aligned
 * @nr_banks: how many
 * @mapped: what the linear map covers: the banks less the no-map reservations
 * @nr_mapped: how many
 * @alloc_page: gives one page of mapped RAM for page tables, not zeroed, never given back before
 *	berth_port_stop(); 0 when there is none; called by berth_port_ram() only
 */
struct berth_port_ram {
	const struct berth_range *banks;
	unsigned int nr_banks;
	const struct berth_range *mapped;
	unsigned int nr_mapped;
	phys_addr_t (*alloc_page)(void);
};

struct berth_machine;

/**
 * struct berth_port_linear - the linear map: phys + (virt - phys) is one constant
 * @virt: CPU address of @phys, which may be 0
 * @phys: lowest physical address covered
 * @size: bytes, holes between banks and no-map ranges included
 *
 * Set by berth_port_ram(); while berth is stopped @size is 0. That an address lies inside does not mean
 * that RAM is there: virt_addr_valid() knows.
 */
struct berth_port_linear {
	uintptr_t virt;
	phys_addr_t phys;
	uint64_t size;
};

extern struct berth_port_linear berth_port_linear;

/* Start and stop. */

/**
 * berth_port_start() - take the machine
 * @fdt: in: the caller's device tree or NULL; out: the tree to use, which stays readable until
 *	berth_port_stop(). A port that was given a tree by its boot loader, or whose machine has one,
 *	supplies it for NULL.
 * @machine: which machine, for ports that have several; NULL for the port's default
 * @config: that machine's own settings, or NULL
 *
 * Called once per berth_start(), before anything else. Return: 0, or a negative errno value with
 * nothing left behind (-EINVAL: no tree, -EBUSY: started already).
 */
int berth_port_start(const void **fdt, const struct berth_machine *machine, const void *config);

/**
 * berth_port_reserved() - RAM that the port itself occupies: its image, stacks, the device tree
 * @index: counts from 0
 * @range: where the answer goes
 *
 * Return: true and a range, or false behind the last one.
 */
bool berth_port_reserved(unsigned int index, struct berth_range *range);

/**
 * berth_port_ram() - build the linear map
 * @ram: the board's RAM; valid during the call only
 *
 * Return: 0 with berth_port_linear set, or a negative errno value.
 */
int berth_port_ram(const struct berth_port_ram *ram);

/** berth_port_stop() - give the machine back: no interrupt, alarm or mapping is left. */
void berth_port_stop(void);

/**
 * berth_port_slots_in_use() - slots that may have per-CPU caches now, for a remote drain
 *
 * Return: a bound: every slot in use is below it.
 */
unsigned int berth_port_slots_in_use(void);

/**
 * berth_slot_handle() - a slot's thread ends: called by the port, implemented by berth
 * @slot: which; still the caller's
 *
 * What the slot's caches hold goes back. Also called while berth is stopped. A port whose slots
 * are CPUs never calls it.
 */
void berth_slot_handle(unsigned int slot);

/** berth_port_error() - the caller's error record: one per thread, or per CPU. Never NULL. */
struct berth_error *berth_port_error(void);

/* Mapping. */

/**
 * berth_port_remap() - a CPU mapping of RAM with another memory type
 * @phys: first byte, page-aligned
 * @size: bytes, whole pages, all of it in the linear map or none of it
 * @type: BERTH_MEMORY_UNCACHED or BERTH_MEMORY_WRITE_COMBINE
 *
 * The caller owns the pages and nobody uses their linear mapping; on return caches hold nothing
 * of them. Where the architecture forbids two mappings of different types the linear mapping
 * itself is changed (or taken away), so it must not be used until berth_port_unremap().
 * Any context: coherent memory may be asked for where nobody may sleep. Other CPUs use the pages around
 * it all the while. Return: the mapping, or NULL with nothing changed: this port cannot, one of the pages
 * has such a mapping already, or berth_table_alloc() has no page.
 */
void *berth_port_remap(phys_addr_t phys, uint64_t size, enum berth_memory_type type);

/**
 * berth_port_unremap() - undo berth_port_remap(): the linear mapping is cached again
 * @virt: what berth_port_remap() returned
 * @phys: as given to berth_port_remap()
 * @size: as given to berth_port_remap()
 */
void berth_port_unremap(void *virt, phys_addr_t phys, uint64_t size);

/**
 * berth_table_alloc() - one page for page tables: called by the port, implemented by berth
 *
 * For ports that change mappings by splitting larger ones. Between berth_port_ram() and
 * berth_port_stop(), with no lock of the port's held. Any context. Return: a page of the linear map, cached,
 * its bytes undefined, until berth_table_free() or berth_port_stop(); 0 if there is none.
 */
phys_addr_t berth_table_alloc(void);

/** berth_table_free() - give a page of berth_table_alloc() back. No TLB knows of it. Any context. */
void berth_table_free(phys_addr_t page);

/**
 * berth_port_ioremap() - a cookie for device registers
 * @phys: first register, or RAM outside the linear map
 * @size: bytes
 *
 * May sleep. Return: the cookie, on which byte arithmetic is legal up to @size, or NULL.
 */
void __iomem *berth_port_ioremap(phys_addr_t phys, uint64_t size);

/**
 * berth_port_ioremap_wc() - berth_port_ioremap() where writes may be merged
 *
 * For memory that lies in a device. Return: as berth_port_ioremap().
 */
void __iomem *berth_port_ioremap_wc(phys_addr_t phys, uint64_t size);

/** berth_port_iounmap() - give back what berth_port_ioremap() and berth_port_ioremap_wc() returned. */
void berth_port_iounmap(void __iomem *cookie);

/**
 * berth_port_range_reserve() - CPU addresses for mappings that the caller makes
 * @size: whole pages
 *
 * Nothing is mapped yet, and nothing ever is in the page in front of the range and in that behind
 * it. May sleep. Return: the range, until berth_port_range_release() or berth_port_stop(), or NULL
 * with the reason (MAPPING). A port may have no such thing: then it always returns NULL.
 */
void *berth_port_range_reserve(uint64_t size);

/** berth_port_range_release() - give a whole range back; nothing is mapped there. May sleep. */
void berth_port_range_release(void *virt, uint64_t size);

/**
 * berth_port_range_map() - show RAM at a part of such a range
 * @virt: first page; nothing is mapped there
 * @phys: the RAM: contiguous, of one bank, all of it in the linear map or none of it
 * @size: whole pages
 * @type: BERTH_MEMORY_CACHED; of what berth_port_remap() has made uncached, and only as long, one of
 *	the types it takes; outside the linear map any but BERTH_MEMORY_DEVICE
 *
 * RAM outside the linear map may be shown several times at once, always as the same type: the
 * caller sees to that. Nothing of it is in a cache when the first such mapping is made.
 * Any context. Return: 0, or with the reason (MAPPING) and nothing mapped -EINVAL or -ENOMEM.
 */
int berth_port_range_map(void *virt, phys_addr_t phys, uint64_t size, enum berth_memory_type type);

/**
 * berth_port_range_unmap() - undo berth_port_range_map(), or a part of it
 *
 * @phys, @size and @type belong to @virt as they did there. Of RAM outside the linear map that is
 * shown nowhere else nothing is in a cache on return: it is all in memory. Any context.
 */
void berth_port_range_unmap(void *virt, phys_addr_t phys, uint64_t size,
			    enum berth_memory_type type);

/* Memory that may move. */

/**
 * enum berth_port_access - what the program may do with a page without asking
 * @BERTH_ACCESS_NONE: nothing: the first access asks berth_fault_handle()
 * @BERTH_ACCESS_READ: read; the first write asks
 * @BERTH_ACCESS_WRITE: read and write
 *
 * Who asks sleeps meanwhile. Where the port cannot stop the accesses of an operating system on the
 * program's behalf (see docs/moving-pages.md), such a call fails instead with -EFAULT.
 */
enum berth_port_access {
	BERTH_ACCESS_NONE,
	BERTH_ACCESS_READ,
	BERTH_ACCESS_WRITE,
};

/**
 * struct berth_port_view - an address at which a program sees pages
 * @virt: first page, in a range of berth_port_user_reserve()
 * @access: not BERTH_ACCESS_NONE
 */
struct berth_port_view {
	void *virt;
	enum berth_port_access access;
};

/**
 * berth_port_user_reserve() - CPU addresses at which a program sees pages that may move
 * @size: whole pages
 *
 * Nothing is mapped yet: every page is BERTH_ACCESS_NONE. May sleep. Return: the range, until
 * berth_port_user_release() or berth_port_stop(), or NULL with the reason (MAPPING). A port may
 * have no such thing: then it always returns NULL, and the other calls return -EINVAL.
 *
 * The calls below are about pages of one such range. Two of them at once are about different pages,
 * or one of them is refused with -EBUSY; the caller has a lock for each page. They are not called
 * by who holds a lock that berth_fault_handle() takes, other than that of the page.
 */
void *berth_port_user_reserve(uint64_t size);

/**
 * berth_port_user_release() - give a whole range back
 *
 * Nobody uses it any more. On return, nobody is asked about it any more. May sleep; not called by
 * berth_fault_handle() for a page of the range.
 */
void berth_port_user_release(void *virt, uint64_t size);

/**
 * berth_port_user_map() - let a part of such a range show RAM
 * @virt: first page
 * @phys: the RAM: contiguous, in the linear map
 * @size: whole pages
 * @access: not BERTH_ACCESS_NONE
 *
 * Takes the place of what was there in one step: a thread that uses the range meanwhile sees either
 * the old page or the new one, never nothing. Who waits for the pages is let on. May sleep.
 * Return: 0, or with the reason and nothing changed -EINVAL, -EBUSY, or -ENOMEM (MAPPING; its limit
 * is the host's limit of mappings, if that was met).
 */
int berth_port_user_map(void *virt, phys_addr_t phys, uint64_t size, enum berth_port_access access);

/**
 * berth_port_user_protect() - change what may be done without asking
 * @virt: first page
 * @size: whole pages
 * @access: what from now on; if not BERTH_ACCESS_NONE, all the pages are mapped
 *
 * BERTH_ACCESS_NONE takes the pages away. On return whoever could write before and may not now has
 * written. May sleep. Return: as berth_port_user_map().
 */
int berth_port_user_protect(void *virt, uint64_t size, enum berth_port_access access);

/**
 * berth_port_user_move() - other RAM behind the same addresses, with the same bytes
 * @views: all the addresses at which programs see the pages, and what they may do there
 * @nr: how many
 * @from: the RAM that they show now; contiguous
 * @to: the RAM that they are to show: contiguous, in the linear map, nobody's
 * @size: whole pages
 *
 * Writers sleep while the bytes are copied, readers go on; no store is lost and none comes after
 * the copy. The copy is made of stores of this CPU: its lines are dirty in the cache. On return
 * nobody reaches @from through a view any more, and it may be used for something else at once. The
 * caller knows that nobody else changes the bytes: a device, or who pinned the page.
 *
 * One call and not two, gate and ungate, around a copy of the caller's: nothing else may happen in
 * between, of which a caller cannot be sure (under a sanitizer not even a call of memcpy()), and a
 * page that is seen at two addresses moves once.
 *
 * May sleep. Return: as berth_port_user_map(): on failure all views show @from, as before.
 */
int berth_port_user_move(const struct berth_port_view *views, unsigned int nr, phys_addr_t from,
			 phys_addr_t to, uint64_t size);

/**
 * berth_fault_handle() - a thread may not do what it does: called by the port, implemented by berth
 * @virt: the address, inside a range of berth_port_user_reserve()
 * @is_write: it writes
 *
 * Called on any CPU or thread, perhaps not the one that waits, for several faults at once, and at
 * times more than once for one access: also when it has been allowed meanwhile. May sleep; no lock
 * of the port's is held by the caller. Return: 0 if the access is to be tried again; a negative
 * errno value if it is the program's own fault.
 */
int berth_fault_handle(void *virt, bool is_write);

/* Memory that other processes see. */

/**
 * berth_port_share() - let processes that are handed a descriptor see some of RAM
 * @runs: pieces of RAM, page-aligned, each of one bank, all of it in the linear map or none of it; another
 *	process sees them one after the other in this order
 * @nr: how many
 * @type: as which type the CPU sees them: BERTH_MEMORY_CACHED, or what they are uncached as; the rules of
 *	berth_port_range_map() for it hold
 *
 * The caller owns the pages for as long: nobody moves them, frees them, or maps them as another type. All
 * that is done with them meanwhile is seen by all: through the linear map, berth_port_remap() and
 * berth_port_range_map(), made before or afterwards, by devices, and by who maps the descriptor. A store of
 * another process is like one through a mapping of @type, so devices that are not coherent need the same
 * cache calls for it. Nothing but these pages can be reached by the descriptor, and nobody can make it
 * shorter.
 *
 * No store is lost while the pages change hands, and who writes to them just then waits for a moment. May
 * sleep.
 *
 * Return: a handle, not negative, until berth_port_unshare() or berth_port_stop(). In a Linux process it is a
 * descriptor to be passed on to others, that is not to be closed: a file whose byte n is byte n of the runs.
 * Or with the reason and nothing changed -EOPNOTSUPP (MAPPING): this port has no other processes, or none
 * that could be shown a part of RAM only: a port may always return that; -EBUSY (STATE): some of it is shared
 * already, twice in @runs, or memory that may move; -EINVAL (MAPPING, ARGUMENT); -ENOMEM (OUT_OF_MEMORY, or
 * MAPPING: the host's limit of mappings).
 */
int berth_port_share(const struct berth_range *runs, unsigned int nr, enum berth_memory_type type);

/**
 * berth_port_unshare() - undo berth_port_share()
 * @handle: what it returned; any other number is ignored
 *
 * The pages keep the bytes that they have at this moment. Who still has the descriptor, or maps it, is left
 * with memory of zeros that is nobody's, whatever is done to it. May sleep, for as long as the host has no
 * memory.
 */
void berth_port_unshare(int handle);

/* Caches. */

/**
 * berth_port_line_size() - bytes of a cache line: the largest writeback granule of the machine
 *
 * A run-time fact: 32, 64 or 128. Constant between berth_port_ram() and berth_port_stop().
 */
unsigned int berth_port_line_size(void);

/**
 * berth_port_cache_clean() - write dirty lines back to memory; they stay valid
 * @phys: first byte
 * @size: bytes; the lines that they touch are cleaned whole
 *
 * The three cache calls work on RAM, to the point of coherency, and are complete on return. They
 * reach RAM outside the linear map, too, where berth_port_range_map() shows it; of RAM that is not
 * mapped nothing is in a cache: there they do nothing.
 * Any context.
 */
void berth_port_cache_clean(phys_addr_t phys, uint64_t size);

/**
 * berth_port_cache_invalidate() - drop lines, so that the next read sees memory
 *
 * Lines only partly inside the range are cleaned first, as arm64 does: the neighbour's bytes are
 * not lost, but the range's bytes in that line may be overwritten.
 */
void berth_port_cache_invalidate(phys_addr_t phys, uint64_t size);

/** berth_port_cache_flush() - clean, then invalidate. */
void berth_port_cache_flush(phys_addr_t phys, uint64_t size);

/* Interrupts. */

/**
 * berth_port_irq_unmask() - let an interrupt through; it arrives in berth_irq_handle()
 * @irq: the port's number: on a GIC 16 + n for a PPI and 32 + n for an SPI
 * @level: true if level triggered
 *
 * A PPI is let through on the calling CPU. Return: 0, or -EINVAL if there is no such interrupt, or it
 * cannot be triggered like that.
 */
int berth_port_irq_unmask(unsigned int irq, bool level);

/** berth_port_irq_mask() - hold an interrupt back. It may still be running on another CPU. */
void berth_port_irq_mask(unsigned int irq);

/**
 * berth_irq_handle() - an interrupt has arrived: called by the port, implemented by berth
 * @irq: which
 *
 * Interrupts are away from the caller (see berth_port_irq_save()) and no lock of the port's is
 * held. Return: true if some handler took it.
 */
bool berth_irq_handle(unsigned int irq);

/* Waiting and time. */

/** berth_port_now() - nanoseconds since some moment; never goes back. Any context. */
uint64_t berth_port_now(void);

/**
 * berth_port_wait() - sleep while a word has a value
 * @word: the word
 * @value: sleep only while *@word == @value
 * @deadline_ns: on berth_port_now()'s clock; UINT64_MAX for none
 *
 * Whoever changes the word calls berth_port_wake(). Interrupts are delivered meanwhile; on a port
 * without them this polls. May return early for no reason. Must not be called with interrupts
 * saved away. Return: 0, -ETIMEDOUT, or -EDEADLK when the port knows that nothing is left that
 * could change the word.
 */
int berth_port_wait(const uint32_t *word, uint32_t value, uint64_t deadline_ns);

/** berth_port_wake() - wake everyone who sleeps on @word. Any context. */
void berth_port_wake(const uint32_t *word);

/**
 * berth_port_delay() - let time pass without sleeping
 * @ns: how much, at least
 *
 * Any context, interrupt handlers included.
 */
void berth_port_delay(uint64_t ns);

/**
 * berth_port_alarm() - ask for one call of berth_timer_handle()
 * @at_ns: when; replaces the moment asked for before; UINT64_MAX for never
 *
 * There is one alarm, whichever CPU asks; a moment in the past is due at once. Any context.
 */
void berth_port_alarm(uint64_t at_ns);

/** berth_timer_handle() - the alarm has gone off: called by the port as an interrupt would be. */
void berth_timer_handle(void);

/**
 * berth_port_lock_wait() - a spinlock is contended
 * @word: the lock's word
 * @value: what it was
 *
 * Spin while *@word == @value, and let others run if that takes long: nobody tells when the lock is
 * released. May return early.
 */
void berth_port_lock_wait(uint32_t *word, uint32_t value);

/* Threads of berth's own: where a CPU does the work of a device. */

struct berth_port_worker;

/**
 * berth_port_worker_start() - a thread that works on demand
 * @worker: the thread, until berth_port_worker_stop()
 * @work: called on it after each berth_port_worker_kick(); may sleep
 * @data: handed to @work
 *
 * May sleep. Return: 0; -ENOSYS (CAPABILITY): this port has no threads, and berth does such work where it
 * arises: a port may always return that; -ENOMEM (OUT_OF_MEMORY).
 */
int berth_port_worker_start(struct berth_port_worker **worker, void (*work)(void *data),
			    void *data);

/**
 * berth_port_worker_kick() - have the thread call its work once from the start
 *
 * However often it is kicked until then, it is one call. What was written before is seen by it. From this
 * call on until the work has returned there is somebody who may do what another one waits for, see
 * berth_port_wait(). Any context.
 */
void berth_port_worker_kick(struct berth_port_worker *worker);

/**
 * berth_port_worker_stop() - end the thread
 *
 * Work that was asked for is done before. Nobody kicks it meanwhile, or afterwards. May sleep; not from
 * the work itself.
 */
void berth_port_worker_stop(struct berth_port_worker *worker);

/* Output. */

/** berth_port_print() - print bytes on the console. Any context. */
void berth_port_print(const char *text, size_t length);

/**
 * berth_port_backtrace() - the call stack
 * @frames: where return addresses go, innermost first
 * @max: how many fit
 *
 * Return: how many were stored; 0 where the port cannot tell.
 */
unsigned int berth_port_backtrace(uintptr_t *frames, unsigned int max);

/** berth_port_is_stack() - whether @at is on a stack that lies in RAM of the linear map. Any context. */
bool berth_port_is_stack(uintptr_t at);

/**
 * struct berth_port_watch - who is told what happens to memory: the checker
 * @freed: berth_port_poison() was called. Any context
 * @device: a device, by its name, reads or writes what it was told @bus for. A lock of the port's is held
 * @reached: what @device told of has come to RAM of the linear map or, @is_lost, nowhere; or not called. As @device
 * @ordered: of this thread, what it did before is done before what it does from now on: BERTH_ORDERS_READS,
 *	BERTH_ORDERS_WRITES, or both. After each barrier, and after devices had their turn in it; for reads also
 *	where an interrupt or an alarm begins, and where a wait ends. With 0 devices had their turn, and nothing is
 *	ordered. Any context
 * @told: this thread writes a register of a device, by its name. @cause is the number of this write, from 1 on;
 *	0: another device does. A lock of the port's is held
 * @cause: what the device that comes next in @device does was brought about by that write of a register;
 *	0: not known. A lock of the port's is held
 * @ram: it is about to touch RAM of the linear map that is seen there, and is cached. A lock of the port's is held
 * @is_cache_off: no access is cached: devices see what the CPU does
 * @trapped: somebody has done at @at what berth_port_trap() lets be told, by the instruction at @pc, or by the system
 *	call @call, if not NULL. Any context, perhaps a signal handler on the thread that has, or another thread
 * @data: a device has read these bytes, or written them, where it was told @bus. A lock of the port's is held
 * @has_traps: berth_port_trap() is wanted: read when the RAM is mapped
 *
 * A port may tell nothing. Bare metal tells what is freed, if the watch was there before berth_port_ram().
 */
#define BERTH_ORDERS_READS 1u
#define BERTH_ORDERS_WRITES 2u

struct berth_port_watch {
	void (*freed)(const void *addr, size_t size);
	void (*device)(const char *name, uint64_t bus, size_t size, bool is_write);
	void (*reached)(bool is_lost);
	void (*ordered)(unsigned int what);
	void (*told)(const char *name, uint64_t cause);
	void (*cause)(uint64_t cause);
	void (*ram)(const char *name, uintptr_t at, size_t size, bool is_write, bool is_coherent);
	bool is_cache_off;
	void (*trapped)(uintptr_t at, bool is_write, uintptr_t pc, const char *call);
	bool has_traps;
	void (*data)(const char *name, uint64_t bus, const void *bytes, size_t size, bool is_write);
};

/* NULL: nobody. */
extern const struct berth_port_watch *berth_port_watch;

/*
 * Have it told when the program touches whole pages of the linear map, or writes there; with BERTH_ACCESS_WRITE no more.
 * The first who does goes on, and the page is open to all from then on. berth's own accesses count as well: pages that a
 * CPU works on instead of a device are opened before. Any context. False: not these pages. NULL: this port cannot; set
 * between berth_port_ram() and berth_port_stop().
 */
extern bool (*berth_port_trap)(uintptr_t at, uint64_t size, enum berth_port_access access);

/*
 * What was put into the eight bytes at @at, which are aligned and in the linear map, when the memory was handed out, and is
 * still there as the CPU sees them. Any context. False: something else is. NULL: this port fills no memory; set as berth_port_trap().
 */
extern bool (*berth_port_fresh)(uintptr_t at, uint64_t *word);

/* Open all pages that the bytes are in. */
static inline void berth_port_open_pages(uintptr_t at, uint64_t size)
{
	const uintptr_t first = at & ~(uintptr_t)4095;
	bool (*trap)(uintptr_t at, uint64_t size, enum berth_port_access access) =
		__atomic_load_n(&berth_port_trap, __ATOMIC_ACQUIRE);

	if (trap && size)
		trap(first, ((at + size + 4095) & ~(uint64_t)4095) - first, BERTH_ACCESS_WRITE);
}

/** berth_port_panic() - an internal rule of berth's is broken: print and stop. Never for bad input. */
void berth_port_panic(const char *message) __attribute__((noreturn));

BERTH_END_DECLS

#include <berth/port-arch.h>

#ifndef BERTH_PORT_DMA_DEFAULT_COHERENT
#define BERTH_PORT_DMA_DEFAULT_COHERENT 0
#endif

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif
