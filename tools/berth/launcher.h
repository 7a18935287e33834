/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * berth exec --no-preload: a program, and all that it starts, finds the server's nodes under /dev and
 * their attributes under /sys, whatever it is linked with. docs/serve-no-preload.md says how.
 */
#ifndef BERTH_TOOL_LAUNCHER_H
#define BERTH_TOOL_LAUNCHER_H

/*
 * struct launcher_options - what to join
 * server: name of the server's socket; NULL: $BERTH_SERVER, or "berth-UID"
 */
struct launcher_options {
	const char *server;
};

/*
 * Run argv[0] (searched for in $PATH) with argv, which ends with NULL. The process is the program's
 * parent from then on, in a mount namespace of its own: call nothing else after it.
 *
 * Returns the program's exit status, or ends by the signal that ended the program. 2, and one line on
 * standard error, if it cannot be started so; 126 or 127 if the program cannot be executed or found.
 */
int launcher_run(const struct launcher_options *options, char **argv);

#endif
