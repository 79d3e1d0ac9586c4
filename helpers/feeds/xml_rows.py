"""Rows of an XML product feed: RSS, Atom, or any list of like elements. Entities are refused."""

import json
import re
from collections import Counter
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from helpers.feeds.rows import Row, Rows
from helpers.feeds.spec import FeedError

_DEEPEST = 6
_MARKUP = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.I)
_USUAL = {
    "item",
    "entry",
    "product",
    "offer",
    "article",
    "produkt",
    "artikel",
    "produit",
    "producto",
    "prodotto",
    "shopitem",
    "row",
}


def read_xml(raw: bytes, text: str) -> Rows:
    """Rows of an XML file, one for each product.

    The name of a column is the element's without its namespace (`g:price` → `price`), elements
    within elements give `shipping.price`, attributes `price.currency`; an element that comes
    several times gives a JSON list.

    Raises
    ------
    FeedError
        If it is a page, isn't well formed, declares entities, or holds no list of products.
    """
    start = text[:2000]
    if _MARKUP.search(start):
        raise FeedError(
            "is HTML or XML of a page, perhaps one that was saved: export the products as CSV or "
            "JSON"
        )
    try:
        root = fromstring(raw, forbid_dtd=False)
    except DefusedXmlException:
        raise FeedError(
            "is XML that declares entities, by which a small file grows beyond any memory: "
            "export it again without a document type"
        ) from None
    except (ParseError, ValueError, LookupError) as error:
        raise FeedError(
            f"is HTML or XML that is not well formed ({error}): export it again, or as CSV"
        ) from None
    out = Rows("XML")
    for item in _items(root):
        out.rows.append(_row(item))
    if not out.rows:
        raise FeedError(
            "is HTML or XML without a list of products (item, entry or product): export it as CSV"
        )
    return out


def _items(root: Element) -> list[Element]:
    """The products: elements of a usual name, else the outermost kind that holds several texts."""
    usual = Counter(element.tag for element in root.iter() if _is_usual(element))
    if usual:
        return _outermost(root, max(usual, key=lambda tag: usual[tag]))
    level = [root]
    while level:
        level = [child for element in level for child in element if len(child)]
        kinds = Counter(element.tag for element in level if _is_record(element))
        if kinds:
            chosen = max(kinds, key=lambda tag: kinds[tag])
            return [element for element in level if element.tag == chosen]
    return []


def _is_usual(element: Element) -> bool:
    return len(element) > 0 and _local(element.tag).lower() in _USUAL


def _is_record(element: Element) -> bool:
    """Whether an element holds two texts or more of its own."""
    return sum(not len(child) for child in element) >= 2


def _outermost(root: Element, tag: str) -> list[Element]:
    """Elements of a kind that has children, none within another."""
    found = []
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if element.tag == tag and len(element):
            found.append(element)
        else:
            waiting.extend(reversed(element))
    return found


def _row(item: Element) -> Row:
    """Texts of a product's elements by column; an element of Google's namespace comes first."""
    found: dict[str, dict[str, list[str]]] = {}
    _collect(item, "", found, 0)
    return {name: _cell(_preferred(by_tag)) for name, by_tag in found.items()}


def _collect(
    item: Element, before: str, found: dict[str, dict[str, list[str]]], depth: int
) -> None:
    for attribute, value in item.attrib.items():
        _note(found, f"{before}{_local(attribute)}", attribute, value)
    counts = Counter(child.tag for child in item if len(child))
    numbers: Counter[str] = Counter()
    for child in item:
        if not isinstance(child.tag, str):
            continue
        name = f"{before}{_local(child.tag)}"
        if counts[child.tag] > 1:  # <param> with a name and a value, several times
            numbers[child.tag] += 1
            name = f"{name}.{numbers[child.tag]}"
        if len(child) and depth < _DEEPEST:
            _collect(child, f"{name}.", found, depth + 1)
            continue
        _note(
            found,
            name,
            child.tag,
            "".join(child.itertext()).strip(),
        )
        for attribute, value in child.attrib.items():
            _note(found, f"{name}.{_local(attribute)}", attribute, value)


def _note(
    found: dict[str, dict[str, list[str]]],
    name: str,
    tag: str,
    text: str,
) -> None:
    found.setdefault(name, {}).setdefault(tag, []).append(text)


def _preferred(by_tag: dict[str, list[str]]) -> list[str]:
    """Texts of one of the elements that share a name: Google's, else the first that is filled."""
    google = [texts for tag, texts in by_tag.items() if "base.google.com" in tag]
    filled = [texts for texts in [*google, *by_tag.values()] if any(texts)]
    return filled[0] if filled else [""]


def _cell(texts: list[str]) -> str:
    filled = list(filter(None, texts))
    if len(filled) <= 1:
        return "".join(filled)
    return json.dumps(filled, ensure_ascii=False)


def _local(tag: object) -> str:
    """A tag without its namespace; "" for comments and the like, whose tag is no text."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
