"""Look at every page of the built site in a headless browser: ``python tests/site_in_browser.py docs/_build``.

Each page is opened at 1280 and 390 pixels, light and dark, from its file, without a server. Told are pages that scroll
sideways, texts that are cut, what axe-core finds of WCAG 2.1 at the levels A and AA (contrast among it), errors of
scripts, and requests that leave the site. Needs playwright, axe-playwright-python and a Chromium. Exits 1 if anything
was found.
"""

import argparse
import collections
import shutil
import sys
from pathlib import Path

WIDTHS, THEMES, HEIGHT = (1280, 390), ("light", "dark"), 900
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
SET_THEME = """theme => {
    document.documentElement.dataset.theme = theme;
    document.documentElement.dataset.mode = theme;
}"""
# The width that the page scrolls over, and what reaches beyond the window and is in no box that scrolls.
OVERFLOW = """() => {
    const width = document.documentElement.clientWidth, found = [];
    if (document.documentElement.scrollWidth <= width) return found;
    for (const one of document.querySelectorAll("body *")) {
        if (one.getBoundingClientRect().right > width + 1) found.push(one.outerHTML.slice(0, 80));
    }
    return found.slice(-3);
}"""

# Texts that are cut at the edge of the page, which does not scroll: words that are longer than a line.
CUT = """() => [...document.querySelectorAll(".bd-article :is(h1, h2, h3, p, li, dt, dd)")]
    .filter(one => one.scrollWidth > one.clientWidth + 1)
    .filter(one => !one.closest("table, pre") && !one.querySelector("table, pre"))
    .map(one => one.outerHTML.slice(0, 80)).slice(-3)"""


def pages(site):
    """Return the pages of a built site, without those that only lead to another."""
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


def findings(page, axe):
    """Return what is wrong with the page that is open, as lines."""
    found = [f"scrolls sideways: {element}" for element in page.evaluate(OVERFLOW)]
    found += [f"a text is cut: {element}" for element in page.evaluate(CUT)]
    page.evaluate(axe)
    for rule in page.evaluate("rules => axe.run(document, rules)", RULES)["violations"]:
        where = rule["nodes"][0]
        found.append(f"{rule['id']} ({len(rule['nodes'])}): {where['html'][:160]} {where['failureSummary'][:200]!r}")
    return found


def look(site, shots, names, browser, axe):
    """Return lines on all pages; save a picture of each in the folder `shots`, if there is one."""
    lines = collections.Counter()
    for width in WIDTHS:
        page = browser.new_page(viewport={"width": width, "height": HEIGHT})
        page.on("pageerror", lambda error: lines.update([f"error of a script: {error}"]))
        page.on("request", lambda request: request.url.startswith("http") and lines.update([f"asks for {request.url}"]))
        for path in pages(site):
            name = path.relative_to(site).as_posix()
            if names and not any(part in name for part in names):
                continue
            page.goto(path.resolve().as_uri())
            for theme in THEMES:
                page.evaluate(SET_THEME, theme)
                page.wait_for_timeout(150)  # colours change over a moment
                lines.update(f"{name} at {width} pixels, {theme}: {line}" for line in findings(page, axe))
                if shots:
                    target = shots / f"{name.removesuffix('.html').replace('/', '--')}-{width}-{theme}.png"
                    page.screenshot(path=target, full_page=True)
        page.close()
    return sorted(lines)


def main(arguments=None):
    """Look at the pages; print what was found."""
    import axe_playwright_python
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("site", type=Path, help="the folder that Sphinx wrote")
    parser.add_argument("names", nargs="*", help="only pages with one of these in their name")
    parser.add_argument("--shots", type=Path, help="a folder for a picture of each page")
    options = parser.parse_args(arguments)
    if not (options.site / "index.html").exists():
        parser.error(f"{options.site} has no index.html; build the site first: python -m sphinx docs {options.site}")
    axe = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        lines = look(options.site, options.shots, options.names, browser, axe)
        browser.close()
    print("\n".join(lines))
    print(f"{len(lines)} findings on {len(pages(options.site))} pages")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
