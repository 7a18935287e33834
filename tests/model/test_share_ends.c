/* SPDX-License-Identifier: BSD-2-Clause */
/* Sharing that is refused, fails half way, or ends with a client that means harm. */
#include <dirent.h>
#include <sys/syscall.h>

#include "move.h"

#include "client.h"
#include "share.h"

void __asan_poison_memory_region(const volatile void *addr, size_t size) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *addr, size_t size) __attribute__((weak));
int __asan_address_is_poisoned(const volatile void *addr) __attribute__((weak));

static const struct berth_range scattered[] = {
	{ FRAME(40), 3 * PAGE },
	{ FRAME(7), PAGE },
	{ NO_MAP + 8 * PAGE, 70 * PAGE },
	{ FRAME(43), 2 * PAGE },
};

#define SCATTERED_SIZE (76 * PAGE)

static const struct berth_range pages = { FRAME(64), 16 * PAGE };

static uint8_t *view;
static unsigned int files, mappings;

static int share(const struct berth_range *runs, unsigned int nr)
{
	int fd = berth_port_share(runs, nr, BERTH_MEMORY_CACHED);

	assert_true(fd >= 0);
	return fd;
}

static unsigned int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static unsigned int linear_mappings(void)
{
	return host_mappings((void *)berth_port_linear.virt, berth_port_linear.size);
}

static unsigned long inode_of(phys_addr_t phys)
{
	unsigned long inode, bytes;

	maps_of(soc_virt(phys), &inode, &bytes);
	return inode;
}

/* Bytes that the host has in a file. */
static uint64_t used(int fd)
{
	struct stat status;

	assert_int_equal(fstat(fd, &status), 0);
	return (uint64_t)status.st_blocks * 512;
}

static void the_range_is_all_there_is(void **state)
{
	struct client client;
	struct stat status;
	int fd;

	START(state);
	client_start(&client);
	cpu_fill(pages.base - PAGE, 0x11, pages.size + 2 * PAGE);
	fd = share(&pages, 1);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_size, pages.size);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(client_give(&client, fd, pages.size), 0);
	assert_int_equal(client_ask(&client, CLIENT_TRUNCATE, 0, 0), -EPERM);
	assert_int_equal(client_ask(&client, CLIENT_TRUNCATE, PAGE, 0), -EPERM);
	assert_int_equal(client_ask(&client, CLIENT_TRUNCATE, pages.size + PAGE, 0), -EPERM);
	assert_int_equal(client_ask(&client, CLIENT_ALLOCATE, pages.size + PAGE, 0), -EPERM);
	assert_int_equal(client_ask(&client, CLIENT_PWRITE, pages.size, 0), -EPERM);
	assert_int_equal(client_ask(&client, CLIENT_SEAL, F_SEAL_WRITE, 0), -EPERM);
	assert_int_equal(client_ask(&client, CLIENT_SEAL, F_SEAL_FUTURE_WRITE, 0), -EPERM);
	/* It may throw away what is its own anyway: that is as good as writing zeros. */
	assert_int_equal(client_ask(&client, CLIENT_PUNCH, 2 * PAGE, PAGE), 0);
	assert_int_equal(cpu_byte(pages.base + PAGE - 1), 0x11);
	assert_int_equal(cpu_byte(pages.base + PAGE), 0);
	assert_int_equal(cpu_byte(pages.base + 3 * PAGE), 0x11);
	cpu_fill(pages.base + PAGE, 0x12, PAGE);
	assert_int_equal(client_ask(&client, CLIENT_READ, PAGE, 0), 0x12);
	/* Beyond the end of the file there is nothing, however much is mapped. */
	assert_int_equal(client_give(&client, fd, pages.size + PAGE), 0);
	assert_int_equal(client_ask(&client, CLIENT_READ, pages.size - 1, 0), 0x11);
	assert_int_equal(client_ask(&client, CLIENT_READ, pages.size, 0), INT64_MIN);
	assert_int_equal(WTERMSIG(client_end(&client, false)), SIGBUS);
	berth_port_unshare(fd);
	assert_int_equal(cpu_byte(pages.base - 1), 0x11);
	assert_int_equal(cpu_byte(pages.base), 0x11);
	assert_int_equal(cpu_byte(pages.base + PAGE), 0x12);
	assert_int_equal(cpu_byte(pages.base + 2 * PAGE), 0);
	assert_int_equal(cpu_byte(pages.base + pages.size), 0x11);
	gate_stop();
}

