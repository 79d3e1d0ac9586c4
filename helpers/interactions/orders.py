"""A shop's own order log: any file of who bought what and when, as a table of likes.

The columns are recognized by their names, in the shop's own words. Nothing that was read is lost:
each row is an interaction, or a row of `left_out` with the reason. A purchase is a like (rating 5).
There are no dislikes in an order log, so nothing may be inferred from what was not bought.
"""

import codecs
import csv
import re
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np
import pandas as pd

from helpers.artefacts import ROOT, newest_file
from helpers.feeds.money import parse_amount
from helpers.interactions.dates import looks_like_times, read_times
from helpers.interactions.privacy import BLANK, EMAIL, hash_ids

PURCHASE_RATING = 5.0
WISH_RATING = 4.0
FEWEST_CUSTOMERS = 2
DAY = 86_400
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", *JSON_SUFFIXES)
SEPARATORS = (",", ";", "\t", "|")
SNIFFED_BYTES = 1 << 16
BLOCK_BYTES = 1 << 20
ROWS_LOOKED_AT = 2_000

# Words that name a column, best first. A name counts if it equals one of them after accents and
# everything but letters and digits are taken out.
NAMES = {
    "customer": (
        *("customer", "customerid", "customerno", "customernumber", "user", "userid", "shopper"),
        *("shopperid", "client", "clientid", "buyer", "buyerid", "member", "memberid", "account"),
        *("accountid", "household", "householdid", "email", "customeremail", "emailaddress"),
        *(
            "billingemail",
            "visitorid",
            "reviewerid",
            "mail",
            "emailadresse",
            "mailadresse",
            "epost",
        ),
        *("epostadress", "courriel", "adressemail", "correo", "correoelectronico", "sahkoposti"),
        *("kunde", "kundennummer", "kundennr", "kundenid", "kdnr", "kundenr"),
        *("cliente", "idcliente", "codcliente", "numeroclient", "numclient", "idclient"),
        *("codeclient", "codicecliente", "usuario", "utente", "klant", "klantnummer", "klantnr"),
        *("kund", "kundnummer", "kundnr", "klient", "idklienta", "musteri", "asiakas"),
    ),
    "item": (
        *("item", "itemid", "product", "productid", "articleid", "article", "sku", "stockcode"),
        *("lineitemsku", "variantsku", "productcode", "itemcode", "asin", "productsku"),
        *("artikelnummer", "artikelnr", "artnr", "artikelid", "artikel", "referenceproduit"),
        *("refproduit", "codearticle", "codeproduit", "reference", "ref", "idproduit", "produit"),
        *(
            "idproducto",
            "codproducto",
            "codigoproducto",
            "producto",
            "idprodotto",
            "codiceprodotto",
        ),
        *("codicearticolo", "prodotto", "idproduto", "codigoproduto", "produto", "produkt"),
        *("produktnummer", "produktnr", "varenummer", "varenr", "varunummer", "idproduktu"),
        *("productno",),
        *("lineitemname", "productname", "itemname", "description", "title"),
    ),
    "time": (
        *("time", "timestamp", "date", "datetime", "orderdate", "orderedat", "createdat"),
        *("purchasedate", "purchasedat", "paidat", "invoicedate", "tdat", "orderedon"),
        *("transactiondate", "transactiontimestamp", "reviewdate", "eventtime", "day"),
        *("bestelldatum", "kaufdatum", "auftragsdatum", "rechnungsdatum", "datum", "zeitpunkt"),
        *("datecommande", "datedecommande", "dateachat", "fechapedido", "fechacompra", "fecha"),
        *("dataordine", "dataacquisto", "datapedido", "datacompra", "data", "besteldatum"),
        *("orderdatum", "datazamowienia", "dato", "ordredato", "bestillingsdato", "pvm"),
    ),
    "quantity": (
        *("quantity", "qty", "lineitemquantity", "amountordered", "units", "pieces"),
        *("menge", "anzahl", "stk", "stuck", "stueck", "stuckzahl", "quantite", "qte", "cantidad"),
        *("unidades", "quantita", "qta", "quantidade", "aantal", "antal", "ilosc"),
    ),
    "price": (
        *("price", "unitprice", "lineitemprice", "itemprice", "salesvalue", "preis"),
        *("einzelpreis", "prix", "prixunitaire", "precio", "preciounitario", "prezzo", "preco"),
        *("prijs", "pris", "cena"),
    ),
    "event": ("event", "eventtype", "action", "type", "interaction"),
    "rating": ("rating", "stars", "score", "reviewscore", "overall"),
    "returned": ("returned", "isreturn", "return", "refunded", "isrefund", "cancelled", "canceled"),
}
NEEDED = ("customer", "item")

