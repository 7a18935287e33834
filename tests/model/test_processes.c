// SPDX-License-Identifier: BSD-2-Clause
/* Two processes and devices: one buffer, its caches, its fences; processes that die, and that lie. */
#include "processes.h"

static const struct berth_model_config adversarial = { .cache = BERTH_MODEL_CACHE_ADVERSARIAL };

static struct client a, b;

static void start_both(const struct berth_model_config *config, const char *heap)
{
	char line[64];

	start(config);
	start_client(&a);
	start_client(&b);
	snprintf(line, sizeof(line), "alloc %s 0 %u", heap, SIZE);
	assert_true(say(&a, line) >= 0);
	pass(&a, 0, &b, 0);
	assert_true(say(&a, "open station 31") >= 0);
	assert_true(say(&b, "open station 31") >= 0);
}

static void end_both(void)
{
	end_client(&a);
	end_client(&b);
	stop();
}

static void where(struct client *client, unsigned long long *offset, char *file)
{
	char device[16], inode[32];

	must_say(client, "where", 0);
	assert_int_equal(sscanf(client->text, "%*s %llx %15s %31s", offset, device, inode), 3);
	sprintf(file, "%s %s", device, inode);
}

/* Of a part, too: the kernel says that it is the same file at the same place. */
static void test_one_file(void **state)
{
	static const char *const heaps[] = { "cma", "system" };
	unsigned long long at[3];
	char file[3][64];

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		start_both(NULL, heaps[i]);
		must_say(&a, "size 0", SIZE);
		must_say(&b, "size 0", SIZE);
		must_say(&a, "map 0 0 0", 0);
		must_say(&b, "map 0 0 0", 0);
		where(&a, &at[0], file[0]);
		where(&b, &at[1], file[1]);
		must_say(&a, "fill 0 5", 0);
		must_say(&b, "wrong 0 5", 0);
		must_say(&b, "unmap", 0);
		must_say(&b, "map 0 8192 4096", 0);
		where(&b, &at[2], file[2]);
		assert_int_equal(at[0], 0);
		assert_int_equal(at[1], 0);
		assert_int_equal(at[2], 8192);
		assert_string_equal(file[0], file[1]);
		assert_string_equal(file[0], file[2]);
		must_say(&b, "wrong 8192 5", 0);
		must_say(&b, "fill 8192 6", 0);
		must_say(&a, "wrong 0 5", 4096);
		end_both();
	}
}

/* A device that sees memory and no caches; with the requests, and without. */
static void test_caches(void **state)
{
	(void)state;
	start_both(&adversarial, "cma");
	must_say(&a, "map 0 0 0", 0);
	must_say(&b, "map 0 0 0", 0);
	for (unsigned int picture = 1; picture <= 3; picture++) {
		char line[32];

		/* a writes, the processor reads. */
		must_say(&a, "sync 0 2", 0);
		snprintf(line, sizeof(line), "fill 0 %u", picture);
		must_say(&a, line, 0);
		must_say(&a, "sync 0 6", 0);
		assert_int_equal(job(&b, 0, STATION_READ, picture), 0);
		/* The camera writes, b reads. */
		assert_int_equal(job(&a, 0, STATION_WRITE, picture + 50), picture + 50);
		must_say(&b, "sync 0 1", 0);
		snprintf(line, sizeof(line), "wrong 0 %u", picture + 50);
		must_say(&b, line, 0);
		must_say(&b, "sync 0 5", 0);
	}
	/* Nobody says that he writes: the device sees old bytes. */
	must_say(&a, "fill 0 99", 0);
	assert_true(job(&b, 0, STATION_READ, 99) > 0);
	/* Nobody says that he reads: he sees old bytes. */
	must_say(&a, "sync 0 3", 0);
	must_say(&a, "sync 0 7", 0);
	must_say(&b, "wrong 0 99", 0);
	assert_int_equal(job(&a, 0, STATION_WRITE, 7), 7);
	assert_true(say(&b, "wrong 0 7") > 0);
	must_say(&b, "sync 0 1", 0);
	must_say(&b, "wrong 0 7", 0);
	must_say(&b, "sync 0 5", 0);
	end_both();
}

/* What one has begun and never ended is ended when it dies, or unmaps. */
static void test_access_of_the_dead(void **state)
{
	(void)state;
	start_both(&adversarial, "cma");
	for (unsigned int i = 0; i < 2; i++) {
		struct berth_serve_stats stats;
		struct client c;

		start_client(&c);
		pass(&b, 0, &c, 0);
		must_say(&c, "map 0 0 0", 0);
		must_say(&c, "sync 0 2", 0);
		must_say(&c, i ? "fill 0 31" : "fill 0 30", 0);
		if (i)
			must_say(&c, "unmap", 0);
		kill_client(&c, SIGKILL);
		do {
			usleep(1000);
			berth_serve_stats(&stats);
		} while (stats.mappings);
		assert_int_equal(job(&b, 0, STATION_READ, 30 + i), 0);
	}
	end_both();
}

