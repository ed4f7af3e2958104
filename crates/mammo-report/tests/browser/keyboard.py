#!/usr/bin/env python3
"""Goes through a written report with the keyboard and reads what a screen reader is given.

Drives headless Chromium by its debugging protocol over a pipe, with Python's standard library
alone. Every control must be reached by Tab in the order of the page, show where the focus is and
not lie under the bar of sections; Space must toggle every switch; Enter must follow the skip link;
every control, picture, table, region and figure of the accessibility tree must have a name, no two
switches the same one. Run by check.sh.

    keyboard.py BROWSER REPORT_PAGE PROFILE_FOLDER
"""

import json
import os
import subprocess
import sys

FOCUSED = """(() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const [r, style] = [e.getBoundingClientRect(), getComputedStyle(e)];
  const middle = (low, high, end) => (Math.max(low, 0) + Math.min(high, end)) / 2;
  const top = document.elementFromPoint(middle(r.left, r.right, innerWidth), middle(r.top, r.bottom, innerHeight));
  const all = [...document.querySelectorAll('a[href],button,input,summary,[tabindex]')].filter((c) => c.checkVisibility());
  return {
    index: all.indexOf(e), name: (e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent).trim().slice(0, 50),
    ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    seen: r.bottom > 0 && r.top < innerHeight && r.right > 0 && r.left < innerWidth,
    covered: !!top && !e.contains(top) && !top.contains(e),
    checkbox: e.type === 'checkbox', checked: !!e.checked, all: all.length,
  };
})()"""

# Roles that say nothing without a name.
NAMED = {
    "button", "checkbox", "DisclosureTriangle", "figure", "image", "img", "link", "navigation",
    "region", "table", "heading", "columnheader", "rowheader",
}
KEYS = {"Tab": 9, "Enter": 13, " ": 32}


class Browser:
    """A page in a browser, commanded over its pipe."""

    def __init__(self, browser, page, profile):
        to_read, self.to = os.pipe()
        self.back, to_write = os.pipe()

        def on_3_and_4():
            # Both ends may stand on 3 or 4 themselves, so they first move away.
            reading, writing = os.dup(to_read), os.dup(to_write)
            os.dup2(reading, 3)
            os.dup2(writing, 4)

        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--window-size=1280,900", f"--user-data-dir={profile}", "--remote-debugging-pipe"]
        self.process = subprocess.Popen([browser, *flags, "about:blank"], preexec_fn=on_3_and_4, close_fds=False,
                                        stderr=subprocess.DEVNULL)
        self.number, self.rest, self.session = 0, b"", None
        target = self.call("Target.createTarget", url=f"file://{page}")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Accessibility.enable")
        # Without motion the page is where it goes to at once.
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
        while self.value("document.readyState") != "complete":
            pass

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                self.rest += os.read(self.back, 1 << 20) or sys.exit("PROBLEM keyboard: the browser ended")
            answer, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(answer)
            if answer.get("id") == self.number:
                return answer["result"]

    def value(self, expression):
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def press(self, key):
        code = {" ": "Space"}.get(key, key)
        more = {"key": key, "code": code, "windowsVirtualKeyCode": KEYS[key]}
        text = {" ": " ", "Enter": "\r"}.get(key)
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **more, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **more)


def tab_through(page, say):
    """Tabs from the top of the page to its end; returns how many stops and switches there were."""
    page.press("Tab")
    if "Skip" not in (page.value(FOCUSED) or {}).get("name", ""):
        say("the first stop is not the skip link")
    page.press("Enter")
    if page.value("location.hash") != "#main":
        say("Enter does not follow the skip link")
    page.value("location.hash = ''; document.activeElement.blur(); window.getSelection().removeAllRanges(); scrollTo(0, 0)")
    page.value("document.querySelector('.skip').focus()")
    stops, switches, before = 0, 0, -1
    while (here := page.value(FOCUSED)) and here["index"] > before:
        if here["index"] != before + 1:
            say(f"'{here['name']}' comes after stop {before}, expected {here['index'] - 1}")
        for ok, what in ((here["ring"], "does not show the focus"), (here["seen"], "has the focus out of sight"),
                         (not here["covered"], "has the focus under something else")):
            if not ok:
                say(f"'{here['name']}' {what}")
        if here["checkbox"]:
            page.press(" ")
            if page.value(FOCUSED)["checked"] == here["checked"]:
                say(f"Space does not toggle '{here['name']}'")
            page.press(" ")
            switches += 1
        before, stops, total = here["index"], stops + 1, here["all"]
        page.press("Tab")
    if stops != total:
        say(f"Tab reaches {stops} of {total} controls")
    return stops, switches


def read_tree(page, say):
    """Looks for nameless things in the accessibility tree; returns how many have names."""
    names, switches = 0, []
    landmarks = {"banner", "navigation", "main", "contentinfo"}
    for node in page.call("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value")
        if node.get("ignored"):
            continue
        landmarks.discard(role)
        name = node.get("name", {}).get("value", "").strip()
        if role in NAMED:
            names += 1
            if not name:
                say(f"a {role} without a name")
        if role == "checkbox":
            switches.append(name)
        if role in ("image", "img") and len(name) < 8:
            say(f"the picture '{name}' is not described")
    for missing in landmarks:
        say(f"no landmark {missing}")
    if len(set(switches)) != len(switches):
        say("two switches have the same name")
    return names


def main():
    browser, report, profile = sys.argv[1:]
    problems = []
    page = Browser(browser, report, profile)
    try:
        stops, switches = tab_through(page, problems.append)
        names = read_tree(page, problems.append)
    finally:
        page.process.terminate()
        page.process.wait()
    print(f"KEYBOARD {stops} stops, {switches} switches, {names} named things for a screen reader")
    for problem in problems:
        print(f"PROBLEM keyboard: {problem}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
