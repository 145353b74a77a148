"""The site as it is built: nothing is missing, all links lead somewhere, and a browser needs no network for it.

The gallery's scripts are not executed, which takes minutes. FASTNN2_SITE names a folder where the whole site is built
already; the tests then look at this one.
"""

import collections
import functools
import html.parser
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

import pytest
from data import PATIENCE, extra
from pages import MADE, PACKAGE, ROOT

from fastnn2.commands.parser import build_parser

NEEDS = ("sphinx", "pydata_sphinx_theme", "numpydoc", "myst_parser", "sphinx_gallery", "sphinx_copybutton")
NEEDS += ("sphinx_design", "sphinxarg", "polars", "skops", "distributed")
MOST_BYTES = 20_000_000
# What a browser loads by itself, by tag: the attribute with the address.
LOADED = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src", "embed": "src",
    "object": "data", "link": "href", "input": "src",
}  # fmt: skip
# Links of <head> that say where a page is, and load nothing.
NOT_LOADED = {"canonical", "next", "prev", "index", "search", "author", "copyright", "alternate"}
# Pages that are made for Sphinx: they are reached, but not found.
NOT_IN_THE_INDEX = {"genindex", "search"}


class Page(html.parser.HTMLParser):
    """What the tests ask of a page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loaded, self.styles = set(), [], [], []
        self.pictures = 0
        self.without_text = []  # pictures that neither say what they show nor are beside a text that does
        self.title = self.text = ""
        self.inside, self.boxes = [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag in ("a", "div"):
            # A link, and a thumbnail of the gallery, whose link covers it.
            is_link = tag == "a" or "sphx-glr-thumbcontainer" in (found.get("class") or "").split()
            self.boxes.append((tag, is_link, [], []))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in LOADED and found.get(LOADED[tag]) and not set((found.get("rel") or "").split()) & NOT_LOADED:
            self.loaded.append(found[LOADED[tag]])
        if found.get("srcset"):
            self.loaded += [candidate.split()[0] for candidate in found["srcset"].split(",")]
        if tag == "img":
            self.pictures += 1
            if not (found.get("alt") or "").strip():
                links = [box for box in self.boxes if box[1]]
                (links[-1][3] if links else self.without_text).append(found.get("src"))
        self.styles.append(found.get("style") or "")
        if tag in ("title", "style", "script"):
            self.inside.append(tag)

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()
        if self.boxes and self.boxes[-1][0] == tag:
            _, _, texts, pictures = self.boxes.pop()
            if not "".join(texts).strip():
                self.without_text += pictures

    def handle_data(self, data):
        if self.inside[-1:] == ["title"]:
            self.title += data
        elif self.inside[-1:] == ["style"]:
            self.styles.append(data)
        elif not self.inside:
            self.text += data
            for box in self.boxes:
                box[2].append(data)


Site = collections.namedtuple("Site", "folder printed pages")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built site, what Sphinx printed (None if it was built before), and path -> Page."""
    if built := os.environ.get("FASTNN2_SITE"):
        return as_site(pathlib.Path(built).resolve(), None)
    for module in NEEDS:
        extra(module, "docs")
    # Sphinx writes beside the sources, so it gets a copy.
    copy = tmp_path_factory.mktemp("site")
    for name in ("docs", "bench", "fastnn2", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns(*MADE, "__pycache__", "libraries"))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    paths = os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])
    command = "-m sphinx -W --keep-going -n -q -D plot_gallery=0 docs built"
    done = subprocess.run(
        [sys.executable, *command.split()], cwd=copy, env=os.environ | {"PYTHONPATH": paths}, capture_output=True,
        text=True, timeout=PATIENCE,
    )  # fmt: skip
    return as_site(copy / "built", done.stdout + done.stderr)


def as_site(folder, printed):
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.html"))]
    return Site(folder, printed, {name: Page(folder / name) for name in names if not name.startswith("_")})


def test_the_build_says_nothing(site):
    if site.printed is None:
        pytest.skip("FASTNN2_SITE was built before")
    assert site.printed == ""


def test_pages_are_found(site):
    """The tests below would pass on nothing."""
    for name in ("index", "guide/index", "auto_gallery/index", "how-it-works/index", "benchmarks/index", "api/index"):
        assert f"{name}.html" in site.pages
    assert any(page.pictures for page in site.pages.values())


def test_links_and_anchors_lead_somewhere(site):
    wrong = []
    for name, page in site.pages.items():
        for target in [*page.links, *page.loaded]:
            parts = urllib.parse.urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = pathlib.PurePosixPath(name).parent / urllib.parse.unquote(parts.path) if parts.path else name
            path = (site.folder / file).resolve()
            if path.is_dir():
                path /= "index.html"
            inside = path.is_relative_to(site.folder.resolve()) and path.is_file()
            anchor = urllib.parse.unquote(parts.fragment)
            other = site.pages.get(path.relative_to(site.folder.resolve()).as_posix()) if inside else None
            if not inside or (anchor and other is not None and anchor not in other.ids):
                wrong.append((name, target))
    assert wrong == []


