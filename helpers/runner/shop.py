"""`course shop`: a profile for your own shop from its feed and its order log, checked before it is
written.
"""

import glob
import re
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from helpers.artefacts import ROOT, data_dir, newest_file, pattern_of, write_text
from helpers.evaluation.exam import NobodyToExamine, lengths_for, n_able_for
from helpers.feeds import FeedError, FeedSpec, draft_spec, harmonise, load_spec, read_feed
from helpers.feeds.files import read_rows
from helpers.feeds.products import FeedResult
from helpers.feeds.quality import rejects_by_reason
from helpers.feeds.spec import FEEDS
from helpers.interactions.loading import DEALT, LEFT_OUT, OWN, write_left_out
from helpers.interactions.matrix import REAL, Interactions, ItemFeatures
from helpers.interactions.orders import (
    ROWS_LOOKED_AT,
    OrderColumns,
    OrderError,
    Orders,
    as_ids,
    find_file,
    has_customers,
    item_by_name,
    loosened,
    read_orders,
    read_table,
    recognize_columns,
)
from helpers.interactions.privacy import is_personal, secret_key
from helpers.interactions.splits import by_column, deal
from helpers.sample.own_shop import UNNAMED, with_own_categories

PROFILES = ROOT / "notebooks" / "profiles"
MARK = "# Written by `course shop`."
REPORT = "shop_check.txt"
SEED = 7
OVERLAP = 0.2  # share of training customers kept on both platforms where products are dealt
FEWEST_PRODUCTS = 20
FEW_TESTED = 100  # customers in the exam, below which the report says that they are few
FEWEST_ON_A_PLATFORM = 10
PLATFORM_COLUMNS = ("platform", "brand", "category", "gender", "colour")
WORDS = "words"
CLIP = "clip"
LOOKS = "looks"
NOT_USED = "# not used: "  # how a drafted YAML starts the line of a column that no field reads
CLOTHES = 0.5  # share of products with a category of the vocabulary, from which the encoder is used


_EXAMPLE = re.compile(rf"^({NOT_USED}.+?) \(.*$")


class ShopError(ValueError):
    """Files from which no profile can be made. Nothing was written."""


@dataclass(frozen=True)
class ShopFiles:
    """What the user gave.

    Attributes
    ----------
    feeds : tuple of str
        Files, or patterns such as `products_*.csv`. None, if the order log itself names its items'
        titles.
    orders : str
        A file or a pattern.
    name : str
        Of the profile.
    photos : str
        A folder or tar of pictures named by product id; empty if there is none.
    columns : dict of str to str
        Meaning → column of the order log, where its name is not recognized.
    platforms : str
        Column of the catalogue whose values are the platforms; empty to choose.
    """

    feeds: tuple[str, ...]
    orders: str
    name: str = "my_shop"
    photos: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    platforms: str = ""


@dataclass(frozen=True)
class CheckedFeed:
    """A feed that was read: its YAML's name and text, and what became of its rows."""

    name: str
    text: str
    is_new: bool
    path: Path
    pattern: str
    result: FeedResult


@dataclass(frozen=True)
class Platforms:
    """Which platforms the exam crosses: a column's values, or two that products are dealt to."""

    column: str
    source: str
    target: str

    @property
    def overlap(self) -> float | None:
        """Share of training customers kept on both; None keeps the log as it is."""
        return OVERLAP if self.column == DEALT else None

    def __str__(self) -> str:
        if self.column == DEALT:
            return (
                "one shop: its products are dealt at random to two platforms, A and B, and "
                f"{OVERLAP:.0%} of the training customers stay known on both"
            )
        return f"platforms by {self.column}: from {self.source!r} to {self.target!r}"


