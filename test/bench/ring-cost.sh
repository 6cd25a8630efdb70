#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# ring-cost.sh [BUILD]: instructions that a chain costs in each kind of ring, counted by callgrind: the difference
# between two runs, so that what is needed once does not count.
set -euo pipefail

program=${1:-build}/test/bench/ring_cost
chains_in_batch=32

# collect FUNCTION KIND TABLES BATCHES
collect() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="$1" "$program" "$2" "$3" "$4" 2>&1 |
    sed -nE 's/.*Collected : ([0-9]+).*/\1/p'
}

per_chain() {
  local few more
  few=$(collect "$@" 20)
  more=$(collect "$@" 120)
  awk -v i="$((more - few))" -v n=$((100 * chains_in_batch)) 'BEGIN { printf "%8.1f", i / n }'
}

printf '%-16s%8s%8s%8s\n' "" add publish reap
for kind in split packed; do
  for tables in tables direct; do
    printf '%-16s' "$kind $tables"
    for function in cost_of_add cost_of_publish cost_of_reap; do
      per_chain "$function" "$kind" "$tables"
    done
    echo
  done
done