def test_pictures_have_a_text(site):
    """A thumbnail needs none if the text of its link says where this leads."""
    without = [(name, picture) for name, page in site.pages.items() for picture in page.without_text]
    assert without == []


def test_nothing_is_loaded_from_elsewhere(site):
    elsewhere = re.compile(r"^(?:\w+:)?//")
    found = [
        (name, address) for name, page in site.pages.items() for address in page.loaded if elsewhere.match(address)
    ]
    styles = {name: "\n".join(page.styles) for name, page in site.pages.items()}
    sheets = [path for path in site.folder.rglob("*") if path.suffix in (".css", ".svg")]
    styles |= {str(path): path.read_text(encoding="utf-8") for path in sheets}
    for name, text in styles.items():
        addresses = re.findall(r"""(?:@import\s+(?:url\()?|url\()\s*["']?([^"')\s;]+)""", text)
        found += [(name, address) for address in addresses if elsewhere.match(address)]
    assert found == []


def test_the_site_is_small(site):
    """All that is in the folder, also what Sphinx keeps there for the next build."""
    assert sum(path.stat().st_size for path in site.folder.rglob("*")) <= MOST_BYTES
    assert list(site.folder.rglob("*.map")) == []


@functools.cache
def search_index(folder):
    """Return the index of the search, which is a script and not a request, so that it works without a server."""
    text = (folder / "searchindex.js").read_text(encoding="utf-8")
    return json.loads(re.fullmatch(r"Search\.setIndex\((.*)\);?\s*", text, re.DOTALL)[1])


def test_pages_have_titles_and_are_found_by_the_search(site):
    indexed = set(search_index(site.folder)["docnames"])
    for name, page in site.pages.items():
        assert page.title.strip(), name
        assert name.removesuffix(".html") in indexed | NOT_IN_THE_INDEX, name


def test_the_search_is_a_local_script(site):
    assert "searchindex.js" in [address.partition("?")[0] for address in site.pages["search.html"].loaded]
    index = search_index(site.folder)
    pages = {place for place in index["terms"]["checkpoint"] if isinstance(place, int)}
    assert any(index["docnames"][place].startswith("guide/") for place in pages)


def test_the_order_of_the_search_is_of_pages_that_exist(site):
    order = (ROOT / "docs" / "search_order.js").read_text(encoding="utf-8")
    patterns = [pattern.replace(r"\/", "/") for pattern in re.findall(r"^  \[/(.+)/, -?\d+\],", order, re.MULTILINE)]
    assert len(patterns) == order.count("  [/") >= 4
    pages = search_index(site.folder)["docnames"]
    assert [pattern for pattern in patterns if not any(re.search(pattern, page) for page in pages)] == []
    assert "FOLDERS" in (site.folder / "_static/language_data.js").read_text(encoding="utf-8")


def test_the_api_shows_no_markup(site):
    """A docstring that is no proper reST, such as a list without an empty line before it, would show its source."""
    pages = {name: page.text for name, page in site.pages.items() if name.startswith("api/")}
    assert len(pages) > 40
    assert {name: found for name, text in pages.items() if (found := re.findall(r":\w+:`.*|``.*", text))} == {}


@pytest.mark.parametrize("module", ["fastnn2", "callbacks", "dask", "exceptions", "reference", "reference_mlp"])
def test_every_public_name_has_its_place_in_the_api(site, module):
    for name in public_names(module):
        whole = f"fastnn2.{name}" if module in ("fastnn2", "exceptions") else f"fastnn2.{module}.{name}"
        places = [page for page in site.pages if page.startswith("api/") and whole in site.pages[page].ids]
        assert len(places) == 1, whole


def public_names(module):
    """Return __all__ of a module, which may need an extra to be imported."""
    path = PACKAGE if module == "fastnn2" else PACKAGE / module
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
    names = json.loads(re.search(r"^__all__ = (\[.*?\])", source, re.M | re.S)[1].replace(",\n]", "]"))
    assert names
    return [name for name in names if not name.startswith("__")]


def test_every_command_and_option_is_in_the_api(site):
    text = site.pages["api/commands.html"].text
    commands = next(action for action in build_parser()._actions if isinstance(action.choices, dict)).choices
    for command, parser in commands.items():
        part = re.search(rf"^fastnn2 {command}#(.*?)(?=^fastnn2 \w+#|\Z)", text, re.MULTILINE | re.DOTALL)[1]
        options = {word for action in parser._actions for word in action.option_strings} - {"-h", "--help"}
        missing = {word for word in options if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", part)}
        assert missing == set(), command