static void what_is_not_shared_any_more_is_safe(void **state)
{
	struct client client;
	int fd, copy;

	START(state);
	client_start(&client);
	fd = share(&pages, 1);
	copy = dup(fd);
	assert_int_equal(client_give(&client, fd, pages.size), 0);
	cpu_fill(pages.base, 0x21, pages.size);
	berth_port_unshare(fd);
	/* The client holds no memory of ours by it. */
	assert_int_equal(used(copy), 0);
	close(copy);
	assert_int_equal(client_ask(&client, CLIENT_READ, 0, 0), 0);
	assert_int_equal(client_ask(&client, CLIENT_FLOOD, 0, 0), 0);
	for (unsigned int i = 0; i < 200; i++) {
		assert_int_equal(cpu_byte(pages.base + i % 16 * PAGE + i), 0x21);
		assert_int_equal(memory_byte(pages.base + i % 16 * PAGE + i), 0);
		if (i % 20 == 0)
			usleep(1000);
	}
	/* The next one has another file. */
	fd = share(&pages, 1);
	assert_int_equal(cpu_byte(pages.base), 0x21);
	client_end(&client, true);
	berth_port_unshare(fd);
	assert_int_equal(cpu_byte(pages.base), 0x21);
	gate_stop();
}

/* At any moment of its life, and of that of what it maps. */
static void clients_may_be_killed(void **state)
{
	unsigned int rounds = 60;

	START(state);
	for (unsigned int i = 0; i < rounds; i++) {
		struct client client;
		int fd = share(scattered, ARRAY_SIZE(scattered));

		client_start(&client);
		if (i % 4 == 0) {
			client_end(&client, true);
		} else {
			client_send(&client, CLIENT_MAP, SCATTERED_SIZE, 0, fd);
			client_send(&client, CLIENT_FLOOD, 0, 0, -1);
		}
		if (i % 4 != 0)
			usleep(i * 100);
		if (i % 4 == 1)
			client_end(&client, true);
		cpu_fill(FRAME(7), (int)i, PAGE);
		berth_port_unshare(fd);
		if (i % 4 > 1)
			client_end(&client, true);
		cpu_fill(FRAME(7), (int)i, PAGE);
		assert_int_equal(cpu_byte(FRAME(7) + 99), i);
		if (i == 3) {
			files = open_files();
			mappings = linear_mappings();
		}
	}
	assert_int_equal(open_files(), files);
	assert_int_equal(linear_mappings(), mappings);
	gate_stop();
}

static void nothing_is_there_twice(void **state)
{
	const struct berth_range much = { HIGH_RAM, 2 * MIB };
	uint64_t before;
	int fd;

	START(state);
	cpu_fill(much.base - 0, 0x33, 3 * MIB);
	before = used(soc.ram.fd[0]);
	fd = share(&much, 1);
	assert_int_equal(used(fd), much.size);
	assert_int_equal(used(soc.ram.fd[0]), before - much.size);
	assert_int_equal(cpu_byte(much.base + much.size), 0x33);
	berth_port_unshare(fd);
	assert_int_equal(used(soc.ram.fd[0]), before);
	gate_stop();
}

static void expect(int code, enum berth_reason reason, const struct berth_range *runs,
		   unsigned int nr, enum berth_memory_type type)
{
	assert_int_equal(berth_port_share(runs, nr, type), code);
	assert_int_equal(berth_port_error()->reason, reason);
	assert_int_equal(berth_port_error()->code, code);
}