EVENT_RATINGS = {
    PURCHASE_RATING: ("purchase", "purchased", "buy", "bought", "order", "ordered", "transaction"),
    WISH_RATING: (
        "wish",
        "wishlist",
        "favorite",
        "favourite",
        "like",
        "liked",
        "cart",
        "addtocart",
    ),
}
RETURN_EVENTS = (
    *("return", "returned", "refund", "refunded", "cancel", "cancelled", "canceled"),
    *("sentback", "chargeback", "retour", "retoure", "storno"),
)
OTHER_EVENTS = (
    *("view", "viewed", "pageview", "productview", "detail", "click", "clicked", "impression"),
    *("search", "removefromcart", "checkout", "share", "review"),
)
YES = ("1", "true", "yes", "y", "t", "ja", "oui", "si", "returned", "refunded", "cancelled")
MOST_EVENTS = 0.9  # share of a column's cells, from which it tells of events
PLACEHOLDER_SHARE = 0.2  # of the rows, from which one customer may be a placeholder


class OrderError(ValueError):
    """An order log that cannot be used. The message names the file and the remedy."""


@dataclass(frozen=True)
class OrderColumns:
    """Which column of a log says what; None where the log has none.

    Attributes
    ----------
    customer, item : str
    time, quantity, price, event, rating, returned : str or None
    """

    customer: str
    item: str
    time: str | None = None
    quantity: str | None = None
    price: str | None = None
    event: str | None = None
    rating: str | None = None
    returned: str | None = None

    def used(self) -> set[str]:
        """Columns that say something."""
        columns = [getattr(self, entry.name) for entry in fields(self)]
        return {column for column in columns if column is not None}

    def __str__(self) -> str:
        told = []
        for entry in fields(self):
            column = getattr(self, entry.name)
            if column is not None:
                told.append(f"{entry.name} = {column}")
        return ", ".join(told)