def make_shop(files: ShopFiles) -> str:
    """Check a shop's files and write its feed YAMLs, its profile and a check report.

    Nothing is written unless all of it can be used.

    Returns
    -------
    str
        The report, and what to run next.

    Raises
    ------
    ShopError, FeedError, OrderError
        If anything can't be used; the message says what and how to mend it.
    """
    _check_name(files.name)
    key = _key()
    photos = _photos(files.photos)
    orders_path = find_file(files.orders, Path.cwd())
    feeds = _read_feeds(files, orders_path)
    results = [feed.result for feed in feeds]
    catalog, merged = harmonise(results)
    catalog = with_own_categories(catalog, results)
    _check_catalogue(catalog, feeds)
    orders = read_orders(orders_path, catalog, key, files.columns, merged=merged)
    _check_customers(orders, orders_path.name)
    platforms = choose_platforms(catalog, orders.log, files.platforms)
    examined = _examined(catalog, orders.log, platforms, orders_path.name)
    vectors = _vectors(catalog, photos)
    profile = _profile(files, feeds, photos, orders_path, platforms, vectors)
    lines = [*_feed_lines(feeds, catalog, merged), *_order_lines(orders, orders_path, feeds)]
    lines += examined
    lines += [str(platforms), _vector_line(vectors)]
    report = "\n".join(lines)
    written = _write(files.name, feeds, profile, report, orders)
    return "\n".join([report, "", *written, *_next_steps(files.name)])


# ---------------------------------------------------------------------------- what was given
def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise ShopError(f"--name {name!r}: small letters, digits and _ only, for example my_shop")
    path = PROFILES / f"{name}.yaml"
    if path.exists() and not path.read_text(encoding="utf-8").startswith(MARK):
        raise ShopError(f"--name {name}: there is a profile of that name, {path}; choose another")


def _key() -> bytes:
    """The key for customers' pseudonyms, asked for before anything is read."""
    try:
        return secret_key()
    except KeyError as error:
        raise ShopError(error.args[0]) from None


def _photos(given: str) -> str:
    if not given:
        return ""
    path = Path(given).expanduser().absolute()
    if not path.exists():
        raise ShopError(f"--photos {given}: no such folder or tar")
    return str(path)


def _read_feeds(files: ShopFiles, orders_path: Path) -> list[CheckedFeed]:
    given = files.feeds or (files.orders,)
    log = read_table(orders_path)
    feeds = []
    for feed, name in zip(given, _spec_names(files, given), strict=True):
        path = newest_file(feed, Path.cwd())
        if path is None:
            raise ShopError(f"{feed}: no such feed; give a CSV or JSON file of your products")
        path = path.absolute()
        _refuse_if_swapped(path, orders_path, log, files.columns)
        if path.samefile(orders_path):
            columns = recognize_columns(list(log.columns), path.name, files.columns)
            draft = _draft_from_orders(path, name, columns)
        else:
            draft = _draft(path, name, log, files.columns)
        feeds.append(_read_one(path, name, draft, _pattern(feed, path)))
    return feeds


def _refuse_if_swapped(
    path: Path, orders_path: Path, log: pd.DataFrame, columns: dict[str, str]
) -> None:
    """Say so where the feed names customers, and the log none."""
    if "customer" in columns or has_customers(list(log.columns)):
        return
    if has_customers(read_rows(path).about.columns):
        raise ShopError(
            f"{path.name} names customers and {orders_path.name} none: are the two files swapped?  "
            f"course shop {orders_path.name} --orders {path.name}"
        )


def _spec_names(files: ShopFiles, given: tuple[str, ...]) -> list[str]:
    """A YAML's name for each feed: the profile's, followed by the file's where there are
    several."""
    if len(given) == 1:
        return [files.name]
    names = []
    for feed in given:
        words = re.findall(r"[a-z]+", Path(feed).stem.lower())
        names.append("_".join([files.name, *words]))
    if len(set(names)) < len(names):
        raise ShopError(
            f"two feeds would share a YAML's name ({', '.join(names)}): rename one, or, if one is "
            "a later export of the other, give the newer alone"
        )
    return names


def _read_one(path: Path, name: str, draft: str, pattern: str) -> CheckedFeed:
    """A feed read by its YAML: the one that is there, or the draft."""
    spec_path = FEEDS / f"{name}.yaml"
    is_new = not spec_path.exists()
    text = draft if is_new else spec_path.read_text(encoding="utf-8")
    spec = _spec(text, name)
    result = read_feed(path, spec)
    if result.products.empty:
        why = result.rejects["reason"].iloc[0]
        hint = f"write data/feeds/{name}.yaml with `course feed draft {path.name}` and mend it"
        raise FeedError(f"{path.name}: no row became a product ({why}); {hint}")
    return CheckedFeed(name, text, is_new, path, pattern, result)