static void nonsense_is_refused(void **state)
{
	const struct berth_range bad[] = {
		{ RAM, 0 },
		{ RAM + 8, PAGE },
		{ RAM, PAGE + 8 },
		{ RAM + RAM_SIZE - PAGE, 2 * PAGE },
		{ NO_MAP - PAGE, 2 * PAGE },
		{ RAM, UINT64_MAX - PAGE + 1 },
		{ 0, PAGE },
		{ REGISTERS, PAGE },
	};
	const struct berth_range two[] = { { FRAME(1), PAGE }, { FRAME(9), 3 * PAGE } };
	const struct berth_range twice[] = { two[0], { FRAME(3), PAGE }, two[0] };
	uint8_t *virt;
	int fd;

	assert_int_equal(berth_port_share(two, 2, BERTH_MEMORY_CACHED), -EOPNOTSUPP);
	START(state);
	assert_int_equal(berth_port_share(two, 2, BERTH_MEMORY_CACHED) >= 0, 1);
	berth_port_stop();
	START(state);
	files = open_files();
	mappings = linear_mappings();
	expect(-EINVAL, BERTH_REASON_ARGUMENT, two, 0, BERTH_MEMORY_CACHED);
	expect(-EINVAL, BERTH_REASON_ARGUMENT, two, 2, BERTH_MEMORY_DEVICE);
	expect(-EINVAL, BERTH_REASON_MAPPING, two, 2, BERTH_MEMORY_UNCACHED);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct berth_range runs[] = { two[1], bad[i] };

		expect(-EINVAL, BERTH_REASON_MAPPING, &bad[i], 1, BERTH_MEMORY_CACHED);
		expect(-EINVAL, BERTH_REASON_MAPPING, runs, 2, BERTH_MEMORY_CACHED);
	}
	expect(-EBUSY, BERTH_REASON_STATE, twice, 3, BERTH_MEMORY_CACHED);
	assert_int_equal(linear_mappings(), mappings);
	fd = share(two, 2);
	expect(-EBUSY, BERTH_REASON_STATE, &two[1], 1, BERTH_MEMORY_CACHED);
	expect(-EBUSY, BERTH_REASON_STATE, &(struct berth_range){ FRAME(8), 3 * PAGE }, 1,
	       BERTH_MEMORY_CACHED);
	/* Memory that moves is not shared, and what is shared does not move. */
	virt = reserve(4);
	assert_int_equal(berth_port_user_map(virt, FRAME(10), PAGE, BERTH_ACCESS_READ), -EBUSY);
	berth_port_unshare(fd);
	berth_port_unshare(fd);
	berth_port_unshare(-1);
	berth_port_unshare(0);
	map(virt, 0, 10, BERTH_ACCESS_READ);
	expect(-EBUSY, BERTH_REASON_STATE, two, 2, BERTH_MEMORY_CACHED);
	assert_int_equal(berth_port_user_protect(virt, PAGE, BERTH_ACCESS_NONE), 0);
	berth_port_unshare(share(two, 2));
	map(virt, 1, 9, BERTH_ACCESS_WRITE);
	map(virt, 3, 10, BERTH_ACCESS_WRITE);
	assert_int_equal(move(virt + PAGE, 9, 200, 1), 0);
	expect(-EBUSY, BERTH_REASON_STATE, two, 2, BERTH_MEMORY_CACHED);
	expect(-EBUSY, BERTH_REASON_STATE, &(struct berth_range){ FRAME(200), PAGE }, 1,
	       BERTH_MEMORY_CACHED);
	map(virt, 3, 201, BERTH_ACCESS_READ);
	berth_port_unshare(share(two, 2));
	berth_port_user_release(virt, 4 * PAGE);
	berth_port_unshare(share(&(struct berth_range){ FRAME(200), 2 * PAGE }, 1));
	berth_port_stop();
	START(state);
	assert_int_equal(open_files(), files);
	gate_stop();
}

static uint64_t sum_of(const struct berth_range *runs, unsigned int nr)
{
	uint64_t sum = 0, n = 0;

	for (unsigned int i = 0; i < nr; i++)
		for (uint64_t at = 0; at < runs[i].size; at += 64)
			sum = sum * 31 + memory_byte(runs[i].base + at) +
			      (runs[i].base == scattered[2].base ? view[at]
								 : cpu_byte(runs[i].base + at)) +
			      n++;
	return sum;
}

static void check_nothing_has_changed(uint64_t sum)
{
	assert_int_equal(sum_of(scattered, ARRAY_SIZE(scattered)), sum);
	assert_int_equal(open_files(), files);
	assert_int_equal(linear_mappings(), mappings);
	assert_int_equal(host_mappings(view, scattered[2].size), 1);
}