@dataclass(frozen=True)
class Orders:
    """A log that is ready to learn from.

    Attributes
    ----------
    log : DataFrame
        One row per customer and item: user (a keyed hash), item (`image_key`), rating (1-5),
        timestamp (seconds; 0 where unknown), event and platform. Sorted by time.
    left_out : DataFrame
        Rows that did not become an interaction: `row` (from 1, without the header), `item` as the
        file has it, `reason`.
    columns : OrderColumns
        How the file was read.
    n_read : int
    n_joined : int
        Rows that name a customer and an item which an earlier or later row names, too. They are
        part of one interaction.
    notes : list of str
        What a careful reader should know.
    """

    log: pd.DataFrame
    left_out: pd.DataFrame
    columns: OrderColumns
    n_read: int
    n_joined: int
    notes: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Rows read, kept as pairs, joined to them, and left out for each reason."""
        found = {"read": self.n_read, "pairs": len(self.log), "joined": self.n_joined}
        for reason, n in self.left_out["reason"].value_counts().items():
            found[f"left out, {reason}"] = int(n)
        return found

    def report(self) -> str:
        """What was read and what became of it, in a few lines."""
        n_customers = self.log["user"].nunique()
        n_items = self.log["item"].nunique()
        lines = [
            f"columns: {self.columns}",
            f"{self.n_read} rows read: {len(self.log)} customer-item pairs of {n_customers} "
            f"customers and {n_items} products, {self.n_joined} more rows of the same pairs, "
            f"{len(self.left_out)} left out",
        ]
        by_reason = self.left_out.groupby("reason", sort=False)
        for reason, n in self.left_out["reason"].value_counts().items():
            first = by_reason.get_group(reason).iloc[0]
            example = f"first: row {first['row']}, item {first['item']!r}"
            lines.append(f"  left out, {reason}: {n} ({example})")
        return "\n".join([*lines, *self.notes])


def read_orders(
    path: str | Path,
    catalog: pd.DataFrame,
    key: bytes,
    columns: dict[str, str] | None = None,
    now: pd.Timestamp | None = None,
    merged: pd.DataFrame | None = None,
) -> Orders:
    """Read an order log of any shape against a catalogue.

    Parameters
    ----------
    path : path
        CSV (any separator), Parquet or JSON lines. Relative paths are looked for in the working
        directory, then in the project.
    catalog : DataFrame
        `image_key`, `product_id` and `platform`; `title` where items are named by it.
    key : bytes
        For customers' pseudonyms; see `privacy.secret_key`.
    columns : dict, optional
        Names of columns that are not recognized: {"customer": "Kdnr"}.
    now : Timestamp, optional
        What lies more than a day after it is in the future. By default the clock's time.
    merged : DataFrame, optional
        As `harmonise` returns it: rows that became part of another product, under whose key their
        orders count.

    Raises
    ------
    OrderError
        If the file cannot be read, a needed column is missing, or nothing is left to learn from.
    """
    path = find_file(path)
    table = read_table(path)
    known_names = catalog if merged is None else _with_merged(catalog, merged)
    read_as = _recognized(table, catalog, path.name, columns)
    rows = _plain_rows(table, read_as)
    left_out = _LeftOut(rows)
    left_out.drop(each_once(_is_blank, rows["customer"]), "no customer")
    left_out.drop(each_once(_is_blank, rows["item"]), "no product")
    notes = _unused(table, read_as)
    notes += _rate(rows, read_as, left_out, path.name)
    notes += _date(rows, read_as, left_out, now)
    keys = each_once(lambda names: match_items(names, known_names), rows["item"])
    left_out.drop(keys == SEVERAL, "product name that several share: write platform/id")
    left_out.drop(keys == "", "product not in the catalog")
    if not left_out.is_kept.any():
        _refuse(rows, left_out, catalog, path.name, column_of_items(table, catalog))
    kept = rows[left_out.is_kept].assign(item=keys[left_out.is_kept])
    # From here on a name is a number: each look-up of a million strings waits for memory.
    kept = kept.astype({"customer": "category", "item": "category"})
    kept, more_notes = _without_returned(kept, left_out)
    log = _one_row_per_pair(kept)
    _refuse_if_too_little(log, left_out, read_as, path.name)
    n_joined = int(left_out.is_kept.sum()) - len(log)
    log = log.assign(user=_hashed(log["user"], key))
    platform = catalog.set_index("image_key")["platform"].reindex(log["item"].cat.categories)
    log = log.assign(platform=platform.array.take(log["item"].cat.codes))
    notes += more_notes + _warnings(log, rows["customer"])
    order = ["timestamp", "user", "item"]
    log = log.sort_values(order, kind="stable").reset_index(drop=True)
    log = log.astype({"user": object, "item": object})
    return Orders(log, left_out.table(), read_as, len(rows), n_joined, notes)


def find_file(path: str | Path, *folders: str | Path) -> Path:
    """The log's path; of a pattern such as `orders_*.csv`, the newest file.

    Notebooks run in a folder of their own, so the project is looked in, too, and `folders`.
    """
    found = newest_file(path, ROOT, *folders)
    if found is None:
        raise OrderError(f"{path}: no such order log; give a CSV, Parquet or JSON lines file")
    return found


def read_table(path: Path) -> pd.DataFrame:
    """An order log's cells as text, except for a Parquet file's own types."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OrderError(f"{path.name} is none of {', '.join(SUFFIXES)}: export the log as CSV")
    try:
        if suffix == ".parquet":
            table = pd.read_parquet(path)
        elif suffix in JSON_SUFFIXES:
            table = _read_json(path)
        else:
            table = _read_csv(path)
    except pd.errors.EmptyDataError:
        raise OrderError(f"{path.name} holds nothing: export it again") from None
    except (OSError, ValueError, pd.errors.ParserError) as error:
        reason = str(error).splitlines()[0]
        raise OrderError(f"{path.name} can't be read: {reason}. Mend or export it again") from None
    if table.empty:
        raise OrderError(f"{path.name} holds no rows: export it again")
    table.columns = [str(name).strip() for name in table.columns]
    return table


def _read_json(path: Path) -> pd.DataFrame:
    """JSON lines, or one array of objects; ids keep the type that the file gives them."""
    with open(path, encoding="utf-8-sig") as stream:
        start = stream.read(SNIFFED_BYTES).lstrip()
    is_array = start.startswith("[")
    return pd.read_json(path, lines=not is_array, dtype=False, encoding="utf-8-sig")