def _draft(path: Path, name: str, log: pd.DataFrame, columns: dict[str, str]) -> str:
    """The drafted YAML, with the profile's name as the shop's and the ids that the log speaks
    of."""
    draft = draft_spec(path)
    spec = yaml.safe_load(draft)
    named = columns.get("item") or item_by_name(list(log.columns))
    if named not in log:
        named = None
    column = id_column(path, log, spec["fields"].get("product_id"), named)
    if column is None and "product_id" not in spec["fields"]:
        column = _namesake(path, log, list(spec["fields"].values()))
    if column is not None:
        spec["fields"] = {"product_id": column, **_without(spec["fields"], column)}
    return _with_platform(draft, spec, name)


def _draft_from_orders(path: Path, name: str, columns: OrderColumns) -> str:
    """A drafted YAML that takes an order log for a feed: its rows of one item become one product.

    Columns that tell of customers become no field.

    Raises
    ------
    ShopError
        If the log names its items by their numbers alone.
    """
    draft = draft_spec(path)
    spec = yaml.safe_load(draft)
    column = columns.item
    fields = _without_people(_without(spec["fields"], column), columns.customer)
    title = fields.pop("title", column)
    if _are_numbers(path, title):
        raise ShopError(
            f"{path.name}: its items are named by {column!r} alone, and a number tells nothing of "
            "an item. Export your products with their titles, and give that file first:  "
            f"course shop products.csv --orders {path.name}"
        )
    fields.pop("availability", None)  # of an order, a quantity is no stock
    spec["fields"] = {"product_id": column, "title": title, **fields}
    return _with_platform(draft, spec, name)


def _without_people(fields: dict[str, Any], customer: str) -> dict[str, Any]:
    """The fields but those that read the customer's column or another personal one."""
    kept = {}
    for name, source in fields.items():
        if source != customer and not is_personal(str(source)):
            kept[name] = source
    return kept


def _are_numbers(path: Path, column: str) -> bool:
    """Whether at most half of a column's cells hold a word."""
    cells = read_table(path)[column].head(ROWS_LOOKED_AT).astype(str)
    has_word = cells.str.contains(r"[^\W\d_]{3}")
    return has_word.mean() <= 0.5


def _with_platform(draft: str, spec: dict[str, Any], name: str) -> str:
    """A drafted YAML's comments, and its fields with the profile's name as the shop's.

    Columns that are not used are named without an example: it may be a customer's address.
    """
    comments = []
    for line in draft.splitlines():
        if line.startswith("#") and not _is_used(line, spec["fields"]):
            without_id = line.replace(" product_id,", "", 1)
            comments.append(_EXAMPLE.sub(r"\1", without_id))
    spec["platform"] = name
    body = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True, width=100)
    return "\n".join([*comments, body])


def _is_used(comment: str, fields: dict[str, Any]) -> bool:
    """Whether a drafted comment calls a column unused that is used by now."""
    return any(comment.startswith(f"{NOT_USED}{column} (") for column in fields.values())


def _without(fields: dict[str, Any], column: str) -> dict[str, Any]:
    """The fields but `product_id`, and but those that would read `column` again."""
    kept = {}
    for name, source in fields.items():
        if name == "title" or (name != "product_id" and source != column):
            kept[name] = source
    return kept


def id_column(
    path: Path, log: pd.DataFrame, drafted: object = None, named: str | None = None
) -> str | None:
    """The feed's column of ids that the order log names its products by, found by its values.

    Parameters
    ----------
    path : Path
        The feed.
    log : DataFrame
    drafted : str, optional
        The feed's column that its name tells.
    named : str, optional
        The log's column of items, where its name tells it. All are looked at where it doesn't.

    Returns
    -------
    str or None
        None where the drafted column does as well as any other, or none holds enough of the log's
        items: half of the rows, or a tenth where the log's column is known.
    """
    rows = [row for row in read_rows(path).rows if row]
    feed = pd.DataFrame(rows).head(ROWS_LOOKED_AT).fillna("")
    some = log.head(ROWS_LOOKED_AT)
    asked = [loosened(as_ids(some[name])) for name in ([named] if named else some.columns)]
    best = None
    most = 0.1 if named else 0.5
    for name in sorted(feed.columns, key=lambda name: name != drafted):
        ids = set(loosened(as_ids(feed[name]))) - {""}
        is_unique = len(ids) > 0.5 * len(feed)
        share = max((items.isin(ids).mean() for items in asked), default=0.0)
        if is_unique and share > most:
            best = name
            most = share + 0.05  # another column must do clearly better
    return best if best != drafted else None


