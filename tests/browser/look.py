"""Looks at a report in a headless browser. Arguments: page, browser program (or nothing), folder for screenshots (or nothing)."""

import base64
import pathlib
import re
import sys

from playwright.sync_api import sync_playwright

page_path, browser_path, shots = (sys.argv[1:] + ["", ""])[:3]
faults = []


def check(condition, what):
    if not condition:
        faults.append(what)


def contrast(a, b):
    """Ratio of two CSS colours (WCAG 2)."""

    def luminance(colour):
        channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted([luminance(a), luminance(b)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


# Every text of every chart: its place in the chart, its colour, and what it says.
TEXTS = """() => [...document.querySelectorAll('.chart svg')].map((svg) => {
  const frame = svg.getBoundingClientRect();
  const paper = getComputedStyle(svg.querySelector('rect')).fill;
  const texts = [...svg.querySelectorAll('text')].map((text) => {
    const box = text.getBoundingClientRect();
    return { says: text.textContent.trim(), fill: getComputedStyle(text).fill, turned: text.hasAttribute('transform'),
      left: box.left - frame.left, top: box.top - frame.top, right: box.right - frame.left, bottom: box.bottom - frame.top };
  });
  return { name: svg.querySelector('title').textContent, width: frame.width, height: frame.height, paper, texts };
})"""


def look(page, theme):
    charts = page.evaluate(TEXTS)
    check(charts, "there is no chart")
    for chart in charts:
        name = f"{theme}: {chart['name']}"
        check(chart["width"] > 300 and chart["height"] > 100, f"{name}: not visible")
        for text in chart["texts"]:
            if not text["says"]:
                continue
            inside = text["left"] >= -1 and text["top"] >= -1 and text["right"] <= chart["width"] + 1 and text["bottom"] <= chart["height"] + 1
            check(inside, f"{name}: cut off: {text['says']!r}")
        # Text lines are higher than their letters: boxes may touch, not lie on each other.
        texts = [text for text in chart["texts"] if text["says"]]
        for index, a in enumerate(texts):
            for b in texts[index + 1 :]:
                across = min(a["right"], b["right"]) - max(a["left"], b["left"])
                down = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
                height = min(a["bottom"] - a["top"], b["bottom"] - b["top"])
                check(not (across > 2 and down > 0.45 * height), f"{name}: {a['says']!r} lies on {b['says']!r}")
        for text in texts:
            # Labels in bars stand on the bar, not on the paper.
            on_mark = text["fill"] in ("rgb(254, 254, 254)",)
            check(on_mark or contrast(text["fill"], chart["paper"]) >= 3.0, f"{name}: hard to read: {text['says']!r} {text['fill']} on {chart['paper']}")
    return len(charts)


# Every box that scrolls: whether all of it can be reached, whether its first column stays, and what the button above it covers.
BOXES = """() => { document.querySelectorAll('details').forEach((one) => { one.open = true; });
  const box = (element) => { const { left, top, right, bottom } = element.getBoundingClientRect(); return { left, top, right, bottom }; };
  return [...document.querySelectorAll('.table, .chart')].map((one) => {
    const scrolls = one.scrollWidth > one.clientWidth + 1;
    const mode = getComputedStyle(one).overflowX;
    one.scrollLeft = 1e6;
    const last = one.querySelector('tbody tr:first-child > :last-child') || one.querySelector('svg');
    const end = box(last).right <= one.getBoundingClientRect().right + 1;
    const first = one.querySelector('tbody tr:first-child > :first-child');
    const stays = !first || Math.abs(box(first).left - one.getBoundingClientRect().left) < 2;
    const button = one.parentElement.querySelector('.copy');
    const text = one.parentElement.querySelector('.about p');
    const result = { kind: one.className, says: (text || one).textContent.slice(0, 60), scrolls, mode, end, stays,
      frame: box(one), button: button && box(button), text: text && box(text) };
    one.scrollLeft = 0;
    return result;
  }); }"""


def apart(a, b):
    return a["right"] <= b["left"] + 1 or b["right"] <= a["left"] + 1 or a["bottom"] <= b["top"] + 1 or b["bottom"] <= a["top"] + 1


def layout(page, theme):
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    check(wide <= 0, f"{theme}: the page is {wide} px too wide")
    for box in page.evaluate(BOXES):
        name = f"{theme}: {box['kind']} {box['says']!r}"
        check(not box["scrolls"] or box["mode"] == "auto", f"{name}: is cut and does not scroll")
        check(box["end"], f"{name}: its end cannot be reached")
        check(box["stays"], f"{name}: its first column scrolls away")
        if box["button"]:
            check(apart(box["button"], box["frame"]), f"{name}: the button covers the table")
            check(not box["text"] or apart(box["button"], box["text"]), f"{name}: the button covers the caption")


with sync_playwright() as playwright:
    options = {"args": ["--no-sandbox"]}
    if browser_path:
        options["executable_path"] = browser_path
    browser = playwright.chromium.launch(**options)
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light", permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.on("console", lambda message: check(message.type not in ("error", "warning"), f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.on("request", lambda request: check(request.url.startswith(("file:", "data:")), f"loads {request.url}"))
    page.goto(pathlib.Path(page_path).as_uri())
    page.wait_for_load_state("load")

    charts = look(page, "light")
    check(page.evaluate("document.fonts.check('16px Inter')"), "the embedded font is not used")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")

    # Every number column of every table sorts, up and down; what is folded away, too.
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    tables = page.locator(".box")
    for index in range(tables.count()):
        table = tables.nth(index)
        rows = table.locator("tbody tr").count()
        heads = table.locator("thead th")
        for column in range(heads.count()):
            head = heads.nth(column)
            head.locator("button").click()
            check(head.get_attribute("aria-sort") == "ascending", f"table {index}, column {column}: not sorted")
            cells = table.locator(f"tbody tr > :nth-child({column + 1})").all_text_contents()
            check(len(cells) == rows, f"table {index}: rows were lost")
            if "number" in (head.get_attribute("class") or ""):
                plain = [cell.rstrip(" %").replace(",", "").replace("−", "-") for cell in cells]
                if all(re.fullmatch(r"-?\d+(\.\d+)?", cell) for cell in plain):
                    numbers = [float(cell) for cell in plain]
                    check(numbers == sorted(numbers), f"table {index}, column {column}: {numbers}")
        if heads.count():
            heads.nth(0).locator("button").click()

    # Copying gives the table as tab-separated values.
    page.evaluate("scrollTo(0, 0)")
    tables.nth(0).locator(".copy").click()
    # The page's policy forbids what `wait_for_function` does.
    page.locator("#said:not(:empty)").wait_for(timeout=5_000)
    check("Copied" in page.locator("#said").text_content(), "copying failed")
    copied = page.evaluate("navigator.clipboard.readText()")
    lines = copied.rstrip("\n").split("\n")
    check(len(lines) == 1 + tables.nth(0).locator("tbody tr").count(), "the copy has other rows")
    check(len({line.count("\t") for line in lines}) == 1, "the copy is not rectangular")

    # The data of a chart is in its link.
    link = page.locator("a.data").nth(0)
    text = base64.b64decode(link.get_attribute("href").split(",", 1)[1]).decode()
    check("," in text.split("\n")[0] and text.count("\n") > 1, "the data link holds no table")
    check(page.locator("a.data").count() == charts, "a chart has no data link")

    # The button turns the page over; a dark system needs no button.
    page.locator("#theme").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    check(contrast(light, dark) > 10, f"the theme does not change: {light}, {dark}")
    look(page, "dark by button")
    context.close()

    # Both widths in both themes of the system.
    for width in (1280, 390):
        for theme in ("light", "dark"):
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
            page = context.new_page()
            page.goto(pathlib.Path(page_path).as_uri())
            own = page.evaluate("getComputedStyle(document.body).backgroundColor")
            check(own == (dark if theme == "dark" else light), f"a {theme} system gets {own}")
            look(page, f"{theme}, {width} px")
            layout(page, f"{theme}, {width} px")
            if shots:
                page.screenshot(path=f"{shots}/{theme}-{width}.png", full_page=True)
            context.close()
    browser.close()

for fault in faults:
    print(f"FAULT: {fault}", file=sys.stderr)
print(f"{charts} charts, {len(faults)} faults")
sys.exit(1 if faults else 0)