def _read_csv(path: Path) -> pd.DataFrame:
    """Cells as text, whatever the separator. A row with a cell too many is an error.

    A shifted cell could name another customer.
    """
    with open(path, "rb") as stream:
        start = stream.read(SNIFFED_BYTES)
    encoding = _encoding_of(path)
    text = start.decode(encoding, errors="replace")
    first_line = text.partition("\n")[0]
    n_skipped = int(first_line.strip().lower().startswith("sep="))
    separator = _separator_of(text, n_skipped)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                path,
                sep=separator,
                dtype=str,
                encoding=encoding,
                skiprows=n_skipped,
                keep_default_na=False,
                index_col=False,  # or a row of too many cells would be shifted by one
            )
        except pd.errors.ParserWarning:
            raise ValueError("row 1 has more cells than the header has names") from None


def _encoding_of(path: Path) -> str:
    """UTF-16 if the file says so, UTF-8 if the bytes are, else that of Western spreadsheets."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open(path, "rb") as stream:
        if stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        stream.seek(0)
        try:
            while block := stream.read(BLOCK_BYTES):
                decoder.decode(block)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def _separator_of(text: str, n_skipped: int) -> str:
    """The separator that cuts most of the first lines into as many cells as the header."""
    lines = text.splitlines()[n_skipped : n_skipped + 50]
    best = ","
    most = 0
    for separator in SEPARATORS:
        n_cells = [len(row) for row in csv.reader(lines[:-1] or lines, delimiter=separator)]
        if not n_cells or n_cells[0] == 1:
            continue
        n_agreeing = n_cells.count(n_cells[0])
        if n_agreeing * n_cells[0] > most:
            best = separator
            most = n_agreeing * n_cells[0]
    return best


def recognize_columns(
    names: list[str], file: str, given: dict[str, str] | None = None, example: str = ""
) -> OrderColumns:
    """Which column says what, by its name; `given` comes first.

    Parameters
    ----------
    names : list of str
        Columns of the log.
    file : str
        Its name, for messages.
    given : dict of str to str, optional
        Meaning → column.
    example : str
        How the catalogue names a product, where no column's values are such names.

    Raises
    ------
    OrderError
        If no column names the customer or the item. The message lists the columns and says how to
        name one.
    """
    found: dict[str, str] = {}
    for meaning, column in (given or {}).items():
        if meaning not in NAMES:
            raise OrderError(f"a log has no {meaning!r}; known are {', '.join(NAMES)}")
        if column not in names:
            raise OrderError(f"{file} has no column {column!r}; it has {', '.join(names)}")
        found[meaning] = column
    for meaning, known in NAMES.items():
        if meaning not in found:
            named = _first_named(names, known, set(found.values()))
            if named is not None:
                found[meaning] = named
    missing = [meaning for meaning in NEEDED if meaning not in found]
    if missing:
        option = " ".join(f"{meaning}=COLUMN" for meaning in missing)
        hint = ""
        if "item" in missing and example:
            hint = f", and none holds the catalogue's ids or titles, such as {example}"
        raise OrderError(
            f"{file}: no column is recognized as {' or '.join(missing)} among "
            f"{', '.join(names)}{hint}. Say which it is:  --columns {option}"
        )
    return OrderColumns(**found)


def _recognized(
    table: pd.DataFrame, catalog: pd.DataFrame, file: str, given: dict[str, str] | None
) -> OrderColumns:
    """What each column says: by `given`, by its name, or by its values.

    Where no name tells which column holds the items, the time or the event, its values do.
    """
    names = list(table.columns)
    known = dict(given or {})
    if "item" not in known and item_by_name(names) is None:
        by_values = column_of_items(table, catalog)
        if by_values is not None:
            known["item"] = by_values
    example = f"{catalog['product_id'].iloc[0]!r} or {catalog['title'].iloc[0]!r}"
    read_as = recognize_columns(names, file, known, example)
    if read_as.time is None:
        read_as = replace(read_as, time=_column_of_times(table, read_as))
    if read_as.event is None and read_as.rating is None:
        read_as = replace(read_as, event=_column_of_events(table, read_as))
    return read_as


def _column_of_times(table: pd.DataFrame, read_as: OrderColumns) -> str | None:
    """The first column without a meaning whose cells are dates."""
    some = table.head(ROWS_LOOKED_AT)
    for name in table.columns:
        if name not in read_as.used() and looks_like_times(some[name]):
            return str(name)
    return None


def _column_of_events(table: pd.DataFrame, read_as: OrderColumns) -> str | None:
    """The first column without a meaning in which nearly every cell is an event's word."""
    known = {*OTHER_EVENTS, *RETURN_EVENTS}
    for words in EVENT_RATINGS.values():
        known.update(words)
    purchases = EVENT_RATINGS[PURCHASE_RATING]
    some = table.head(ROWS_LOOKED_AT)
    for name in table.columns:
        if name in read_as.used():
            continue
        word = _plain_words(some[name])
        if word.isin(known).mean() >= MOST_EVENTS and word.isin(purchases).any():
            return str(name)
    return None


