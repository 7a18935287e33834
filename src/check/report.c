// SPDX-License-Identifier: BSD-2-Clause
/* What is told, once for each pair of places. */
#include <berth/port.h>

#include "check/check.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"

#define MAX_REPORTS 4096u
#define MAX_FRAMES 40u

static const struct {
	const char *id, *text, *advice;
} rules[BERTH_CHECK_RULES] = {
#define RULE(name, id, text, advice) [BERTH_CHECK_##name] = { id, text, advice }
	RULE(NOTHING, "nothing", "nothing", ""),
	RULE(NOT_DMA_MEMORY, "not-dma-memory", "maps memory that no device may be given",
	     "Take it from kmalloc() or alloc_pages(); vmalloc() memory page by page with vmalloc_to_page()."),
	RULE(STACK, "stack", "maps the stack",
	     "Put the buffer into memory from kmalloc(): a stack shares its lines, and may not be RAM of the linear map."),
	RULE(OVERLAP, "overlap", "maps what a device already has to write, or writes what one has",
	     "Unmap the first mapping before the second one, or give each device bytes of its own."),
	RULE(SEGMENT, "segment", "maps more than the device takes in one piece",
	     "Split the transfer, or set dma_set_max_seg_size() to what the hardware takes."),
	RULE(UNMAP_UNKNOWN, "unmap-unknown", "unmaps what was never mapped",
	     "Unmap only what dma_map_*() returned, and only where that succeeded."),
	RULE(UNMAP_TWICE, "unmap-twice", "unmaps what was unmapped before",
	     "Clear the address when it is unmapped, so that an error path does not do it again."),
	RULE(UNMAP_SIZE, "unmap-size", "unmaps with another length",
	     "Keep the length with the address: it has to be the one that was mapped."),
	RULE(UNMAP_DIRECTION, "unmap-direction", "unmaps with another direction",
	     "Use the direction of the mapping."),
	RULE(UNMAP_KIND, "unmap-kind", "unmaps with the function of another kind of mapping",
	     "What dma_map_single() and dma_map_page() made ends with dma_unmap_*() of these, a list with dma_unmap_sg()."),
	RULE(UNMAP_NENTS, "unmap-nents", "unmaps a list with another number of entries",
	     "Give dma_unmap_sg() the number that dma_map_sg() was given, not the one that it returned."),
	RULE(UNMAP_DEVICE, "unmap-device", "unmaps for another device",
	     "Use the device that it was mapped for."),
	RULE(SYNC_UNKNOWN, "sync-unknown", "syncs what is not mapped",
	     "Sync only between dma_map_*() and dma_unmap_*()."),
	RULE(SYNC_DIRECTION, "sync-direction", "syncs with another direction",
	     "Use the direction of the mapping; any, if that is DMA_BIDIRECTIONAL."),
	RULE(SYNC_RANGE, "sync-range", "syncs beyond the end of the mapping",
	     "The range has to lie inside one mapping."),
	RULE(ERROR_UNCHECKED, "error-unchecked", "uses an address without dma_mapping_error()",
	     "Ask dma_mapping_error() before the address is used: a mapping can fail at any time."),
	RULE(ERROR_USED, "error-used", "uses an address that is an error",
	     "Return when dma_mapping_error() says so; nothing is mapped, nothing is to be unmapped."),
	RULE(LEAK, "leak", "was still mapped when its driver had gone",
	     "Unmap or free it on every way out, failing ones as well."),
	RULE(FREE_UNKNOWN, "free-unknown", "frees what was not allocated so",
	     "Free what dma_alloc_*() or dma_pool_alloc() returned, once."),
	RULE(FREE_SIZE, "free-size", "frees with another length",
	     "Use the length of the allocation."),
	RULE(FREE_ADDRESS, "free-address", "frees with another device address",
	     "Use the address that the allocation gave."),
	RULE(FREE_KIND, "free-kind", "frees with the function of another kind of memory",
	     "Memory of a dma_pool goes back to that pool, coherent memory to dma_free_coherent()."),
	RULE(FREE_MAPPED, "free-mapped", "frees memory while a device has it",
	     "Stop the device and unmap before the memory is freed."),
	RULE(UNMAP_ADDRESS, "unmap-address", "unmaps at an address where no mapping begins",
	     "Unmap what dma_map_*() returned: no flags in its low bits, no offset, not the address of a descriptor."),
	RULE(FREE_TWICE, "free-twice", "frees what was freed before",
	     "Clear the pointer when it is freed, so that an error path does not do it again."),
	RULE(FREE_POOL, "free-pool", "gives a block to another pool",
	     "Give a block back to the dma_pool that it came from."),
	RULE(POOL_BUSY, "pool-busy", "destroys a pool of which blocks are out",
	     "Stop the device and free all blocks before dma_pool_destroy()."),
	RULE(ERROR_LOST, "error-lost", "says that all is well though a mapping failed",
	     "Return the error when dma_mapping_error() says that there is one."),
	RULE(ALLOC_UNCHECKED, "alloc-unchecked", "uses memory whose allocation failed",
	     "Ask whether the allocation returned NULL, and return -ENOMEM."),
	RULE(TRANSFER_BUSY, "transfer-busy", "unmaps or frees what a transfer uses",
	     "Wait until the cookie is complete, or call dmaengine_terminate_sync(), before the memory goes."),
	RULE(TRANSFER_TWICE, "transfer-twice", "submits a descriptor that is under way",
	     "Prepare a new one for each transfer, or submit one that is kept when it is complete."),
	RULE(TRANSFER_RELEASED, "transfer-released", "releases a channel whose transfers go on",
	     "Call dmaengine_terminate_sync() before dma_release_channel()."),
	RULE(BUF_GONE, "buf-gone", "uses a dma-buf, or an attachment, that is no more",
	     "Keep a reference with get_dma_buf() as long as it is used; nothing comes after dma_buf_detach()."),
	RULE(BUF_ATTACHED, "buf-attached",
	     "puts its last reference to a dma-buf while a device is attached",
	     "Call dma_buf_detach() before dma_buf_put(): on Linux an attachment does not hold the buffer."),
	RULE(BUF_MAPPED, "buf-mapped", "detaches a device that has the dma-buf mapped",
	     "Call dma_buf_unmap_attachment() before dma_buf_detach()."),
	RULE(MEMORY_TYPE, "memory-type", "maps memory that is mapped already, with another type",
	     "Use the address that the memory has, or memory from dma_alloc_*() or of a no-map reservation."),
	RULE(SYNC_NEEDLESS, "sync-needless", "syncs what this device sees without",
	     "Ask dma_need_sync() once, and leave the call out where it says no."),
	RULE(CPU_READ, "cpu-read", "reads what a device may be writing",
	     "Call dma_sync_*_for_cpu() or unmap before the CPU looks."),
	RULE(CPU_WRITE, "cpu-write", "writes what a device has",
	     "Write before it is mapped, or between dma_sync_*_for_cpu() and dma_sync_*_for_device()."),
	RULE(LINE_SHARED, "line-shared", "writes in a cache line in which a device writes",
	     "Give the buffer lines of its own: align it, and what follows it, to dma_get_cache_alignment()."),
	RULE(DEVICE_UNMAPPED, "device-unmapped", "touches memory that it was not given",
	     "Map it before the device is told of it, and stop the device before it is unmapped."),
	RULE(DEVICE_DIRECTION, "device-direction", "writes what it was to read",
	     "Map with DMA_FROM_DEVICE or DMA_BIDIRECTIONAL what a device writes."),
	RULE(DEVICE_EARLY, "device-early", "touches what the CPU has",
	     "Call dma_sync_*_for_device() before the device is told to go on."),
	RULE(DEVICE_OUTSIDE, "device-outside", "touches memory that it has not been given",
	     "Take what a device is to read or write from dma_alloc_*(), or map it; a physical address is not enough."),
	RULE(DEVICE_BEYOND, "device-beyond",
	     "touches what lies behind the end of what it was given",
	     "Map or allocate as many bytes as the device is told of."),
	RULE(DEVICE_MASK, "device-mask", "touches an address whose high bits are missing",
	     "Set dma_set_mask_and_coherent() to the address lines that the device has, and write the high word as well."),
	RULE(DEVICE_WORDS, "device-words", "touches an address whose two words are swapped",
	     "Write the low and the high 32 bits where the device wants them."),
	RULE(UNORDERED_STORE, "unordered-store",
	     "gives a descriptor away before what it says is sure to be there",
	     "Call dma_wmb() between the body of the descriptor and the word that gives it to the device."),
	RULE(UNORDERED_DOORBELL, "unordered-doorbell",
	     "tells the device of what it may not see yet",
	     "Use writel() for the doorbell, or call wmb() before writel_relaxed()."),
	RULE(UNORDERED_LOAD, "unordered-load",
	     "reads what may be older than the word which says that it is there",
	     "Call dma_rmb() between the word that gives the descriptor back and the rest of it."),
	RULE(DOUBLE_FETCH, "double-fetch", "reads again what a device may have changed meanwhile",
	     "Copy it once, with READ_ONCE(), and use the copy."),
	RULE(DEVICE_POINTER, "device-pointer", "follows an address that a device can write",
	     "Keep addresses and free lists in memory of the CPU's, and numbers of entries in the device's."),
	RULE(WILD_ACCESS, "wild-access", "uses a number of a device's as it comes",
	     "Ask whether it is in range, and aligned, before it is an index, a length or an offset."),
	RULE(UNWRITTEN, "unwritten",
	     "reads what the device has left out, and nobody else has written",
	     "Ask the device how much it has written, and read no more; what was there before may be anything."),
	RULE(UNINITIALISED, "uninitialised", "reads what nobody has written",
	     "Fill all that the device reads, reserved fields as well, or allocate with kzalloc()."),
	RULE(RAW_CLEAN, "raw-clean", "reads what the CPU has written and not cleaned",
	     "Clean the range after the last write and before the device is started."),
	RULE(RAW_INVALIDATE, "raw-invalidate",
	     "reads what a device has written, not invalidated since",
	     "Invalidate the range after the transfer, too: between the two the cache may fetch it on its own."),
	RULE(RAW_DIRTY, "raw-dirty",
	     "writes in a cache line that the CPU has written, and that may be written back at any time",
	     "Invalidate or clean the lines before the device is started, and give the buffer lines of its own."),
	RULE(RAW_LOST, "raw-lost", "reads what a cache call has destroyed",
	     "Give the buffer lines of its own, at both ends; clean what is to survive an invalidate."),
#undef RULE
};

