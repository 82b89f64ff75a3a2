"""Sphinx configuration; ``tox -e docs`` builds the pages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("_extensions")))

import skfedmtl

project = "skfedmtl"
author = "skfedmtl developers"
copyright = f"2026, {author}"
version = release = skfedmtl.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",
    "myst_parser",  # CHANGELOG.md and CONTRIBUTING.md are pages, too
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "certified_rows",
    "changelog_fragments",
    "clean_error_tables",
    "defence_tables",
    "extras_table",
    "federation_tables",
    "house_drawing",
    "multilevel_tables",
    "paper_tables",
    "peer_tables",
    "solver_tables",
    "worker_tables",
]
exclude_patterns = ["_build", "examples"]
templates_path = ["_templates"]
autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"  # beside the page: its own class
default_role = "literal"
suppress_warnings = ["myst.header"]  # the included files' own titles are left out
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "skfedmtl"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_sidebars = {
    page: []
    for page in (
        "index",
        "install",
        "benchmarks",
        "paper",
        "faq",
        "glossary",
        "stability",
        "cite",
        "changelog",
        "contributing",
    )
}
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}

copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": "plot_",
    "within_subsection_order": "gallery_order.ByOrder",
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,  # its page loads scripts from elsewhere
    "min_reported_time": 3600,  # how busy a machine was is no news
    "abort_on_example_error": True,
}