def _plain_words(values: pd.Series) -> pd.Series:
    """Cells in small letters without signs: `Add to cart` → `addtocart`."""
    return values.astype(str).str.lower().str.replace(r"[\W_]", "", regex=True)


def _unused(table: pd.DataFrame, read_as: OrderColumns) -> list[str]:
    unused = [str(name) for name in table.columns if name not in read_as.used()]
    if not unused:
        return []
    return [f"columns that are not used: {', '.join(unused)}"]


def has_customers(names: list[str]) -> bool:
    """Whether a column's name says that it holds customers."""
    return _first_named(names, NAMES["customer"], set()) is not None


def item_by_name(names: list[str]) -> str | None:
    """The column of items, if its name tells it."""
    return _first_named(names, NAMES["item"], set())


def column_of_items(table: pd.DataFrame, catalog: pd.DataFrame) -> str | None:
    """The column whose values name products of the catalogue most often, at least in half of the
    rows.
    """
    some = table.head(ROWS_LOOKED_AT)
    best = None
    most = len(some) / 2
    for name in table.columns:
        n_known = int((match_items(as_ids(some[name]), catalog) != "").sum())
        if n_known >= most and n_known > 0:
            best = name
            most = n_known + 1
    return best


def _first_named(names: list[str], known: tuple[str, ...], taken: set[str]) -> str | None:
    plain: dict[str, str] = {}
    for name in names:
        if name not in taken:
            plain.setdefault(_letters(name), name)
    for word in known:
        if word in plain:
            return plain[word]
    return None


def _letters(name: str) -> str:
    """Small letters and digits of a name, without accents: `Stück-Nr.` → `stucknr`."""
    decomposed = unicodedata.normalize("NFKD", name.lower())
    return re.sub(r"[\W_]", "", re.sub(r"[\u0300-\u036f]", "", decomposed))


def _plain_rows(table: pd.DataFrame, columns: OrderColumns) -> pd.DataFrame:
    """The columns that matter, under their meanings; ids as text without a spreadsheet's .0."""
    rows = pd.DataFrame(index=range(len(table)))
    for entry in fields(columns):
        column = getattr(columns, entry.name)
        if column is None:
            continue
        values = table[column].reset_index(drop=True)
        if entry.name in NEEDED:
            values = each_once(as_ids, values)
        rows[entry.name] = values
    rows["customer"] = each_once(_small_addresses, rows["customer"])
    return rows


def each_once(change: Callable[[pd.Series], pd.Series], values: pd.Series) -> pd.Series:
    """`change` of a column of text, computed once for each different value.

    A log names each of its customers and products many times.
    """
    is_text = values.dtype == object or isinstance(values.dtype, pd.StringDtype)
    if not is_text or pd.api.types.infer_dtype(values, skipna=False) != "string":
        return change(values)  # 1 and True are equal, and are not the same id
    codes, different = pd.factorize(values)
    changed = change(pd.Series(different))
    return changed.take(codes).set_axis(values.index)


def _small_addresses(customers: pd.Series) -> pd.Series:
    """Customers' ids; e-mail addresses among them in small letters."""
    is_email = customers.str.contains("@", regex=False)
    return customers.mask(is_email, customers.str.lower())


def as_ids(values: pd.Series) -> pd.Series:
    """Ids as stripped text. A number that a table made a float loses its .0."""
    if pd.api.types.is_float_dtype(values):
        is_whole = values.notna() & (values == values.round())
        if (is_whole | values.isna()).all():
            values = values.astype("Int64")
    text = values.astype("string").str.strip().fillna("")
    return text.str.replace(r"^(\d+)[.,]0+$", r"\1", regex=True).astype(object)


def _hashed(customers: pd.Series, key: bytes) -> pd.Categorical:
    """Pseudonyms of a column of categories, whose order is that of the pseudonyms."""
    pseudonyms = hash_ids(customers.cat.categories, key)
    order = np.argsort(pseudonyms)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return pd.Categorical.from_codes(
        place[customers.cat.codes].tolist(), categories=pd.Index(pseudonyms[order])
    )


