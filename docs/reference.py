"""``python docs/reference.py FOLDER`` writes the API reference, from the docstrings of the public names, with pdoc.

Warnings are errors. Public classes are shown with what they inherit from classes of the package that are not public,
as if it was their own: all claims of a subject stand in one place.
"""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path
from typing import Any

import pdoc
import pdoc.doc
import pdoc.docstrings
import pdoc.render

import durabletest

PRIVATE = r"Cannot determine where \S+\._\w+ is taken from"
"""pdoc looks for the declarations of private attributes too, which it then does not show."""


def write(folder: Path) -> None:
    """Write ``durabletest.html`` and its index."""
    pdoc.doc.Class.own_members = property(lambda cls: members(cls, own=True))
    pdoc.doc.Class.inherited_members = property(lambda cls: members(cls, own=False))
    convert = pdoc.docstrings.rst
    pdoc.docstrings.rst = lambda text, file: convert(re.sub(r"::$", ":", text, flags=re.MULTILINE), file)
    pdoc.render.configure(docformat="restructuredtext", show_source=False, footer_text=durabletest.__version__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", PRIVATE)
        pdoc.pdoc("durabletest", r"!durabletest\..*", output_directory=folder)


def members(cls: Any, own: bool) -> Any:
    """A class's members that are shown as its own, or by origin those that are only listed."""
    origins = cls._members_by_origin.items()
    shown = {
        (module, base): found
        for (module, base), found in origins
        if (module, base) in (cls.taken_from, (cls.modulename, cls.qualname))
        or (module.partition(".")[0] == "durabletest" and base not in durabletest.__all__)
    }
    if own:
        return [member for found in shown.values() for member in found]
    return {origin: found for origin, found in origins if origin not in shown}


if __name__ == "__main__":
    write(Path(sys.argv[1]))