/* The n-th call of the host fails, and the next @more. Returns for how many n sharing has failed. */
static unsigned int fail_every_call(uint64_t sum, uint64_t more)
{
	unsigned int failed = 0;
	int fd = -1;

	for (uint64_t n = 1; fd < 0; n++) {
		berth_port_share_fail = n;
		berth_port_share_fail_more = more;
		fd = berth_port_share(scattered, ARRAY_SIZE(scattered), BERTH_MEMORY_CACHED);
		assert_int_equal(sum_of(scattered, ARRAY_SIZE(scattered)), sum);
		if (fd >= 0)
			break;
		failed++;
		assert_int_equal(fd, -ENOMEM);
		assert_int_equal(berth_port_error()->code, -ENOMEM);
		assert_true(berth_port_error()->subject[0]);
		check_nothing_has_changed(sum);
		/* All of it can be written, and is shared with nobody. */
		memset(view, 0x71, scattered[2].size);
		cpu_fill(FRAME(40), 3, 3 * PAGE);
		assert_false(berth_port_share_has(FRAME(40), 3 * PAGE));
	}
	for (uint64_t n = 1; fd >= 0; n++) {
		bool is_last;

		berth_port_share_fail = n;
		berth_port_share_fail_more = more;
		berth_port_unshare(fd);
		is_last = berth_port_share_fail;
		berth_port_share_fail = 0;
		check_nothing_has_changed(sum);
		berth_port_share_fail_more = 0;
		fd = is_last ? -1 : share(scattered, ARRAY_SIZE(scattered));
	}
	return failed;
}

/* Whichever call of the host fails: on the way there nothing has changed, on the way back all is done. */
static void every_call_of_the_host_may_fail(void **state)
{
	const struct berth_range *high = &scattered[2];
	uint64_t sum;

	START(state);
	assert_int_equal(berth_port_user_open(), 0);
	view = berth_port_range_reserve(high->size);
	assert_int_equal(berth_port_range_map(view, high->base, high->size, BERTH_MEMORY_CACHED),
			 0);
	memset(view, 0x71, high->size);
	for (unsigned int i = 0; i < ARRAY_SIZE(scattered); i++)
		if (&scattered[i] != high)
			cpu_fill(scattered[i].base, (int)i + 3, scattered[i].size);
	sum = sum_of(scattered, ARRAY_SIZE(scattered));
	files = open_files();
	mappings = linear_mappings();
	assert_true(fail_every_call(sum, 0) > 20);
	fail_every_call(sum, 1);
	fail_every_call(sum, 2);
	berth_port_range_unmap(view, high->base, high->size, BERTH_MEMORY_CACHED);
	berth_port_range_release(view, high->size);
	gate_stop();
}

/* A mapping of what is shared that cannot be made, at its beginning or behind pages that could be shown. */
static void a_mapping_may_fail_meanwhile(void **state)
{
	uint8_t *range;
	int fd;

	START(state);
	fd = share(&pages, 1);
	for (uint64_t n = 1; n <= 3; n++) {
		range = berth_port_range_reserve(pages.size);
		berth_port_share_fail = n;
		assert_int_equal(berth_port_range_map(range, pages.base - 2 * PAGE, 4 * PAGE,
						      BERTH_MEMORY_CACHED),
				 -ENOMEM);
		assert_int_equal(host_mappings(range, pages.size), 1);
		assert_int_equal(berth_port_range_map(range, pages.base - 2 * PAGE, 4 * PAGE,
						      BERTH_MEMORY_CACHED),
				 0);
		range[3 * PAGE] = 0x61;
		assert_int_equal(cpu_byte(pages.base + PAGE), 0x61);
		berth_port_range_unmap(range, pages.base - 2 * PAGE, 4 * PAGE, BERTH_MEMORY_CACHED);
		berth_port_range_release(range, pages.size);
	}
	/* Nor is RAM outside the linear map in a cache for it. */
	range = berth_port_range_reserve(PAGE);
	berth_port_share_fail = 1;
	assert_int_equal(berth_port_range_map(range, NO_MAP, PAGE, BERTH_MEMORY_CACHED), -ENOMEM);
	assert_int_equal(soc.ram.nr_viewed, 0);
	berth_port_range_release(range, PAGE);
	berth_port_unshare(fd);
	gate_stop();
}