static struct berth_check_options options;
static struct berth_check_report *reports;
static unsigned int nr_reports, nr_notes, max_reports;
static const char *next_hint;

void check_hint(const char *hint)
{
	next_hint = hint;
}

enum berth_check_severity berth_check_rule_severity(enum berth_check_rule rule)
{
	switch (rule) {
	case BERTH_CHECK_TRANSFER_RELEASED:
	case BERTH_CHECK_BUF_ATTACHED:
	case BERTH_CHECK_BUF_MAPPED:
		return BERTH_CHECK_WARNING;
	case BERTH_CHECK_SYNC_NEEDLESS:
		return BERTH_CHECK_NOTE;
	default:
		return BERTH_CHECK_ERROR;
	}
}

const char *berth_check_rule_id(enum berth_check_rule rule)
{
	return (unsigned int)rule < BERTH_CHECK_RULES ? rules[rule].id : "?";
}

const char *berth_check_rule_text(enum berth_check_rule rule)
{
	return (unsigned int)rule < BERTH_CHECK_RULES ? rules[rule].text : "?";
}

const char *berth_check_rule_advice(enum berth_check_rule rule)
{
	return (unsigned int)rule < BERTH_CHECK_RULES ? rules[rule].advice : "";
}

/* From the program's own frame on: what is above it is the checker's. With 0 it is not known which that is. */
void check_place_here(struct berth_check_place *place, uintptr_t caller)
{
	uintptr_t frames[MAX_FRAMES];
	unsigned int nr = berth_port_backtrace(frames, MAX_FRAMES), first = 0;

	while (caller && first < nr && frames[first] != caller)
		first++;
	place->nr = 0;
	if (first == nr && caller)
		place->frame[place->nr++] = caller;
	while (first < nr && place->nr < BERTH_CHECK_FRAMES)
		place->frame[place->nr++] = frames[first++];
}