def _is_blank(values: pd.Series) -> pd.Series:
    return values.str.lower().isin(["", "nan", "none", "null", "#n/a", "n/a"])


class _LeftOut:
    """Which rows are no interaction, and why; the first reason counts."""

    def __init__(self, rows: pd.DataFrame):
        self.item = rows["item"]
        self.reason = pd.Series("", index=rows.index, dtype=object)

    @property
    def is_kept(self) -> pd.Series:
        return self.reason == ""

    def drop(self, which: pd.Series, reason: str) -> None:
        self.reason[which.to_numpy(bool) & self.is_kept.to_numpy()] = reason

    def table(self) -> pd.DataFrame:
        gone = ~self.is_kept
        numbers = np.flatnonzero(gone) + 1
        item = self.item[gone].str.replace(EMAIL, BLANK, regex=True)  # of a column taken wrongly
        frame = pd.DataFrame({"row": numbers, "item": item, "reason": self.reason[gone]})
        return frame.reset_index(drop=True)


def _rate(rows: pd.DataFrame, columns: OrderColumns, left_out: _LeftOut, file: str) -> list[str]:
    """Add `rating` and `event`: the log's own rating, or what its event stands for."""
    if columns.rating is not None:
        return _use_ratings(rows, left_out, file)
    rows["event"] = rows["event"] if "event" in rows else "purchase"
    word = _plain_words(rows["event"])
    rating = pd.Series(np.nan, index=rows.index)
    for value, words in EVENT_RATINGS.items():
        rating[word.isin(words)] = value
    rows["sent_back"] = word.isin(RETURN_EVENTS)
    rating[rows["sent_back"]] = PURCHASE_RATING  # it takes a purchase back
    if columns.event is not None and rating.isna().all():
        rows["event"] = "purchase"  # the column tells of something else, such as a kind of product
        rows["rating"] = PURCHASE_RATING
        return [f"no event of column {columns.event!r} is known, so every row counts as a purchase"]
    left_out.drop(rating.isna(), "the event is no purchase or wish")
    rows["event"] = np.where(rating == PURCHASE_RATING, "purchase", "wish")
    rows["rating"] = rating
    return []


def _use_ratings(rows: pd.DataFrame, left_out: _LeftOut, file: str) -> list[str]:
    rating = _numbers(rows["rating"])
    rows["event"] = "rating"
    notes = []
    highest = rating.max()
    if 5 < highest <= 10:
        rating = rating / 2
        notes.append(f"ratings go up to {highest:g}, so they are halved to 1-5")
    rows["rating"] = rating
    left_out.drop(rating.isna(), "the rating is not a number")
    left_out.drop(~rating.between(1, 5), "the rating is outside 1-5")
    if not left_out.is_kept.any():
        first = rows.iloc[0]["rating"]
        raise OrderError(f"{file}: no rating lies in 1-5; the first is {first!r}")
    return notes


def _date(
    rows: pd.DataFrame, columns: OrderColumns, left_out: _LeftOut, now: pd.Timestamp | None
) -> list[str]:
    """Add `timestamp` in seconds."""
    if columns.time is None:
        rows["timestamp"] = 0
        return [
            "no column is recognized as time, so nothing can be said of first items or of the last "
            "weeks; if there is one:  --columns time=NAME"
        ]
    times = read_times(rows["time"])
    now = pd.Timestamp.now("UTC") if now is None else now
    left_out.drop(times.seconds.isna(), "the time is not a date")
    left_out.drop(times.is_turned, "the day and the month are turned against most other rows")
    left_out.drop(times.seconds > now.timestamp() + DAY, "the time lies in the future")
    rows["timestamp"] = times.seconds.fillna(0).astype("int64")
    return times.notes


SEVERAL = "\0several"
"""Stands for a product id that several platforms use."""


def _with_merged(catalog: pd.DataFrame, merged: pd.DataFrame) -> pd.DataFrame:
    """Names of products, with the ids of rows that were merged into others."""
    has_another_key = merged["image_key"] != merged["merged_into"]
    rows = merged[has_another_key]
    key_parts = rows["image_key"].astype(str).str.split("/", n=1)
    others = pd.DataFrame(
        {
            "image_key": rows["merged_into"],
            "product_id": key_parts.str[1],
            "title": "",
        }
    )
    names = [name for name in others if name in catalog]
    return pd.concat([catalog[names], others], ignore_index=True)


