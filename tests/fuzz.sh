#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fuzz.sh TARGET CORPUS: 20 seconds of new inputs on top of those that are kept, in a folder that goes again.
set -eu
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
[ ! -d "$2" ] || set -- "$1" "$2/"
"$1" -max_total_time=20 -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
	-artifact_prefix=./ "$new" ${2:+"$2"}
