"""Do words that users search for lead to their pages? Exit status 1 and a list if some do not.

    python docs/check_search.py docs/_build/html

A word leads to a page if a heading of the page has it, or an index entry, such as a term of the
glossary: these come first among what the search of the built pages finds. Words are reduced to
their stems, as there.
"""

import json
import re
import sys
from pathlib import Path

import snowballstemmer

#: word -> page
WORDS = {
    "save": "stability",
    "load": "faq",
    "pickle": "stability",
    "deprecated": "stability",
    "version": "stability",
    "cite": "cite",
    "changelog": "changelog",
    "contributing": "contributing",
    "FAQ": "faq",
    "drift": "faq",
    "missing": "faq",
    "GPU": "faq",
    "ConvergenceWarning": "faq",
    "private": "faq",
    "glossary": "glossary",
    "straggler": "glossary",
    "budget": "glossary",
    "defence": "faq",
    "defends": "guide/defences",
    "PoisonDetector": "api/generated/skfedmtl.defense.PoisonDetector",
    "drop-outs": "guide/systems",
    "federation": "guide/federation",
    "leaks": "guide/federation",
    "certificate": "guide/model",
    "weights": "guide/model",
    "sample_weight": "guide/model",
    "nodes": "guide/nodes",
    "pipeline": "guide/nodes",
    "sparse": "guide/nodes",
    "DataFrame": "guide/own_data",
    "random_state": "faq",
    "n_jobs": "faq",
    "memory": "guide/workers",
    "Dask": "guide/workers",
    "Flower": "guide/federation",
    "TLS": "gallery/plot_14_tls",
    "bound": "guide/bound",
    "worst case": "guide/bound",
    "gradient": "guide/gradients",
    "relationship": "guide/relationships",
    "report": "guide/report",
    "loss": "api/extending",
    "threat": "guide/threat",
    "intercept": "guide/model",
    "ART": "migrating/art",
    "SecML": "migrating/secml",
    "MOCHA": "migrating/mocha",
    "install": "install",
    "grid": "guide/search",
    "GridSearchCV": "guide/search",
    "cross-validation": "guide/search",
}

_STEM = snowballstemmer.stemmer("english").stemWord


def stems(text):
    """The stems of the words of a text."""
    return {_STEM(word) for word in re.findall(r"\w+", text.lower())}


def read_index(folder):
    """The index that the search of the pages loads."""
    text = (folder / "searchindex.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))


def headings(index):
    """Pairs of a page and the stems of one of its headings or index entries."""
    for title, places in [*index["alltitles"].items(), *index["indexentries"].items()]:
        for number, *_ in places:
            yield index["docnames"][number], stems(title)


def lost(folder):
    """The words whose page has no such heading."""
    index = read_index(folder)
    found = list(headings(index))
    for word, page in WORDS.items():
        if not any(at == page and stems(word) <= words for at, words in found):
            yield f"{word} does not lead to {page}"


def main(arguments):
    """Print what is lost."""
    (folder,) = arguments
    missing = list(lost(Path(folder)))
    print("\n".join(missing) if missing else f"{len(WORDS)} words lead to their pages")
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