/* Scattered pages cost mappings: refused before the process has none left. */
static void the_limit_of_mappings_is_kept(void **state)
{
	struct berth_range runs[30];
	int fd;

	berth_port_gate_limit = 50;
	START(state);
	for (unsigned int i = 0; i < ARRAY_SIZE(runs); i++)
		runs[i] = (struct berth_range){ FRAME(2 * i), PAGE };
	mappings = linear_mappings();
	expect(-ENOMEM, BERTH_REASON_MAPPING, runs, 26, BERTH_MEMORY_CACHED);
	assert_int_equal(berth_port_error()->limit, 50);
	assert_non_null(strstr(berth_port_error()->subject, "max_map_count"));
	assert_int_equal(linear_mappings(), mappings);
	fd = share(runs, 25);
	assert_true(linear_mappings() <= mappings + 50);
	expect(-ENOMEM, BERTH_REASON_MAPPING, &runs[29], 1, BERTH_MEMORY_CACHED);
	assert_null(berth_port_user_reserve(PAGE));
	berth_port_unshare(fd);
	assert_int_equal(linear_mappings(), mappings);
	berth_port_unshare(share(&runs[5], 25));
	berth_port_gate_limit = 0;
	gate_stop();
}

static void *taken[200000];
static unsigned int nr_taken;

/* All the mappings that the host gives. No two of these are alike, so none joins another. */
static void take_mappings(void)
{
	while (nr_taken < ARRAY_SIZE(taken)) {
		long at = syscall(SYS_mmap, NULL, PAGE, nr_taken % 2 ? PROT_READ : PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at == -1)
			return;
		taken[nr_taken++] = (void *)at;
	}
}

static void give_mappings(void)
{
	while (nr_taken)
		syscall(SYS_munmap, taken[--nr_taken], PAGE);
}

/* Without any that is left sharing fails, and its way back needs none. */
static void the_program_may_use_up_all_mappings(void **state)
{
	const struct berth_range much = { HIGH_RAM + 5 * PAGE, MIB };
	const struct berth_range other = { HIGH_RAM + 2 * MIB, MIB };
	bool has_limit;
	int ret = -ENOMEM, fd;

	START(state);
	cpu_fill(much.base, 0x44, much.size);
	view = berth_port_range_reserve(much.size);
	assert_int_equal(berth_port_range_map(view, much.base, much.size, BERTH_MEMORY_CACHED), 0);
	fd = share(&much, 1);
	take_mappings();
	has_limit = nr_taken < ARRAY_SIZE(taken);
	/* A sanitizer's allocator does not survive that. */
	if (has_limit && !UNDER_TSAN && !__asan_poison_memory_region)
		ret = berth_port_share(&other, 1, BERTH_MEMORY_CACHED);
	take_mappings();
	berth_port_unshare(fd);
	give_mappings();
	assert_int_equal(ret, -ENOMEM);
	assert_int_equal(view[much.size - 1], 0x44);
	cpu_fill(much.base, 0x45, much.size);
	assert_int_equal(view[0], 0x45);
	assert_int_equal(inode_of(much.base), inode_of(RAM));
	assert_int_equal(inode_of(other.base), inode_of(RAM));
	assert_int_equal(host_mappings(view, much.size), 1);
	berth_port_unshare(share(&other, 1));
	gate_stop();
	if (!has_limit)
		skip();
}

/* A run with a seed goes the same way whether something is shared or not. */
static uint64_t digest_of(bool is_sharing)
{
	const struct berth_model_config config = {
		.cache = BERTH_MODEL_CACHE_RANDOM,
		.seed = 4711,
	};
	struct berth_model_stats stats;

	soc_start(&config);
	for (unsigned int i = 0; i < 20; i++) {
		phys_addr_t at = pages.base + i % 16 * PAGE;
		int fd = is_sharing && i % 3 ? share(&pages, 1) : -1;

		cpu_fill(at, (int)i, 300);
		berth_port_cache_clean(at, 128);
		dev_fill(plain, at + 64, 0x80 + (int)i, 400);
		if (is_sharing && i % 3 == 1)
			berth_port_unshare(fd);
		dev_byte(coherent, at + 100);
		berth_port_cache_invalidate(at + 64, 200);
		dev_fill(coherent, at, (int)i, 3 * PAGE);
		if (is_sharing && i % 3 == 2)
			berth_port_unshare(fd);
		for (unsigned int n = 0; n < 1000; n += 7)
			stats.digest += cpu_byte(at + n);
	}
	stats = soc_stats();
	berth_port_stop();
	return stats.digest;
}