bool check_is_same_place(const struct berth_check_place *a, const struct berth_check_place *b)
{
	if (a->nr != b->nr)
		return false;
	for (unsigned int i = 0; i < a->nr; i++)
		if (a->frame[i] != b->frame[i])
			return false;
	return true;
}

static struct berth_check_report *find_same(const struct berth_check_report *report)
{
	for (unsigned int i = 0; i < nr_reports; i++)
		if (reports[i].rule == report->rule &&
		    !berth_strcmp(reports[i].device, report->device) &&
		    check_is_same_place(&reports[i].touched, &report->touched) &&
		    check_is_same_place(&reports[i].mapped, &report->mapped))
			return &reports[i];
	return NULL;
}

/* Where it does no harm today, and on which machines it does. */
static const char *breaks_on(enum berth_check_rule rule)
{
	switch (rule) {
	case BERTH_CHECK_CPU_READ:
	case BERTH_CHECK_CPU_WRITE:
	case BERTH_CHECK_DEVICE_EARLY:
		return "machines whose caches are not coherent, and those that use bounce buffers";
	case BERTH_CHECK_LINE_SHARED:
		return "machines whose caches are not coherent";
	case BERTH_CHECK_DEVICE_OUTSIDE:
		return "machines with an IOMMU, or whose caches are not coherent";
	case BERTH_CHECK_DEVICE_MASK:
		return "machines with memory that the device cannot address";
	case BERTH_CHECK_UNORDERED_STORE:
	case BERTH_CHECK_UNORDERED_DOORBELL:
	case BERTH_CHECK_UNORDERED_LOAD:
		return "machines that do not keep the order of accesses to memory, such as Arm and RISC-V";
	case BERTH_CHECK_DOUBLE_FETCH:
	case BERTH_CHECK_DEVICE_POINTER:
	case BERTH_CHECK_WILD_ACCESS:
		return "machines with a device that is not trusted";
	default:
		return NULL;
	}
}

