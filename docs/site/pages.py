"""Takes the pages of the project's root into the site, and says what a link to a source file meant.

The same Markdown is read in the repository and on the site. In the repository ARCHITECTURE.md lies
above `docs/`, and a page may link to a file of the source; on the site there is no such file, so
that link becomes its path as text. A link to a page stays a link and is checked by mkdocs.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_OF_THE_ROOT = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the root's pages beside those of `docs/`."""
    root = Path(config.config_file_path).parent
    for name in _OF_THE_ROOT:
        files.append(File.generated(config, name, abs_src_path=str(root / name)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Points links where the site has the page; what it does not have becomes its path."""
    root = Path(config.config_file_path).parent
    docs = Path(config.docs_dir)
    folder = root if page.file.src_uri in _OF_THE_ROOT else docs

    def moved(link: re.Match[str]) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        path = (folder / target).resolve()
        name = path.relative_to(docs if path.is_relative_to(docs) else root).as_posix()
        if files.get_file_from_path(name) is not None:
            return f"[{text}]({name}{anchor})"
        if not path.exists():  # mkdocs names it
            return link[0]
        return f"{text} (`{name}`)" if name not in text else f"`{name}`"

    return _LINK.sub(moved, markdown)
