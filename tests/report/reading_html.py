"""A page as a strict reader sees it: elements that nest, tables as rows of text, everything it refers to."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "br", "img", "input", "link", "hr"}
REFERRING = ("src", "href", "srcset", "data", "action", "poster", "xlink:href")


class Page(HTMLParser):
    """tables: rows of cells, in order; ids: of elements; links: what attributes refer to; strays: what did not nest."""

    def __init__(self, text: str):
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.names: list[str | None] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.strays: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self._figure: str | None = None
        self.feed(text)
        self.close()
        self.strays += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self._open.append(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given[name] or "" for name in REFERRING if name in given]
        if tag == "figure":
            self._figure = given.get("id")
        if tag == "table":
            self.tables.append([])
            self.names.append(self._figure)
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.strays.append(f"/{tag}")
        if tag == "figure":
            self._figure = None

    def handle_data(self, data: str) -> None:
        if "style" in self._open or "script" in self._open:
            return
        self.text += data
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data

    def numbers(self, figure: str) -> list[list[str]]:
        """The rows behind a figure, its head left out."""
        return self.tables[self.names.index(figure)][1:]
