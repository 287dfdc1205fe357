"""
How Sphinx makes a site of these pages: ``sphinx-build -W --keep-going docs build/site``.

The pages are plain reStructuredText, so that they can be read where the source is, too: they link
to each other's files, and use nothing that only Sphinx knows but for the table of contents.
"""

from docutils import nodes
from sphinx.application import Sphinx

from menderproxy._version import __version__

project = "menderproxy"
copyright = "the menderproxy authors; Apache License 2.0"
release = __version__

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sphinx = False
# Most literal blocks are commands, logs or drawings. Those in a language say so.
highlight_language = "none"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("doctree-read", link_pages)


def link_pages(app: Sphinx, doctree: nodes.document) -> None:
    """Make links from page to page lead to what becomes of the pages."""
    for reference in doctree.findall(nodes.reference):
        page, suffix, anchor = reference.get("refuri", "").partition(".rst")
        if suffix and page in app.env.found_docs:
            reference["refuri"] = app.builder.get_relative_uri(app.env.docname, page) + anchor
            reference["internal"] = True
