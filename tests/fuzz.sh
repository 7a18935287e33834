#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fuzz.sh TARGET CORPUS SECONDS OPTION...: so long of new inputs on top of those that are kept, in a folder that goes again.
# No longer than BERTH_FUZZ_SECONDS, if that is set.
set -eu
target=$1 corpus=$2 seconds=$3
shift 3
[ -z "${BERTH_FUZZ_SECONDS:-}" ] || [ "$BERTH_FUZZ_SECONDS" -ge "$seconds" ] || seconds=$BERTH_FUZZ_SECONDS
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
[ ! -d "$corpus" ] || set -- "$@" "$corpus/"
"$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
	-artifact_prefix=./ "$new" "$@"