def _namesake(path: Path, log: pd.DataFrame, read: list) -> str | None:
    """A feed's column of different cells that bears the name of a column of the log, and that no
    field reads: ids that the two files write differently, so that a message can show both.
    """
    feed = pd.DataFrame([row for row in read_rows(path).rows if row])
    for name in feed.columns:
        is_shared = name in log.columns and name not in read
        if is_shared and feed[name].nunique() > 0.5 * len(feed):
            return str(name)
    return None


def _spec(text: str, name: str) -> FeedSpec:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return load_spec(path)


def _pattern(given: str, path: Path) -> str:
    """What the profile names: the pattern given, or that of the file's name if it holds a date."""
    if glob.has_magic(given):
        return str(Path(given).expanduser().absolute())
    return pattern_of(path.absolute())


# ---------------------------------------------------------------------------- is it enough?
def _check_catalogue(catalog: pd.DataFrame, feeds: list[CheckedFeed]) -> None:
    if len(catalog) < FEWEST_PRODUCTS:
        files = ", ".join(feed.path.name for feed in feeds)
        raise ShopError(
            f"{files}: {len(catalog)} products; the chapters want {FEWEST_PRODUCTS} or more"
        )


def _check_customers(orders: Orders, file: str) -> None:
    n_items = orders.log.groupby("user")["item"].size()
    if (n_items < 2).all():
        raise OrderError(
            f"{file}: each of its {len(n_items)} customers bought one product only, so nobody can "
            "be examined and nothing is bought together. Is the customer's column the order's "
            "number?  --columns customer=NAME"
        )


def choose_platforms(catalog: pd.DataFrame, log: pd.DataFrame, column: str = "") -> Platforms:
    """The two platforms with the most customers in common, or two that products are dealt to.

    Parameters
    ----------
    catalog : DataFrame
    log : DataFrame
        user, item.
    column : str
        Of the catalogue; empty for its shops, if there are several.

    Raises
    ------
    ShopError
        If the column isn't there, or holds no two platforms with customers in common.
    """
    if not column:
        column = OWN
        if catalog[OWN].nunique() < 2:
            return Platforms(DEALT, "A", "B")
    if column not in catalog:
        known = [
            name for name in PLATFORM_COLUMNS if name in catalog and catalog[name].nunique() > 1
        ]
        raise ShopError(f"--platforms {column}: no such column; there are {', '.join(known)}")
    pair = _busiest_pair(catalog, log, column)
    if pair is None:
        raise ShopError(
            f"--platforms {column}: no customer bought of two of its values with "
            f"{FEWEST_ON_A_PLATFORM} products or more; without --platforms, products are dealt"
        )
    return Platforms(column, *pair)


def _busiest_pair(catalog: pd.DataFrame, log: pd.DataFrame, column: str) -> tuple[str, str] | None:
    """The two values that most customers bought of; the one they bought more of comes first."""
    platform = catalog.set_index("image_key")[column].astype(str)
    sizes = platform.value_counts()
    large = set(sizes.index[sizes >= FEWEST_ON_A_PLATFORM])
    bought = log.assign(platform=log["item"].map(platform))
    bought = bought[bought["platform"].isin(large)]
    has_bought = pd.crosstab(bought["user"], bought["platform"]) > 0
    n_both = has_bought.T.astype(int) @ has_bought.astype(int)
    best = None
    most = 0
    for source in n_both.index:
        for target in n_both.columns:
            if source != target and n_both.loc[source, target] > most:
                most = n_both.loc[source, target]
                best = (source, target)
    if best is None:
        return None
    by_customers = has_bought.sum()
    first, second = sorted(best, key=lambda name: (-by_customers[name], name))
    return first, second