static void tell(const struct berth_check_report *report)
{
	char text[400];

	if (options.on_report) {
		options.on_report(report, options.data);
		return;
	}
	berth_check_text(report, text, sizeof(text));
	berth_printk("check: %s\n", text);
}

static struct berth_check_report begin(enum berth_check_rule rule)
{
	const char *hint = next_hint;

	next_hint = NULL;
	return (struct berth_check_report){
		.rule = rule,
		.count = 1,
		.hint = hint,
		.severity = berth_check_rule_severity(rule),
		.breaks_on = breaks_on(rule),
		.direction = DMA_NONE,
	};
}

static void end(const struct berth_check_report *report)
{
	struct berth_check_report *same;

	if (report->severity == BERTH_CHECK_NOTE && !options.with_notes)
		return;
	same = find_same(report);
	if (same) {
		same->count++;
		return;
	}
	if (nr_reports == max_reports ||
	    (options.is_suppressed && options.is_suppressed(report, options.data)))
		return;
	nr_notes += report->severity == BERTH_CHECK_NOTE;
	reports[nr_reports++] = *report;
	tell(report);
}

void check_report_at(enum berth_check_rule rule, const struct berth_check_place *place,
		     const char *device, uintptr_t at, uint64_t size)
{
	struct berth_check_report report = begin(rule);

	berth_strlcpy(report.device, device, sizeof(report.device));
	report.address = at;
	report.length = size;
	report.touched = *place;
	end(&report);
}

void check_report(enum berth_check_rule rule, const struct check_record *record, const char *device,
		  uintptr_t at, uint64_t size, bool is_store, uintptr_t caller)
{
	const struct check_finding finding = {
		.rule = rule,
		.record = record,
		.device = device,
		.at = at,
		.size = size,
		.is_store = is_store,
		.caller = caller,
	};

	check_report_finding(&finding);
}

