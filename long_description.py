"""Make the description for a package index out of the README: a build step of setup.py.

A package index has none of our files, so a relative link leads nowhere there. With a repository's URL in
`project.urls` links lead there; without one the linked text stays and the link goes.
"""

import re
from urllib.parse import urljoin

_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_IMAGE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)\n*")
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def long_description(readme: str, repository: str | None = None) -> str:
    """The README with no relative link or image, and without the comments that its tests read.

    `repository` is the URL of a folder that has the same files.
    """
    text = _COMMENT.sub("", readme)
    text = _IMAGE.sub(lambda found: _resolved(found, repository, kept=""), text)
    return _LINK.sub(lambda found: _resolved(found, repository, kept=found["text"]), text)


def relative_links(text: str) -> list[str]:
    """The targets of relative links and images in a Markdown text."""
    found = (*_IMAGE.finditer(text), *_LINK.finditer(text))
    return [link["target"] for link in found if not _ABSOLUTE.match(link["target"])]


def _resolved(link: re.Match[str], repository: str | None, *, kept: str) -> str:
    if _ABSOLUTE.match(link["target"]):
        return link[0]
    if repository is None:
        return kept
    return link[0].replace(
        f"({link['target']})", f"({urljoin(repository.rstrip('/') + '/', link['target'])})"
    )
