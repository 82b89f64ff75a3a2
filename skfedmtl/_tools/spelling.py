"""What words of users mean: names that are misspelt, and cells that say nothing."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}  #: of cells, in small letters
_ALIKE = 0.7  #: share of letters that two names have in common


def meant(wrong: Any, known: Iterable[Any]) -> str:
    """Known names that are spelt much like wrong ones, behind which messages put this.

    Parameters
    ----------
    wrong : object or iterable of them
        A name that is not known, or several; what is no string is like nothing.
    known : iterable
        All names there are.

    Returns
    -------
    words : str
        Such as " (did you mean 'north'?)"; empty if nothing is alike.
    """
    words = {str(one).casefold(): str(one) for one in known if isinstance(one, str)}
    found = []
    for one in [wrong] if isinstance(wrong, str) else wrong:
        if isinstance(one, str):
            found += get_close_matches(one.casefold(), words, n=1, cutoff=_ALIKE)
    told = " and ".join(dict.fromkeys(repr(words[one]) for one in found))
    return f" (did you mean {told}?)" if told else ""