static void a_run_does_not_notice(void **state)
{
	uint64_t quiet;

	setenv("BERTH_GATE", *state, 1);
	quiet = digest_of(false);
	assert_int_equal(digest_of(false), quiet);
	if (berth_port_user_start() || strcmp(berth_port_gate_name(), *state))
		skip();
	assert_int_equal(digest_of(true), quiet);
	unsetenv("BERTH_GATE");
}

static void stops_end_it(void **state)
{
	struct client client;

	for (unsigned int i = 0; i < 5; i++) {
		uint8_t *range;
		int fd, copy;

		START(state);
		fd = share(scattered, ARRAY_SIZE(scattered));
		range = berth_port_range_reserve(PAGE);
		assert_int_equal(berth_port_range_map(range, FRAME(7), PAGE, BERTH_MEMORY_CACHED),
				 0);
		client_start(&client);
		assert_int_equal(client_give(&client, fd, SCATTERED_SIZE), 0);
		copy = dup(fd);
		gate_stop();
		assert_int_equal(used(copy), 0);
		close(copy);
		assert_int_equal(client_ask(&client, CLIENT_WRITE, 0, 1), 0);
		client_end(&client, false);
		if (!i)
			files = open_files();
	}
	assert_int_equal(open_files(), files);
}

static void poison_stays(void **state)
{
	int fd;

	if (!__asan_poison_memory_region)
		skip();
	START(state);
	__asan_poison_memory_region(soc_virt(pages.base + 128), 64);
	fd = share(&pages, 1);
	assert_true(__asan_address_is_poisoned(soc_virt(pages.base + 128)));
	assert_false(__asan_address_is_poisoned(soc_virt(pages.base)));
	berth_port_unshare(fd);
	assert_true(__asan_address_is_poisoned(soc_virt(pages.base + 191)));
	assert_false(__asan_address_is_poisoned(soc_virt(pages.base + 192)));
	__asan_unpoison_memory_region(soc_virt(pages.base + 128), 64);
	gate_stop();
}

#define CRASH_ARGUMENT "--crash"
#define WAYS 3

/* Where there is no RAM, in the linear map and in a range that has shown what was shared; where there is. */
static int crash_main(const char *way, char *gate)
{
	volatile uint8_t *range;
	void *name = gate;
	int fd;

	signal(SIGSEGV, SIG_DFL);
	if (!gate_start(&name))
		return 77;
	fd = berth_port_share(&pages, 1, BERTH_MEMORY_CACHED);
	range = berth_port_range_reserve(2 * PAGE);
	if (fd < 0 ||
	    berth_port_range_map((void *)(uintptr_t)range, pages.base, PAGE, BERTH_MEMORY_CACHED))
		return 1;
	berth_port_unshare(fd);
	range[1] = 1;
	cpu_fill(pages.base, 5, PAGE);
	if (way[0] == '0')
		*(volatile uint8_t *)soc_virt(NO_MAP) = 1;
	if (way[0] == '1')
		range[PAGE] = 1;
	gate_stop();
	if (way[0] == '2')
		kill(getpid(), SIGSEGV);
	return 2;
}

/* In a process of its own, since it does not survive. */
static void real_bugs_still_crash(void **state)
{
	for (unsigned int i = 0; i < WAYS; i++) {
		char way[] = { (char)('0' + i), 0 };
		char *arguments[] = { (char *)(uintptr_t) "crash",
				      (char *)(uintptr_t)CRASH_ARGUMENT, way, *state, NULL };
		pid_t child;
		int status;

		assert_int_equal(
			posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			skip();
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
			fail_msg("way %u: status %#x", i, (unsigned int)status);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BOTH(the_range_is_all_there_is),
		BOTH(what_is_not_shared_any_more_is_safe),
		BOTH(clients_may_be_killed),
		BOTH(nothing_is_there_twice),
		BOTH(nonsense_is_refused),
		BOTH(every_call_of_the_host_may_fail),
		BOTH(a_mapping_may_fail_meanwhile),
		BOTH(the_limit_of_mappings_is_kept),
		BOTH(the_program_may_use_up_all_mappings),
		BOTH(a_run_does_not_notice),
		BOTH(stops_end_it),
		BOTH(poison_stays),
		BOTH(real_bugs_still_crash),
	};

	if (argc > 1 && !strcmp(argv[1], CLIENT_ARGUMENT))
		return client_main();
	if (argc > 3 && !strcmp(argv[1], CRASH_ARGUMENT))
		return crash_main(argv[2], argv[3]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
