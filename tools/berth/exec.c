// SPDX-License-Identifier: BSD-2-Clause
/* `berth exec`: a program that knows nothing of berth, with a server's nodes. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <berth/client.h>
#include <berth/serve-protocol.h>

#include "elf-needs.h"
#include "exec.h"
#include "launcher.h"
#include "run.h"

#define LIBRARY "libberth-preload.so"

/* As env(1) and shells have it. */
enum { EXEC_CANNOT = 126, EXEC_MISSING = 127 };

static const char usage[] =
	"Usage: berth exec [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
	"Run a program that finds the nodes of `berth serve` under /dev, and what /sys says of them.\n"
	"\n"
	"  --name NAME           of the server; $BERTH_SERVER, or berth-UID\n"
	"  --no-preload          for programs that are linked statically\n"
	"  --help                this text\n"
	"\n"
	"Exit status: the program's; 2 it was not started; 126 it cannot be run; 127 it is not there.\n";

enum { OPT_NAME = 256, OPT_NO_PRELOAD, OPT_HELP };

static const struct option long_options[] = {
	{ "name", required_argument, NULL, OPT_NAME },
	{ "no-preload", no_argument, NULL, OPT_NO_PRELOAD },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static int unusable(const char *what, const char *why)
{
	fprintf(stderr, "berth exec: %s: %s\n", what, why);
	return RUN_UNUSABLE;
}

/* Beside the command, as it is built or as it is installed. */
static bool find_library(char *path, size_t size)
{
	static const char *const places[] = { "../../ports/linux/preload", ("../" BERTH_LIBDIR),
					      "../lib" };
	char own[PATH_MAX];
	ssize_t got = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *end;

	if (got <= 0)
		return false;
	own[got] = '\0';
	end = strrchr(own, '/');
	*end = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char *found;

		if (snprintf(path, size, "%s/%s/" LIBRARY, own, places[i]) >= (int)size)
			continue;
		found = realpath(path, NULL);
		if (found && strlen(found) < size) {
			strcpy(path, found);
			free(found);
			return true;
		}
		free(found);
	}
	return false;
}

/* Where execvp() would find it; "" if nowhere. */
static void find_program(const char *name, char *path, size_t size)
{
	const char *at = getenv("PATH");

	if (strchr(name, '/')) {
		snprintf(path, size, "%s", name);
		return;
	}
	for (at = at ? at : "/bin:/usr/bin"; *at; at += strcspn(at, ":") ? 0 : 1) {
		int length = (int)strcspn(at, ":");

		if (length && snprintf(path, size, "%.*s/%s", length, at, name) < (int)size &&
		    !access(path, X_OK))
			return;
		at += length;
	}
	path[0] = '\0';
}

/* What has to be in front: a sanitizer's runtime wants to be the first. Those that were there stay, behind. */
static int set_preload(const char *program)
{
	char library[PATH_MAX], needs[256], all[3 * PATH_MAX];
	const char *others = getenv("LD_PRELOAD");
	struct stat status;

	if (!find_library(library, sizeof(library)))
		return unusable(LIBRARY, "it is not beside this program");
	if (strpbrk(library, " :"))
		return unusable(library, "LD_PRELOAD cannot say such a path");
	if (!stat(program, &status) && status.st_mode & (S_ISUID | S_ISGID) && geteuid())
		return unusable(program, "set-user-ID programs are not given a library");
	switch (elf_needs(program, needs, sizeof(needs))) {
	case ELF_STATIC:
		return unusable(program, "it is linked statically: use --no-preload");
	case ELF_FOREIGN:
		return unusable(program, "it is for another kind of machine: use --no-preload");
	default:
		break;
	}
	snprintf(all, sizeof(all), "%s%s%s%s%s", needs, *needs ? " " : "", library,
		 others && *others ? " " : "", others ? others : "");
	return setenv("LD_PRELOAD", all, 1) ? unusable("LD_PRELOAD", strerror(errno)) : RUN_DONE;
}

/* No server has a node without a name, but it says so. */
static int check_server(void)
{
	const char *name = getenv(BERTH_SERVE_ENV);
	int err = berth_client_open("", O_RDONLY);
	char text[160];

	if (err == -ENOENT)
		return RUN_DONE;
	snprintf(text, sizeof(text), "%s",
		 err == -ECONNREFUSED ? "no server has this name; see berth serve"
				      : strerror(-err));
	return unusable(name ? name : "the user's own server", text);
}

static int exec_preloaded(char **argv)
{
	char program[PATH_MAX];
	int status = check_server();

	find_program(argv[0], program, sizeof(program));
	if (status == RUN_DONE)
		status = set_preload(program);
	if (status != RUN_DONE)
		return status;
	execvp(argv[0], argv);
	fprintf(stderr, "berth exec: %s: %s\n", argv[0], strerror(errno));
	return errno == ENOENT ? EXEC_MISSING : EXEC_CANNOT;
}

int exec_command(int argc, char **argv)
{
	struct launcher_options launcher = { 0 };
	bool is_preloaded = true;
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "+:", long_options, NULL)) != -1) {
		switch (option) {
		case OPT_NAME:
			launcher.server = optarg;
			break;
		case OPT_NO_PRELOAD:
			is_preloaded = false;
			break;
		case OPT_HELP:
			fputs(usage, stdout);
			return RUN_DONE;
		case ':':
			return unusable(argv[optind - 1], "an argument is missing");
		default:
			return unusable(argv[optind - 1], "cannot be used; see berth exec --help");
		}
	}
	if (optind == argc)
		return unusable("a program is missing", "see berth exec --help");
	if (launcher.server && (!*launcher.server || strlen(launcher.server) > 100))
		return unusable("--name", "1 to 100 characters");
	if (launcher.server && setenv(BERTH_SERVE_ENV, launcher.server, 1))
		return unusable("--name", strerror(errno));
	return is_preloaded ? exec_preloaded(argv + optind)
			    : launcher_run(&launcher, argv + optind);
}