def match_items(items: pd.Series, catalog: pd.DataFrame) -> pd.Series:
    """`image_key` of each item, "" where the catalogue lacks it, `SEVERAL` where it is unclear.

    An item may be named by its key, its product id, the same id without leading zeros or with
    another case, or its title.
    """
    keys = catalog["image_key"].astype(str)
    exact = pd.Series(keys.to_numpy(), index=keys.to_numpy())
    exact = exact[~exact.index.duplicated()]
    ids = catalog["product_id"].astype(str).str.strip()
    lookups = [exact, _lookup(ids, keys), _lookup(loosened(ids), keys)]
    if "title" in catalog:
        lookups.append(_lookup(loosened(catalog["title"].astype(str)), keys))
    wanted = [items, items, loosened(items), loosened(items)]
    found = pd.Series("", index=items.index, dtype=object)
    for lookup, names in zip(lookups, wanted, strict=False):
        answer = names.map(lookup).astype(object).fillna("")
        found = found.where(found != "", answer)
    return found


def _lookup(names: pd.Series, keys: pd.Series) -> pd.Series:
    """Key by name; `SEVERAL` for a name that several products share."""
    table = pd.Series(keys.to_numpy(), index=names.to_numpy(), dtype=object)
    n_keys = table.groupby(level=0).transform("nunique")
    table[n_keys > 1] = SEVERAL
    is_first = ~table.index.duplicated()
    has_name = table.index != ""
    return table[is_first & has_name]


def loosened(names: pd.Series) -> pd.Series:
    """Lower case, single spaces, without leading zeros."""
    plain = names.str.lower().str.replace(r"\s+", " ", regex=True).str.strip()
    return plain.str.lstrip("0")


REMEDIES = {
    "no customer": "Give the column of customers:  --columns customer=NAME",
    "no product": "Give the column of the catalogue's ids:  --columns item=NAME",
    "the time is not a date": "Give the column of dates:  --columns time=NAME",
    "the time lies in the future": "Mend the dates, or this machine's clock, or give the column of "
    "dates:  --columns time=NAME",
    "the event is no purchase or wish": "Give the column of events:  --columns event=NAME",
}


def _refuse(
    rows: pd.DataFrame,
    left_out: _LeftOut,
    catalog: pd.DataFrame,
    file: str,
    better: str | None,
) -> NoReturn:
    """Say why no row can be used; `better` is a column that would match the catalogue."""
    reasons = left_out.reason.value_counts()
    most = reasons.index[0]
    if not most.startswith("product"):
        place = int(np.argmax(left_out.reason == most))
        told = rows.iloc[place]
        value = told["time"] if "time" in most else told["item"]
        raise OrderError(
            f"{file}: none of {len(rows)} rows can be used ({most}: {reasons.iloc[0]}). "
            f"Row {place + 1} has {str(value)!r}. {REMEDIES.get(most, 'Export the log again')}"
        )
    unknown = rows["item"][left_out.reason.str.startswith("product")].iloc[0]
    known = catalog.iloc[0]
    raise OrderError(
        f"{file}: none of its products is in the catalogue. It names {unknown!r}; the catalogue "
        f"has ids such as {known['product_id']!r} and keys such as {known['image_key']!r}. "
        f"{_remedy_for_items(better)}"
    )


def _remedy_for_items(better: str | None) -> str:
    if better is not None:
        return f"Give the column that holds the catalogue's ids:  --columns item={better}"
    return (
        "No column of the log holds the catalogue's ids or titles: are both files of one shop, and "
        "its ids written alike? If you know the column:  --columns item=NAME"
    )


def _without_returned(kept: pd.DataFrame, left_out: _LeftOut) -> tuple[pd.DataFrame, list[str]]:
    """Purchases of pairs that were not all sent back, and what a reader should know of it.

    A return is a row with a negative quantity, with a flag, or of an event such as `return`.
    """
    n_pieces, notes = _pieces(kept)
    is_return = pd.Series(False, index=kept.index)
    if "returned" in kept:
        word = kept["returned"].astype(str).str.strip().str.lower()
        is_return |= word.isin(YES)
    if "sent_back" in kept:
        is_return |= kept["sent_back"]
    n_pieces = n_pieces.where(~is_return, -n_pieces.abs())
    if (n_pieces > 0).all():
        return kept, notes
    is_nothing = pd.Series(False, index=left_out.reason.index)
    is_nothing[kept.index] = n_pieces == 0
    left_out.drop(is_nothing, "the quantity is 0")
    pair = [kept["customer"], kept["item"]]
    kept_pieces = n_pieces.groupby(pair, observed=True).transform("sum")
    sent_back = pd.Series(False, index=left_out.reason.index)
    sent_back[kept.index] = kept_pieces <= 0
    left_out.drop(sent_back, "returned")
    return kept[(kept_pieces > 0) & (n_pieces > 0)], notes


