"""Newcomers side by side: what they like elsewhere, and what each method shows them first.

Each persona of data/personas.yaml is also written as a simulated shopper, so that a list can be
scored: the simulator says how likely that shopper is to like each item. Category, color and pattern
come from the titles of the liked items, style and price from `wishes`.
"""

import warnings
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers import recommenders
from helpers.artefacts import data_dir, reports_dir, require
from helpers.embeddings import load_embeddings, load_encoder
from helpers.feeds.harmonise import category_of, load_vocabulary
from helpers.interactions.loading import LogFacts, load_facts
from helpers.interactions.matrix import LIKED, REAL
from helpers.report.advice import READS, uses
from helpers.report.results import FLOOR
from helpers.serving.page import embedded, web_link
from helpers.serving.personas import Persona, load_personas
from helpers.serving.reasons import traits
from helpers.serving.service import Service
from helpers.simulator import tastes
from helpers.simulator.loading import load_market
from helpers.simulator.market import Market
from helpers.templates import write_page

SHOWN = 5
"""Items of each list."""
BESTSELLERS = "Bestsellers"
"""The row that stands for all methods that can use only items of the catalog."""
PLAIN_PATTERN = "solid"


@dataclass(frozen=True)
class Item:
    """A recommended item as a page shows it.

    Attributes
    ----------
    key, title, price, link : str
    picture : str
        Data URI; empty where there is none.
    because, shares : str
        The liked title that is most like it, and what the two have in common.
    chance : float or None
        The simulated shopper's probability of liking it.
    also : list of str
        Other methods that show it, too.
    """

    key: str
    title: str
    price: str
    link: str
    picture: str
    because: str
    shares: str
    chance: float | None
    also: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class MethodList:
    """One method's top items.

    Attributes
    ----------
    name : str
    items : list of Item
    liked : float or None
        How many of them the simulated shopper likes, expected.
    stands_for : list of str
        Methods that show the same because they cannot use the history.
    """

    name: str
    items: list[Item]
    liked: float | None
    stands_for: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PersonaLists:
    """A persona and all methods' lists.

    Attributes
    ----------
    persona : Persona
    history : list of (title, shop, data URI)
    lists : list of MethodList
        The one with the most liked items first, where that is known.
    agreed : list of (title, methods)
        Items that more than one method shows, those of most methods first.
    missing : str
        What of the persona the simulator could not be told; empty if nothing, or if there is none.
    notes : list of str
    """

    persona: Persona
    history: list[tuple[str, str, str]]
    lists: list[MethodList]
    agreed: list[tuple[str, list[str]]]
    missing: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The persona's name."""
        return self.persona.name

    @property
    def page(self) -> str:
        """File name of the persona's page."""
        return page_name(self.persona)


def page_name(persona: Persona) -> str:
    """File name of a persona's page."""
    return f"persona_{persona.name.lower()}.html"


def persona_lists(profile: str) -> list[PersonaLists]:
    """What every saved method of a profile shows every persona.

    Returns
    -------
    list of PersonaLists
        Empty where the profile's vectors come from words alone or its shoppers are real: then the
        personas' garments say nothing about the shop.

    Raises
    ------
    MissingArtefact
        If chapters 01 to 06 have not run.
    """
    facts = load_facts(profile)
    if facts.vectors != "clip" or facts.shoppers == REAL:
        return []
    shop = _Shop(profile, facts)
    return [shop.lists_for(persona) for persona in load_personas().values()]


class _Shop:
    """Catalogue, encoder, saved models and the simulator of a profile."""

    def __init__(self, profile: str, facts: LogFacts):
        self.root = data_dir(profile)
        self.catalog = pd.read_parquet(require(profile, "catalog.parquet", "01"))
        self.encoder = load_encoder(self.root)
        image, text, _ = load_embeddings(self.root, self.encoder)
        self.target = facts.target
        self.market = load_market(profile)
        self.attributes = pd.read_parquet(require(profile, "attributes.parquet", "01"))
        self.services = {}
        for path in sorted(require(profile, "models", "06").glob("*.json")):
            name = path.stem
            if "-" in name or name == FLOOR:
                continue  # variants of a method, and the floor that stands in its own row
            model = recommenders.load(path.with_suffix(""))
            self.services[name] = Service.of(self.catalog, image, text, self.encoder, model)

    def lists_for(self, persona: Persona) -> PersonaLists:
        """All methods' lists for one persona."""
        first = next(iter(self.services.values()))
        history = persona.history
        encoded = first.encode(history)
        chances, missing = chances_for(persona, self.market, self.attributes)
        asked = persona.filters(self.catalog, self.target)
        found = {}
        unable = []
        notes: list[str] = []
        for name, service in self.services.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # methods that fall back are shown as such
                answer = service.answer(encoded, SHOWN, asked)
            if service.model.n_fallback_:
                unable.append(name)
                name = BESTSELLERS
            notes = [note.partition(";")[0] for note in answer.notes]  # no options of a command
            found[name] = answer.products
        shown = [self._method_list(name, found, unable, chances) for name in found]
        shown.sort(key=lambda one: -(one.liked or 0))
        pictures = [embedded(history.folder, name) for name in history.items["image"]]
        titles = history.items["title"]
        liked = list(zip(titles, persona.shops, pictures, strict=True))
        return PersonaLists(persona, liked, shown, _agreed(found), missing, notes)

    def _method_list(
        self,
        name: str,
        found: dict,
        unable: list[str],
        chances,
    ) -> MethodList:
        items = []
        knows_history = name != BESTSELLERS
        for row in found[name].itertuples():
            others = [other for other in found if other != name]
            also = [other for other in others if row.image_key in set(found[other]["image_key"])]
            chance = None if chances is None else float(chances[row.image_key])
            price = "" if pd.isna(row.price_usd) else f"${row.price_usd:.2f}"
            items.append(
                Item(
                    key=row.image_key,
                    title=row.title,
                    price=price,
                    link=web_link(row.url),
                    picture=embedded(self.root, row.image_path),
                    because=row.because if knows_history else "",
                    shares=row.shares if knows_history else "",
                    chance=chance,
                    also=also,
                )
            )
        liked = None if chances is None else sum(item.chance or 0.0 for item in items)
        return MethodList(name, items, liked, unable if name == BESTSELLERS else [])


