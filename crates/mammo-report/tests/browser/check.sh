#!/usr/bin/env bash
# Looks at a written report in headless Chromium: every number equal to report.json, every point
# of every figure where its axes say, nothing on top of anything else at phone, tablet and laptop
# width and at 400 %, nothing loaded from elsewhere, no console message, heat maps on their
# switches, keyboard and screen reader, dark and print. Needs chromium and python3 (Debian: apt-get
# install chromium python3); not part of the default tests.
#
#   check.sh REPORT_FOLDER [FOLDER_FOR_SCREENSHOTS]
set -euo pipefail
report=$(realpath "$1")/report.html
shots=${2:-}
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
browser=$(command -v chromium || command -v google-chrome) || {
    echo "missing: chromium" >&2
    exit 1
}

look() {
    timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars \
        --user-data-dir="$work/profile" --enable-logging=stderr "$@" 2>>"$work/log"
}

for motion in "" --force-prefers-reduced-motion; do
    look --allow-file-access-from-files --virtual-time-budget=20000 --window-size=1400,1000 $motion \
        --dump-dom "file://$here/check.html#file://$report" >>"$work/dom"
done
sed -n 's/.*<pre id="result">\(CHECKED\)/\1/p; /^PROBLEM/p' "$work/dom" | sed 's/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g'

python3 "$here/keyboard.py" "$browser" "$report" "$work/keyboard" >"$work/keys" || true
grep -q '^KEYBOARD' "$work/keys" || echo "PROBLEM keyboard: the check did not run" >>"$work/keys"
tee -a "$work/dom" <"$work/keys"

# The page as a reader opens it, in both schemes.
for scheme in 0 1; do
    look --blink-settings=preferredColorScheme=$scheme --window-size=1280,900 --dump-dom "file://$report" >"$work/page$scheme"
done
look --no-pdf-header-footer --print-to-pdf="$work/report.pdf" "file://$report"
[ -s "$work/report.pdf" ] || echo "PROBLEM print: no PDF" | tee -a "$work/dom"
if grep 'CONSOLE' "$work/log" >"$work/console"; then
    sed 's/^/PROBLEM console: /' "$work/console" | tee -a "$work/dom"
fi

if [ -n "$shots" ]; then
    mkdir -p "$shots"
    cp "$work/report.pdf" "$shots/print.pdf"
    shot() { look --window-size="$2" --screenshot="$shots/$1.png" "${@:3}" "file://$report"; }
    shot laptop 1280,4600
    shot dark 1280,4600 --blink-settings=preferredColorScheme=0
    # Chromium's window is at least 500 px wide; a frame shows what a phone does.
    for size in phone:390 zoomed:320; do
        printf '<body style="margin:0"><iframe style="width:%spx;height:9000px;border:0" src="file://%s"></iframe>' \
            "${size#*:}" "$report" >"$work/frame.html"
        look --window-size=500,9000 --screenshot="$shots/${size%:*}.png" "file://$work/frame.html"
    done
fi

grep -q '<pre id="result">CHECKED' "$work/dom" || { echo "PROBLEM the check did not run" && exit 1; }
if grep -q '^PROBLEM' "$work/dom"; then exit 1; fi
echo "report looks right"