/* Who is to signal, who waits; a device between them. */
static void test_fences(void **state)
{
	(void)state;
	start_both(NULL, "system");
	must_say(&a, "map 0 0 0", 0);
	must_say(&b, "map 0 0 0", 0);
	assert_true(say(&a, "open sw_sync 1") >= 0);
	must_say(&a, "timeout 1 60000", 0);
	assert_true(say(&a, "fence 1 2 1") >= 0);
	assert_true(say(&a, "fence 1 3 2") >= 0);
	/* It is going to write: the device waits for that. */
	must_say(&a, "import 0 2 2", 0);
	must_say(&b, "wait 0 0", 0);
	tell(&b, "job 0 3221771266 5", -1); /* STATION_READ */
	must_say(&a, "fill 0 5", 0);
	must_say(&a, "inc 1 1", 0);
	assert_int_equal(hear(&b), 0);
	/* And this process, before it reads. */
	must_say(&a, "import 0 2 3", 0);
	assert_true(say(&b, "export 0 1 4") >= 0);
	must_say(&b, "wait 4 0", 0);
	must_say(&b, "fences 4", 0);
	tell(&b, "sync 0 1", -1);
	must_say(&a, "fill 0 6", 0);
	must_say(&a, "inc 1 1", 0);
	assert_int_equal(hear(&b), 0);
	must_say(&b, "wrong 0 6", 0);
	must_say(&b, "sync 0 5", 0);
	must_say(&b, "wait 4 -1", 1);
	must_say(&b, "wait 0 -1", 1);
	must_say(&b, "fences 4", 1);
	must_say(&a, "name 0", 0);
	assert_int_equal(job(&b, 0, STATION_NAME, 0), 0);
	end_both();
}

/* Its names are in what the others are told. */
static void test_fence_of_the_dead(void **state)
{
	struct client painter;
	char name[64], text[200];

	(void)state;
	start_both(NULL, "system");
	start_client(&painter);
	pass(&a, 0, &painter, 0);
	assert_true(say(&painter, "open sw_sync 1") >= 0);
	must_say(&painter, "timeout 1 60000", 0);
	assert_true(say(&painter, "fence 1 2 1") >= 0);
	must_say(&painter, "import 0 2 2", 0);
	pass(&painter, 2, &b, 2);
	assert_true(say(&b, "open sw_sync 1") >= 0);
	must_say(&b, "timeout 1 60000", 0);
	assert_true(say(&b, "fence 1 3 1") >= 0);
	assert_true(say(&b, "merge 2 3 4") >= 0);
	tell(&a, "sync 0 1", -1);
	tell(&b, "wait 2 -1", -1);
	usleep(20000);
	kill_client(&painter, SIGKILL);
	assert_int_equal(hear(&b), -ENOENT);
	assert_int_equal(hear(&a), 0);
	must_say(&b, "fences 2", -ENOENT);
	snprintf(name, sizeof(name), "[-2 sw_sync: processes-clien (pid %d)]", (int)painter.pid);
	assert_non_null(strstr(b.text, name));
	must_say(&b, "inc 1 1", 0);
	must_say(&b, "wait 4 -1", -ENOENT);
	/* One that lives, and does nothing. */
	must_say(&b, "timeout 1 50", 0);
	assert_true(say(&b, "fence 1 5 9") >= 0);
	pass(&b, 5, &a, 5);
	must_say(&a, "wait 5 -1", -ETIMEDOUT);
	must_say(&a, "fences 5", -ETIMEDOUT);
	snprintf(text, sizeof(text), "(pid %d)", (int)b.pid);
	assert_non_null(strstr(a.text, text));
	end_both();
}

static void test_lies(void **state)
{
	struct client c;
	uint64_t before;
	unsigned int fds;
	int status;

	(void)state;
	start_both(NULL, "system");
	must_say(&a, "map 0 0 0", 0);
	must_say(&a, "fill 0 9", 0);
	assert_true(say(&b, "open sw_sync 1") >= 0);
	until_quiet();
	before = used();
	fds = descriptors();
	must_say(&b, "nonsense 0 1", 0);
	assert_true(say(&b, "fence 1 2 7") >= 0);
	assert_true(say(&b, "alloc system 3 4096") >= 0);
	must_say(&b, "numbers 3 2", 0);
	must_say(&b, "close 3", 0);
	must_say(&b, "inc 1 7", 0);
	must_say(&b, "close 2", 0);
	/* Its file is as long as it was, and this process reads it. */
	must_say(&b, "attack 0 65536", 0);
	assert_true(say(&a, "wrong 0 9") > 0);
	must_say(&a, "fill 0 9", 0);
	/* Behind what it was given there is nothing. */
	start_client(&c);
	pass(&a, 0, &c, 0);
	tell(&c, "beyond 0", -1);
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	close(c.control);
	until_back(fds, before);
	must_say(&a, "wrong 0 9", 0);
	assert_int_equal(job(&b, 0, STATION_READ, 9), 0);
	assert_int_equal(job(&b, 1, STATION_READ, 9), -EINVAL);
	assert_int_equal(job(&b, 20, STATION_READ, 9), -EBADF);
	end_both();
}

/* Each allocation of the server's fails once: the client is told, and nothing stays. */
static void test_every_failure(void **state)
{
	struct client client;
	bool has_failed = true;
	uint64_t nth, before;
	unsigned int fds;

	(void)state;
	start(NULL);
	start_client(&client);
	must_say(&client, "everything", 0);
	until_idle();
	before = used();
	fds = descriptors();
	for (nth = 1; has_failed; nth++) {
		long err;

		berth_test_fail_nth(nth);
		err = say(&client, "everything");
		has_failed = berth_test_failed();
		berth_test_fail_nth(0);
		if (err && (!has_failed || err != -ENOMEM))
			fail_msg("allocation %d: %s", (int)nth, client.text);
		until_idle();
		until_back(fds, before);
	}
	assert_true(nth > 20);
	end_client(&client);
	stop();
}

/* More of them in test_processes_killed.c. */
#define KILLS 25
#include "processes_killed.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_file),	   cmocka_unit_test(test_caches),
		cmocka_unit_test(test_access_of_the_dead), cmocka_unit_test(test_fences),
		cmocka_unit_test(test_fence_of_the_dead),  cmocka_unit_test(test_lies),
		cmocka_unit_test(test_every_failure),	   cmocka_unit_test(test_kills),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
