"""What a reader sees of --report=FILE.html, in a real browser.

Usage: page_test.py <xmmu> <recorded trace> [<folder for screenshots>]

Each page is opened in headless Chromium: it complains of nothing and asks for
nothing; each chart is drawn; a click on a legend hides a series; a button shows
shares; what it saves is what the program prints; without scripts its tables are
there. Skipped (77) where there is no browser.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from browser import Browser

FORK = ["compare", "--workload=fork:pages=50", "--machine=xeon-2003",
        "--levels=3"]
# By the name of the page: the command, and how many charts there must be.
PAGES = {
    "compare": (FORK + ["--policies=all"], 4),
    "intervals": (FORK + ["--policies=all+variants", "--guest-ops=all",
                          "--interval=40"], 5),
    "sensitivity": (FORK + ["--policies=all", "--sensitivity",
                            "--samples=20"], 5),
    "tasks": (["compare", "--workload=threads:pages=8,shared=4,rounds=2",
               "--policies=native,pinning,xi-shadow", "--vcpus=2",
               "--per=task"], 5),
    "vcpus": (["compare", "--workload=threads:pages=8,shared=4,rounds=2",
               "--policies=native,pinning,xi-shadow", "--vcpus=2",
               "--per=vcpu"], 5),
    "crossover": (["crossover", "--machine=xeon-2003", "--levels=3"], 1),
    "crossings": (["crossover", "--machine=xeon-2003", "--levels=3",
                   "--sensitivity", "--samples=20"], 2),
    "batches": (["crossover", "--machine=xeon-2003", "--levels=3", "TRACE"], 1),
    "shadows": (["shadows", "--machine=xeon-2003", "--levels=3",
                 "--workloads=fork:pages=50"], 4),
    "explain": (["explain", "write-fault", "--machine=xeon-2003", "--levels=3",
                 "--policies=pinning,xi-shadow,nested-paging"], 3),
    "claims": (["shadows", "--machine=xeon-2003", "--levels=3",
                "--workloads=fork:pages=50", "--vcpus=1", "--sensitivity",
                "--samples=20"], 3),
    "list": (["list"], 0),
    "counters": (["list", "counters"], 0),
    "prices": (["list", "prices", "--machine=xeon-2003"], 0),
    "cite": (["cite", "--machine=xeon-2003"], 0),
    "grid": (["grid", "--machine=xeon-2003"], None),
    "published": (["published", "--table=vmexit"], 1),
    "info": (["trace", "info", "TRACE"], 0),
    "reach": (["trace", "reach", "TRACE"], 1),
}
# By the name of the page: words that stand on it.
WORDS = {
    "tasks": ["cycles and events of each task", "thread "],
    "crossover": ["machine file of xeon-2003"],
    "claims": ["machine file of xeon-2003"],
    "list": ["trap-and-emulate", "policies (--policies"],
    "counters": ["page_walks"],
    "prices": ["cost.mov_cr3", "SOSP'03", "machine file"],
    "cite": ["@inproceedings{barham2003xen"],
}
CHARTS = """[...document.querySelectorAll('figure canvas')].map((canvas) => {
  const chart = Chart.getChart(canvas);
  const pixels = canvas.getContext('2d').getImageData(
      0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i + 3] > 0) colours.add(pixels[i] << 16 | pixels[i + 1] << 8 |
                                       pixels[i + 2]);
  }
  return {series: chart.data.datasets.length, colours: colours.size,
          elements: chart.data.datasets.map(
              (set, i) => chart.getDatasetMeta(i).data.length)};
})"""
LEGEND = """(() => {
  const canvas = document.querySelector('figure canvas');
  canvas.scrollIntoView();
  const chart = Chart.getChart(canvas);
  const box = chart.legend.legendHitBoxes[0];
  const place = canvas.getBoundingClientRect();
  return {x: place.left + box.left + box.width / 2,
          y: place.top + box.top + box.height / 2};
})()"""
# Clicks and media queries are answered in the next frame.
LATER = """new Promise((done) => requestAnimationFrame(
    () => requestAnimationFrame(() => done(%s))))"""
SHOWN = LATER % ("Chart.getChart(document.querySelector('figure canvas'))"
                 ".isDatasetVisible(0)")
WHOLE = """(() => {
  const chart = Chart.getChart(document.querySelector('figure canvas'));
  const sets = chart.data.datasets;
  return sets[0].data.map((_, i) => sets.reduce((sum, s) => sum + s.data[i], 0));
})()"""
# A step that is folded: where to click, and whether what it holds is seen.
FOLDED = """(() => {
  const step = document.querySelector('.outline details:not([open])');
  step.id = 'folded';
  step.scrollIntoView();
  const place = step.querySelector('summary').getBoundingClientRect();
  return {x: place.left + 30, y: place.top + place.height / 2,
          seen: step.children[1].checkVisibility()};
})()"""
UNFOLDED = "document.querySelector('#folded').children[1].checkVisibility()"
SAVED = """new Promise((done) => {
  const make = URL.createObjectURL;
  URL.createObjectURL = (blob) => {
    blob.text().then(done);
    URL.createObjectURL = make;
    return make.call(URL, blob);
  };
  document.querySelector('button[data-file=%s]').click();
})"""


class Failure(Exception):
    """Something that a reader would notice."""


def expect(truth, what):
    if not truth:
        raise Failure(what)


def run(program, words):
    return subprocess.run([program] + words, check=True, capture_output=True,
                          text=True).stdout


def check_charts(browser, count):
    """Each chart is drawn, with colours of its series."""
    charts = browser.value(CHARTS)
    if count is not None:
        expect(len(charts) == count, "%d charts, not %d" % (len(charts), count))
    for chart in charts:
        expect(chart["series"] > 0 and sum(chart["elements"]) > 0,
               "an empty chart: %s" % chart)
        expect(chart["colours"] > min(chart["series"], 8),
               "a chart of few colours: %s" % chart)
    return len(charts)


def check_legend(browser):
    """A click on a word of the legend hides its series, another shows it."""
    for shown in (False, True):
        place = browser.value(LEGEND)
        browser.click(place["x"], place["y"])
        expect(browser.value(SHOWN) == shown, "the legend does not click")


def check_shares(browser):
    """The button makes every bar one of 100 percent."""
    browser.value("document.querySelector('figure button').click()")
    for whole in browser.value(WHOLE):
        expect(abs(whole - 100) < 1e-6, "shares add up to %s" % whole)
    browser.value("document.querySelector('figure button').click()")
    expect(max(browser.value(WHOLE)) > 100, "no way back from shares")


def check_saved(browser, program, words):
    """What is saved is what the program prints."""
    saved = json.loads(browser.value(SAVED % "json"))
    printed = json.loads(run(program, words + ["--format=json"]))
    for report in (saved, printed):
        if isinstance(report, dict):
            report.pop("command_line", None)  # its --format differs
    expect(saved == printed, "the JSON saved is another")
    printed = run(program, words + ["--format=csv"])
    saved = browser.value(SAVED % "csv").replace("\r\n", "\n")
    drop = lambda text: re.sub(r" --format=csv", "", text)
    expect(saved == drop(printed), "the CSV saved is another")


def check_without_scripts(browser, path):
    """The tables need no scripts, and nothing that does is shown."""
    browser.scripts(False)
    browser.open(path)
    browser.scripts(True)
    expect(browser.value("document.querySelectorAll('table').length") > 1 and
           "pinning" in browser.value("document.body.innerText"),
           "no tables without scripts")
    expect(browser.value("getComputedStyle(document.querySelector('#charts'))"
                         ".display") == "none", "charts without scripts")


def check_steps(browser, program, words, path):
    """Steps unfold by a click, also without scripts, and are all there."""
    browser.scripts(False)
    browser.open(path)
    browser.scripts(True)
    steps = browser.value("document.querySelectorAll('.outline .row').length")
    stories = json.loads(run(program, words + ["--format=json"]))["stories"]
    count = lambda steps: sum(1 + count(s.get("steps", [])) for s in steps)
    told = sum(1 + count(story["steps"]) for story in stories)
    expect(steps == told, "%d rows of steps, not %d" % (steps, told))
    folded = browser.value(FOLDED)
    expect(not folded["seen"], "a folded step is seen")
    browser.click(folded["x"], folded["y"])
    expect(browser.value(LATER % UNFOLDED), "a click unfolds no step")
    at = browser.value("[...document.querySelectorAll('.outline .row')].filter("
                       "(row) => row.checkVisibility()).map("
                       "(row) => Math.round(row.lastElementChild"
                       ".getBoundingClientRect().right))")
    expect(len(set(at)) == 1, "columns are at %s" % sorted(set(at)))


def check_dark(browser, path):
    """A dark page has light ink, in its charts, too."""
    browser.emulate(prefers_color_scheme="dark")
    browser.open(path)
    ink = browser.value("Chart.defaults.color")
    paper = browser.value("getComputedStyle(document.body).backgroundColor")
    expect(ink == "#e8e8e8" and paper == "rgb(22, 24, 28)",
           "dark: %s on %s" % (ink, paper))
    browser.emulate(prefers_color_scheme="light")
    expect(browser.value(LATER % "Chart.defaults.color") == "#1b1b1b",
           "the charts stay dark")


def check_page(browser, program, name, folder, trace):
    words, charts = PAGES[name]
    words = [trace if word == "TRACE" else word for word in words]
    path = folder / (name + ".html")
    run(program, words + ["--report=%s" % path])
    expect("http-equiv=\"Content-Security-Policy\"" in path.read_text(),
           "no policy")
    browser.open(path)
    drawn = check_charts(browser, charts)
    shown = browser.value("document.body.textContent")
    for text in WORDS.get(name, []):
        expect(text in shown, "it does not say %r" % text)
    if name == "compare":
        check_legend(browser)
        check_shares(browser)
        check_saved(browser, program, words)
        check_dark(browser, path)
        check_without_scripts(browser, path)
        expect(len(browser.call("Page.printToPDF")["data"]) > 10000, "no print")
        browser.open(path)
    if name == "explain":
        check_steps(browser, program, words, path)
        browser.open(path)
    wide = browser.value("document.documentElement.scrollWidth <= innerWidth")
    expect(wide, "the page is wider than its window")
    expect(not browser.complaints, "; ".join(browser.complaints))
    return drawn


def main():
    browser_program = shutil.which("chromium-headless-shell")
    if browser_program is None:
        print("skipped: there is no chromium-headless-shell")
        return 77
    program, trace = sys.argv[1:3]
    failed = False
    with tempfile.TemporaryDirectory() as folder, \
            Browser(browser_program) as browser:
        keep = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
        for name in PAGES:
            try:
                drawn = check_page(browser, program, name,
                                   pathlib.Path(folder), trace)
                print("%s: %d charts" % (name, drawn))
            except (Failure, RuntimeError) as failure:
                print("%s: FAILED: %s" % (name, failure))
                browser.complaints.clear()
                failed = True
            if keep:
                browser.screenshot(keep / (name + ".png"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
