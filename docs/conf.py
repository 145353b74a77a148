"""How Sphinx builds the site: ``python -m sphinx -W -n docs docs/_build``."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # for what only the site needs: the modules site_*
os.environ["MPLBACKEND"] = "Agg"
# Boosting in the gallery: threads of OpenMP spin while they wait for each other, for minutes if other programs run.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import fastnn2  # noqa: E402

project, author = "fastnn2", "the fastnn2 developers"
project_copyright = author
version = release = fastnn2.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxarg.ext",
    "site_blocks",
    "site_files",
    "site_links",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "_templates", "gallery"]  # sphinx-gallery reads the last, and writes auto_gallery
templates_path = ["_templates"]
nitpicky = True
smartquotes = False  # "auto" and --threads stay as one types them, in types too

# Markdown, as GitHub shows it: the anchors of headings are GitHub's.
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 4

# The API: numpydoc's sections, without a page for each method.
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings have types, with shapes
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "backreferences_dir": "api/generated/backreferences",
    "doc_module": ("fastnn2",),
    "within_subsection_order": "site_gallery.CourseOrder",
    "reset_modules": ("matplotlib", "site_gallery.reset"),
    "image_scrapers": ("site_gallery.scrape",),
    "image_srcset": ["1.5x"],
    "capture_repr": (),  # a block shows what it prints, and its picture
    "matplotlib_animations": False,
    "remove_config_comments": True,
    "download_all_examples": False,
    "plot_gallery": "True",
    "only_warn_on_example_error": False,
    "show_signature": False,
    "min_reported_time": 3600,  # the time on a busy machine that builds the site says nothing
    "write_computation_times": False,
}

html_math_renderer = "plain"  # of site_links: MathJax would be loaded from another site
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css", "gallery.css", "api.css"]
html_title = "fastnn2"
html_search_scorer = str(HERE / "search_order.js")
html_show_sourcelink = False
html_copy_source = False
html_domain_indices = False  # the API is the list of modules
html_theme_options = {
    "logo": {"text": "fastnn2"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
