/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef TOOL_EXEC_H
#define TOOL_EXEC_H

/* `berth exec`. Returns only if the program was not started. */
int exec_command(int argc, char **argv);

/* `berth serve`. */
int serve_command(int argc, char **argv);

#endif
