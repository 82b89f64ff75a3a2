"""The link from an estimator's HTML to its page of the documentation."""

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata

__all__ = ["DocLinkMixin"]


class DocLinkMixin:
    """Links to the API pages below the project's `Documentation` URL, once that is published."""

    _doc_link_module = "skfedmtl"

    @property
    def _doc_link_template(self) -> str:
        return f"{documentation_url()}/api/generated/skfedmtl.{{estimator_name}}.html"

    def _get_doc_link(self) -> str:
        link: str = super()._get_doc_link() if documentation_url() else ""  # type: ignore[misc]
        return link


@cache
def documentation_url() -> str:
    """Where the installed package says that its documentation is, or ""."""
    try:
        urls = metadata("skfedmtl").get_all("Project-URL", ())
    except PackageNotFoundError:
        return ""
    for line in urls:
        label, _, url = line.partition(",")
        if label.strip().lower() == "documentation":
            return url.strip().rstrip("/")
    return ""