def _examined(
    catalog: pd.DataFrame, log: pd.DataFrame, platforms: Platforms, file: str
) -> list[str]:
    """How many customers can sit the exam, and with how long a history."""
    items = ItemFeatures(np.zeros((len(catalog), 1), np.float32), catalog)
    if platforms.column == DEALT:
        items = deal(items, SEED)
    elif platforms.column != OWN:
        items = by_column(items, platforms.column)
    matrix = Interactions.from_frame(log, pd.Index(catalog["image_key"]), shoppers=REAL)
    try:
        lengths = lengths_for(matrix, items, platforms.source, platforms.target, SEED)
    except NobodyToExamine as error:
        raise OrderError(f"{file}: {error}") from None
    n_able = n_able_for(matrix, items, platforms.source, platforms.target, SEED)
    longest = f"known by up to {lengths[-1]} products on {platforms.source}"
    n_tested = n_able[lengths[-1]]
    lines = [f"exam: {n_tested} customers, {longest}, asked about {platforms.target}"]
    if n_tested < FEW_TESTED:
        lines.append("few customers: expect wide intervals, and read no order of methods into them")
    return lines


def _vectors(catalog: pd.DataFrame, photos: str) -> str:
    """What tells the products apart.

    The course's encoder knows clothes. Of other products it says what a picture looks like, and
    their words are counted.
    """
    named = catalog["category"].isin(_categories() - {UNNAMED})
    if named.mean() >= CLOTHES:
        return CLIP
    has_pictures = bool(photos) or (catalog["image_urls"].str.len() > 0).any()
    return LOOKS if has_pictures else WORDS


def _categories() -> set[str]:
    from helpers.feeds import load_vocabulary

    return set(load_vocabulary().categories.labels)


# ---------------------------------------------------------------------------- what is told
def _feed_lines(feeds: list[CheckedFeed], catalog: pd.DataFrame, merged: pd.DataFrame) -> list[str]:
    lines = []
    for feed in feeds:
        lines.append(
            f"{feed.path.name}: {feed.result.about.read} rows read, {len(feed.result.products)} "
            "products, "
            f"{len(feed.result.rejects)} rejected"
        )
        for row in rejects_by_reason(feed.result.rejects).head(5).itertuples():
            lines.append(f"  rejected, {row.reason}: {row.rows} (first: {row.example})")
        lines += _field_lines(_spec(feed.text, feed.name))
        lines += _unused_lines(feed)
        lines.append(_currency_line(feed))
    lines.append(f"catalogue: {len(catalog)} products, {len(merged)} rows merged into others")
    return lines


def _field_lines(spec: FeedSpec) -> list[str]:
    told = []
    for name, sources in spec.fields.items():
        columns = [column for source in sources for column in source.columns]
        told.append(f"{name} = {' or '.join(columns)}")
    return [f"  columns: {', '.join(told)}"]


def _unused_lines(feed: CheckedFeed) -> list[str]:
    """Columns that the feed's YAML says it doesn't use."""
    lines = feed.text.splitlines()
    unused = [line.removeprefix(NOT_USED) for line in lines if line.startswith(NOT_USED)]
    if not unused:
        return []
    yaml_file = f"data/feeds/{feed.name}.yaml"
    return [f"  columns that are not used: {', '.join(unused)} ({yaml_file} can use them)"]


def _currency_line(feed: CheckedFeed) -> str:
    if feed.result.products["price"].isna().all():
        return "  no price was read: lists can't be cut by --max-price"
    codes = sorted(set(feed.result.products["currency"].dropna()) - {""})
    if codes:
        return f"  currency: {', '.join(codes)}"
    return (
        "  currency: nothing tells it. Write its code, such as EUR, into "
        f"data/feeds/{feed.name}.yaml. Without it, prices are not turned into dollars, and "
        "`course recommend --max-price` finds nothing"
    )


