/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of movable memory share: an area of pages, its frames, both gates. */
#ifndef TESTS_MODEL_MOVE_H
#define TESTS_MODEL_MOVE_H

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "soc.h"

#include "gate.h"
#include "mm/user.h"

#define PAGE 4096ul
/* RAM that the tests hand out, as page frames. */
#define FRAMES 1024u
#define FRAME(n) (RAM + (phys_addr_t)(n)*PAGE)

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

/* A test per gate: its state is the gate's name. */
#define BOTH(test)                                                               \
	{ #test ", uffd", test, NULL, NULL, (void *)(uintptr_t) "uffd" },        \
	{                                                                        \
#test ", signal", test, NULL, NULL, (void *)(uintptr_t) "signal" \
	}

/* False: this kernel, or this user, has no userfaultfd. */
static inline bool gate_start(void **state)
{
	const char *name = *state;

	setenv("BERTH_GATE", name, 1);
	soc_start_quiet(64);
	if (strcmp(berth_port_gate_name(), name)) {
		berth_port_stop();
		return false;
	}
	return true;
}

static inline void gate_stop(void)
{
	berth_port_stop();
	unsetenv("BERTH_GATE");
}

#define START(state)                    \
	do {                            \
		if (!gate_start(state)) \
			skip();         \
	} while (0)

static inline bool is_uffd(void)
{
	return !strcmp(berth_port_gate_name(), "uffd");
}

static inline uint8_t *reserve(unsigned int pages)
{
	uint8_t *virt = berth_port_user_reserve(pages * PAGE);

	assert_non_null(virt);
	return virt;
}

static inline void map(uint8_t *virt, unsigned int page, unsigned int frame,
		       enum berth_port_access access)
{
	assert_int_equal(berth_port_user_map(virt + page * PAGE, FRAME(frame), PAGE, access), 0);
}

static inline int move(void *virt, unsigned int from, unsigned int to, unsigned int pages)
{
	const struct berth_port_view view = { virt, BERTH_ACCESS_WRITE };

	return berth_port_user_move(&view, 1, FRAME(from), FRAME(to), pages * PAGE);
}

/* The lines of /proc/self/maps that lie in a range. */
static inline unsigned int host_mappings(const void *virt, size_t size)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	unsigned int nr = 0;
	char line[512];

	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && end > (uintptr_t)virt &&
		    start < (uintptr_t)virt + size)
			nr++;
	fclose(maps);
	return nr;
}

static inline uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	return *state ^= *state << 5;
}

#endif