def _agreed(found: dict[str, pd.DataFrame]) -> list[tuple[str, list[str]]]:
    """Items in more than one list, with the methods that show them."""
    methods: dict[str, list[str]] = {}
    titles = {}
    for name, products in found.items():
        columns = [products[column] for column in ("image_key", "title", "price_usd")]
        for key, title, price in zip(*columns, strict=True):
            methods.setdefault(key, []).append(name)
            # two products may share a title
            titles[key] = title if pd.isna(price) else f"{title} (${price:.2f})"
    shared = []
    for key, names in methods.items():
        if len(names) > 1:
            shared.append((titles[key], names))
    return sorted(shared, key=lambda pair: -len(pair[1]))


def chances_for(
    persona: Persona, market: Market, attributes: pd.DataFrame
) -> tuple[pd.Series | None, str]:
    """How likely the persona, as a simulated shopper, is to like each item.

    Parameters
    ----------
    persona : Persona
    market : Market
        Whose shoppers prefer attributes.
    attributes : DataFrame
        The items' attributes as the market was made from, in the same words.

    Returns
    -------
    chances : Series, (n_items,) float
        By `image_key`; None where the market's shoppers prefer something else than attributes.
    missing : str
        Attributes that count as average because neither a title nor a wish tells them.
    """
    if not market.shelf.parts:
        return None, "these shoppers prefer directions of the vectors, which no wish can name"
    told = _wishes(persona)
    known = attributes.set_index("image_key").reindex(market.items)
    worth = np.array(market.calibration[0][:-1])  # as every shopper's mean: it counts nothing
    unknown = []
    for part, columns in tastes.columns_of(market.shelf.parts).items():
        values = _worth_of(
            part,
            told.get(part, []),
            known,
            market.shelf.parts[part],
        )
        if values is None:
            unknown.append(part)
        else:
            n_seasons = (columns.stop - columns.start) // len(values)
            worth[columns] = np.tile(values, n_seasons)
    shopper = tastes.Shoppers(worth[None, :], np.ones(1))
    signal = market.today(shopper)
    chances = market.at_least(signal, int(LIKED))[0]
    missing = ", ".join(unknown)
    return pd.Series(chances, index=market.items), missing


def _wishes(persona: Persona) -> dict[str, list]:
    """Attribute → what the persona goes for, in the words of titles."""
    told: dict[str, list] = {"category": [], "colour": [], "pattern": []}
    for title in persona.history.items["title"]:
        category = category_of(title)
        found = traits(title)
        told["category"].append(category)
        rest = [name for name in found if name != category]
        told["colour"] += rest[:1]
        told["pattern"] += rest[1:] or [PLAIN_PATTERN]
    told["style"] = list(persona.wishes.get("style", []))
    if "price_usd" in persona.wishes:
        told["price"] = [float(persona.wishes["price_usd"])]
    return told


def _worth_of(
    part: str,
    told: list,
    known: pd.DataFrame,
    n_values: int,
) -> np.ndarray | None:
    """Worth (n_values,) of each value of one attribute, as `tastes.draw` would make it.

    None where nothing that was told is a value of the market's.
    """
    if not told:
        return None
    if part == "price":
        return _price_worth(told[0], known["price_usd"])
    if part not in known:
        return None
    names = sorted(known[part].astype(str).unique())
    counts = np.array([sum(_is_same(name, wish) for wish in told) for name in names], float)
    if len(names) != n_values or not counts.any():
        return None
    if part in tastes.MASS:
        return np.sqrt(counts / counts.sum())
    return (counts > 0).astype(float)


def _is_same(name: str, wish: str) -> bool:
    """Whether a value and a wish mean the same: "blouse" and "tops", "stripes" and "striped"."""
    return wish in (name, category_of(name), *load_vocabulary().patterns.named(name))


def _price_worth(dollars: float, prices: pd.Series) -> np.ndarray:
    """Worth of each price band for a shopper who usually pays so much."""
    log = np.log(prices.where(prices > 0))
    above_mean = np.log(dollars) - log.mean()
    center = above_mean / log.std(ddof=0)
    width = 0.85  # the middle of what `tastes` draws
    distance = np.abs(tastes.PRICE_BANDS - center) / width
    return -np.minimum(3, distance)


def render_personas(profile: str, found: list[PersonaLists], reads_pictures: bool = True) -> None:
    """Write one page per persona into the profile's report folder."""
    used = {name: uses(name, reads_pictures) for name in READS}
    for one in found:
        write_page(
            "persona.html.j2",
            reports_dir(profile) / page_name(one.persona),
            profile=profile,
            found=one,
            uses=used,
            others=[(other.name, other.page) for other in found if other is not one],
        )