def _order_lines(orders: Orders, path: Path, feeds: list[CheckedFeed]) -> list[str]:
    lines = [f"{path.name}:"]
    lines += [f"  {line}" for line in orders.report().splitlines()]
    is_unknown = orders.left_out["reason"].str.startswith("product not in")
    unknown = loosened(orders.left_out.loc[is_unknown, "item"].astype(str))
    n_rejected = int(unknown.isin(_rejected_ids(feeds)).sum())
    if n_rejected:
        lines.append(
            f"  {n_rejected} of the rows left out are orders of the products rejected above"
        )
    first = pd.to_datetime(orders.log["timestamp"].min(), unit="s")
    last = pd.to_datetime(orders.log["timestamp"].max(), unit="s")
    if last.year > 1970:
        lines.append(f"  from {first:%Y-%m-%d} to {last:%Y-%m-%d}")
    return lines


def _rejected_ids(feeds: list[CheckedFeed]) -> set[str]:
    """Ids of the feeds' rows that became no product, where a column holds them."""
    found: set[str] = set()
    for feed in feeds:
        column = yaml.safe_load(feed.text)["fields"].get("product_id")
        if not isinstance(column, str):
            continue
        rows = read_rows(feed.path).rows
        numbers = feed.result.rejects["source_row"].dropna().astype(int)
        rejected = [rows[number - 1] for number in numbers if number <= len(rows)]
        ids = pd.Series([(row or {}).get(column, "") for row in rejected], dtype=object)
        found |= set(loosened(as_ids(ids)))
    return found - {""}


def _vector_line(vectors: str) -> str:
    if vectors == WORDS:
        return "items are told apart by their words (no clothes, no pictures)"
    if vectors == LOOKS:
        return "items are told apart by what their pictures look like and by their words"
    return "items are told apart by the course's encoder of pictures and titles"


def _next_steps(name: str) -> list[str]:
    return [
        "next:",
        f"  course run --profile {name}",
        f"  course recommend --profile {name} --history my_items.csv",
    ]


# ---------------------------------------------------------------------------- what is written
def _profile(
    files: ShopFiles,
    feeds: list[CheckedFeed],
    photos: str,
    orders_path: Path,
    platforms: Platforms,
    vectors: str,
) -> str:
    augment = {"source": "shop", "feed_files": [f"{feed.name}={feed.pattern}" for feed in feeds]}
    if photos:
        augment["photos_dir"] = photos
    interactions: dict[str, str | list[str]] = {
        "orders": _pattern(files.orders, orders_path),
        "source": platforms.source,
        "target": platforms.target,
        "platforms": platforms.column,
        "vectors": vectors,
    }
    if files.columns:
        interactions["order_columns"] = [f"{key}={name}" for key, name in files.columns.items()]
    sections = {"01_augment": augment, "02_interactions": interactions}
    body = yaml.safe_dump(sections, sort_keys=False, allow_unicode=True, width=1000)
    note = (
        "# Of a pattern the newest file counts: put tomorrow's export beside today's, and run "
        "again."
    )
    return f"{MARK} Change what you like; `course shop` writes it anew.\n{note}\n{body}"


def _write(
    name: str, feeds: list[CheckedFeed], profile: str, report: str, orders: Orders
) -> list[str]:
    """Write everything, or nothing: what was written goes again if a later file can't be."""
    folder = data_dir(name)
    writers: dict[Path, Callable[[Path], None]] = {}
    for feed in feeds:
        if feed.is_new:
            writers[FEEDS / f"{feed.name}.yaml"] = _text_writer(feed.text)
    writers[folder / REPORT] = _text_writer(report + "\n")
    writers[folder / LEFT_OUT] = lambda path: write_left_out(orders, path)
    writers[PROFILES / f"{name}.yaml"] = _text_writer(profile)
    with ExitStack() as undo:
        for path, write in writers.items():
            if not path.exists():
                undo.callback(path.unlink, missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
        undo.pop_all()
    lines = [f"written: {path}" for path in writers]
    kept = [feed.name for feed in feeds if not feed.is_new]
    return lines + [f"kept as it was: {FEEDS / f'{spec}.yaml'}" for spec in kept]


def _text_writer(text: str) -> Callable[[Path], None]:
    return lambda path: write_text(text, path)