void check_report_finding(const struct check_finding *finding)
{
	struct berth_check_report report = begin(finding->rule);
	const struct check_record *record = finding->record;
	const char *device = finding->device;

	if (!device && record)
		device = record->name;
	berth_strlcpy(report.device, device ? device : "", sizeof(report.device));
	report.address = finding->at;
	report.length = finding->size;
	report.is_store = finding->is_store;
	report.other = finding->other;
	if (finding->breaks_on)
		report.breaks_on = finding->breaks_on;
	if (finding->touched)
		report.touched = *finding->touched;
	else
		check_place_here(&report.touched, finding->caller);
	/* One is taken off again by who looks for the line. */
	if (finding->is_exact && report.touched.nr)
		report.touched.frame[0]++;
	report.system_call = finding->system_call;
	if (record) {
		report.buffer = record->call.virt;
		report.buffer_length = record->call.size;
		report.bus = record->call.bus;
		report.direction = record->call.dir;
		report.mapped = record->place;
	} else if (finding->other) {
		report.mapped.frame[report.mapped.nr++] = finding->other;
	}
	end(&report);
}

void check_reports_reset(const struct berth_check_options *given)
{
	options = given ? *given : (struct berth_check_options){ 0 };
	nr_reports = nr_notes = max_reports = 0;
	next_hint = NULL;
	if (!given)
		return;
	/* An eighth of the memory is for them. */
	max_reports = (unsigned int)(given->size / 8 / sizeof(*reports));
	max_reports = max_reports < MAX_REPORTS ? max_reports : MAX_REPORTS;
	reports = check_take(max_reports * sizeof(*reports));
	max_reports = reports ? max_reports : 0;
}

unsigned int berth_check_count(void)
{
	unsigned long flags = check_lock();
	unsigned int nr = nr_reports - nr_notes;

	check_unlock(flags);
	return nr;
}

static const struct berth_check_report *report_at(unsigned int i)
{
	unsigned long flags = check_lock();
	const struct berth_check_report *report = i < nr_reports ? &reports[i] : NULL;

	check_unlock(flags);
	return report;
}

int berth_check_each(int (*visit)(const struct berth_check_report *report, void *data), void *data)
{
	const struct berth_check_report *report;
	int ret = 0;

	for (unsigned int i = 0; !ret && (report = report_at(i)); i++)
		ret = visit(report, data);
	return ret;
}

size_t berth_check_text(const struct berth_check_report *report, char *text, size_t size)
{
	const char *who = report->device[0] ? report->device : "the program";
	int n;

	if (report->buffer_length && report->address)
		n = berth_snprintf(
			text, size,
			"%s: %s: %llu byte%s at offset %lld of a buffer of %llu, of %s%s%s",
			rules[report->rule].id, rules[report->rule].text,
			(unsigned long long)report->length, report->length == 1 ? "" : "s",
			(long long)(report->address - report->buffer),
			(unsigned long long)report->buffer_length, who,
			report->system_call ? ", by " : "",
			report->system_call ? report->system_call : "");
	else if (report->buffer_length)
		n = berth_snprintf(text, size, "%s: %s: %llu bytes at %#llx, of %s",
				   rules[report->rule].id, rules[report->rule].text,
				   (unsigned long long)report->buffer_length,
				   (unsigned long long)report->bus, who);
	else if (report->rule >= BERTH_CHECK_RAW_CLEAN || report->rule == BERTH_CHECK_UNWRITTEN)
		n = berth_snprintf(text, size, "%s: %s %s: %llu byte%s at %#llx",
				   rules[report->rule].id, who, rules[report->rule].text,
				   (unsigned long long)report->length,
				   report->length == 1 ? "" : "s",
				   (unsigned long long)report->address);
	else
		n = berth_snprintf(text, size, "%s: %s: %s", rules[report->rule].id, who,
				   rules[report->rule].text);
	return n < 0 ? 0 : (size_t)n;
}
