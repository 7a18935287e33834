/* SPDX-License-Identifier: BSD-2-Clause */
/* A program outside the project: tests/checks/install.py builds it against what is installed. */
#include <stdio.h>

#include <berth/berth.h>

int main(void)
{
	puts(berth_version());
	return 0;
}
