#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# From the results of test/bench/run.sh to its table, results.json and results.svg. Sourced.

: "${figures:?}" "${rounds:?}" "${seconds:?}"

# evaluate RESULTS FORMAT: one line for each figure that was measured. FORMAT is table, json or chart.
evaluate() {
  awk -v format="$2" '
    function sorted(list, n,   i, j, t) {
      for (i = 2; i <= n; i++) {
        for (j = i; j > 1 && list[j - 1] > list[j]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
      }
    }
    function median(list, n) {
      sorted(list, n)
      return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
    }
    function reaches(ratio, limit, better) {
      return better == "more" ? ratio >= limit + 0 : ratio <= limit + 0
    }
    function number(value) {
      return value == "" ? "null" : value + 0
    }
    function print_table(   verdict) {
      verdict = asked == "" ? "" : sprintf("%s %s, aim %s: %s", better == "more" ? "at least" : "at most", asked, aim,
        !reaches(middle, asked, better) ? "MISSED" : reaches(middle, aim, better) ? "met, and the aim" : "met")
      printf "%-37s %-12s %11.0f  %-9s %11s  %7.2f  %7.2f..%-7.2f  %s\n", text, ours, our, peer == "-" ? "" : peer,
        peer == "-" ? "" : sprintf("%.0f", theirs), middle, ratio[1], ratio[n], verdict
    }
    function print_json() {
      printf "%s    {\"figure\": \"%s\", \"text\": \"%s\", \"ours\": \"%s\", \"peer\": %s, \"better\": \"%s\",\n", separator,
        name, text, ours, peer == "-" ? "null" : "\"" peer "\"", better
      printf "     \"ours_median\": %.6g, \"peer_median\": %s, \"ratio\": %.4f, \"min\": %.4f, \"max\": %.4f,\n", our,
        peer == "-" ? "null" : sprintf("%.6g", theirs), middle, ratio[1], ratio[n]
      printf "     \"asked\": %s, \"aim\": %s, \"met\": %s}", number(asked), number(aim),
        asked == "" ? "null" : reaches(middle, asked, better) ? "true" : "false"
      separator = ",\n"
    }
    # How many times better: less instructions are, too.
    function print_chart(   inverse) {
      if (peer == "-" || !middle || !ratio[1]) return
      inverse = better == "less"
      printf "\"%s\\nto %s\"\t%.4f\t%.4f\t%.4f\t%s\n", text (ours ~ /uring/ ? ", io_uring" : ""), peer,
        inverse ? 1 / middle : middle, inverse ? 1 / ratio[n] : ratio[1], inverse ? 1 / ratio[1] : ratio[n],
        asked == "" ? "NaN" : inverse ? 1 / asked : asked
    }
    NR == FNR {
      value[$1, $3, $2] = $4
      if ($2 > rounds) rounds = $2
      next
    }
    FNR == 1 { FS = "|"; $0 = $0 }
    NF == 7 {
      name = $1; text = $2; ours = $3; peer = $4; better = $5; asked = $6; aim = $7
      n = 0
      for (r = 1; r <= rounds; r++) {
        if (!((name, ours, r) in value) || (peer != "-" && !((name, peer, r) in value))) continue
        n++
        a[n] = value[name, ours, r]
        b[n] = peer == "-" ? 1 : value[name, peer, r]
        ratio[n] = a[n] / b[n]
      }
      if (!n) next
      our = median(a, n); theirs = median(b, n); middle = median(ratio, n)
      if (format == "table") print_table()
      if (format == "json") print_json()
      if (format == "chart") print_chart()
    }' "$1" <(echo "$figures")
}

print_json() {
  printf '{"rounds": %d, "seconds": %d, "machine": "%s, %d CPUs, Linux %s", "figures": [\n' "$rounds" "$seconds" \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)"
  evaluate "$1" json
  printf '\n]}\n'
}

draw() {
  gnuplot <<END
set terminal svg size 1200,700 font "sans,12" background "white"
set output "$2"
set title "How many times faster (for instructions: fewer): median of $rounds rounds, least and most"
set style fill solid 0.6
set boxwidth 0.7
set logscale y 2
set grid ytics
set key top right
set xtics rotate by 45 right noenhanced
set bmargin 14
set lmargin 14
set yrange [0.25:*]
set xrange [-0.6:*]
set datafile separator "\t"
plot "$1" using 0:2:xtic(1) with boxes notitle linecolor "#4a7ebb", \
  "" using 0:2:3:4 with yerrorbars notitle linecolor "black" pointtype 0, \
  "" using 0:5 with points title "asked for" pointtype 5 pointsize 0.8 linecolor "#cc4125", \
  1 with lines title "the peer" linecolor "black" dashtype 2
END
}

# report RESULTS FOLDER
report() {
  echo
  echo "4 KiB reads a second, instructions a read, requests of fio a second: medians of $rounds rounds of $seconds s"
  printf '%-37s %-12s %11s  %-9s %11s  %7s  %7s..%-7s  %s\n' "" ours "" peer "" ratio min max asked
  evaluate "$1" table
  print_json "$1" >"$2/results.json" && evaluate "$1" chart >"$2/chart.tsv" || return
  if [[ -s $2/chart.tsv ]]; then
    draw "$2/chart.tsv" "$2/results.svg" || return
    echo "Also in $2/results.json and $2/results.svg"
  fi
}
