"""How the pages of this folder become a site: `make docs` writes it to build/docs.

The site stands alone: neither the build nor a page asks the network for anything.
"""

import re
from pathlib import Path

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

import fdd

project = "fdd"
release = fdd.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # their outputs are stored
autodoc_typehints = "none"  # the docstrings give types, with shapes
add_module_names = False
autosummary_generate = False  # its tables alone: a module is one page
numpydoc_show_class_members = False
default_role = "py:obj"  # code, and a link where it names something public

html_math_renderer = "mathml"  # the usual one asks another host for its script
html_theme = "pydata_sphinx_theme"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_title = "The Fractal Dream Dataset"
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
html_theme_options = {"header_links_before_dropdown": 7, "logo": {"text": "fdd"}}

OUTSIDE = re.compile(
    r"""<(?!a\s)[^>]*\s(?:src|srcset|href|data|poster)=["'](?:https?:)?//[^>]*>"""
    r"""|(?:url\(|@import)\s*["']?(?:https?:)?//[^)"']*""",
    re.IGNORECASE,
)
"""What a browser would load from elsewhere, in HTML and CSS: no link that a reader follows."""


def as_rst(app, what, name, thing, options, lines):
    """House docstrings are plain text: |a| is a magnitude, an indented block Python."""
    text = "\n".join(lines).replace("|", r"\|")
    text = re.sub(r"^((?!- )\S.*\n\n)(?= {4})", r"\1.. code-block:: python\n\n", text, flags=re.M)
    # what is returned is told in prose, where numpydoc takes each line for a value of its own
    text = re.sub(r"(?<=^Returns\n-------\n)(\S.*\n?)+", joined, text, flags=re.M)
    if what == "module":
        functions = [one for one in getattr(thing, "__all__", ()) if callable(getattr(thing, one))]
        table = "".join(f"   {one}\n" for one in functions)
        text = text.partition("\n\nMay import: ")[0]
        text += f"\n\n.. autosummary::\n   :nosignatures:\n\n{table}"
    lines[:] = text.split("\n")


def joined(paragraph):
    return paragraph[0].strip().replace("\n", " ") + "\n"


def mathml(translator, node):
    if node.tagname == "math":
        translator.body.append(tex2mathml(node.astext()))
    else:
        translator.body.append(f"<p>{tex2mathml(node.astext(), as_block=True)}</p>")
    raise SkipNode


def stands_alone(app, exception):
    pages = (path for path in Path(app.outdir).rglob("*") if path.suffix in {".html", ".css"})
    for page in sorted(pages):
        for found in OUTSIDE.findall(page.read_text(encoding="utf-8")):
            logging.getLogger(__name__).warning(f"{page} loads from outside: {found}")


def setup(app):
    app.connect("autodoc-process-docstring", as_rst, priority=400)  # numpydoc's is 500
    app.add_html_math_renderer("mathml", (mathml, None), (mathml, None))
    app.connect("build-finished", stands_alone)