def _pieces(kept: pd.DataFrame) -> tuple[pd.Series, list[str]]:
    """How many pieces each row is of; a row without a number counts as one."""
    if "quantity" not in kept:
        return pd.Series(1.0, index=kept.index), []
    pieces = _numbers(kept["quantity"])
    told = kept["quantity"].astype("string").str.strip().fillna("")
    unread = told[pieces.isna() & (told != "")]
    notes = []
    if len(unread):
        first = f"row {unread.index[0] + 1} has {unread.iloc[0]!r}"
        notes = [f"{len(unread)} quantities are no numbers ({first}) and count as one piece"]
    return pieces.fillna(1.0), notes


def _numbers(values: pd.Series) -> pd.Series:
    """Numbers of cells, also as people write them: `-1,00`, `1.000`, `(2)`, `3-`; else NaN."""
    number = pd.to_numeric(values, errors="coerce")
    number = number.astype("float64")
    is_unread = number.isna() & values.notna()
    unread = values[is_unread].astype(str)
    by_text = {text: _number(text) for text in unread.unique()}
    read = unread.map(by_text)
    return number.fillna(read.astype("float64"))


def _number(text: str) -> float | None:
    plain = text.strip().replace("\u2212", "-")
    in_brackets = plain.startswith("(") and plain.endswith(")")
    is_negative = in_brackets or plain.startswith("-") or plain.endswith("-")
    digits = plain.strip("()-+ ")
    amount = parse_amount(digits, "EUR") if digits[:1].isdigit() else None
    if amount is None:
        return None
    return -amount if is_negative else amount


def _one_row_per_pair(kept: pd.DataFrame) -> pd.DataFrame:
    """The first purchase or wish of a pair, or its last rating."""
    ordered = kept.sort_values("timestamp", kind="stable")
    is_rating = (ordered["event"] == "rating").any()
    if not is_rating:  # of a wish and a purchase, the purchase tells more
        ordered = ordered.sort_values("rating", ascending=False, kind="stable")
    which: Literal["first", "last"] = "last" if is_rating else "first"
    single = ordered.drop_duplicates(["customer", "item"], keep=which)
    log = single[["customer", "item", "rating", "timestamp", "event"]]
    return log.rename(columns={"customer": "user"})


def _refuse_if_too_little(
    log: pd.DataFrame, left_out: _LeftOut, columns: OrderColumns, file: str
) -> None:
    sides = (("user", "customer", columns.customer), ("item", "product", columns.item))
    for side, what, column in sides:
        n = log[side].nunique()
        if n < FEWEST_CUSTOMERS:
            reasons = left_out.table()["reason"].value_counts()
            told = ", ".join(f"{reason}: {n_rows}" for reason, n_rows in reasons.items())
            meaning = "customer" if side == "user" else "item"
            raise OrderError(
                f"{file}: its {len(log)} usable rows are all of one {what} (column {column!r}), "
                "and "
                f"learning from others takes two or more; left out: {told or 'nothing'}. If "
                f"another column tells them apart:  --columns {meaning}=NAME"
            )


def _warnings(log: pd.DataFrame, customers: pd.Series) -> list[str]:
    """What a careful reader should know of a log, and of the customers of all its rows."""
    notes = []
    share = customers[customers != ""].value_counts(normalize=True).iloc[0]
    if share >= PLACEHOLDER_SHARE and log["user"].nunique() > 1 / PLACEHOLDER_SHARE:
        notes.append(
            f"one customer has {share:.0%} of all rows: if this is a placeholder such as 'guest', "
            "empty its cells, so that its rows are left out"
        )
    n_items = log.groupby("user", observed=True)["item"].size()
    n_single = int((n_items == 1).sum())
    if n_single:
        notes.append(
            f"{n_single} of {len(n_items)} customers bought one product only: they help learn what "
            "is popular, but cannot be examined"
        )
    return notes
