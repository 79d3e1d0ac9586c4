"""At the door: names become keyed hashes, personal columns stay out, small groups hide."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

PUBLIC_KEY = b"cold-start-course: simulated shoppers"
"""For made-up people only, so that a profile repeats."""
PUBLISHED_KEY = b"cold-start-course: published customers"
"""For published data sets, which name pseudonyms only."""
KEY_VARIABLE = "COURSE_USER_KEY"
SHORTEST_KEY = 16
SMALLEST_GROUP = 5
PERSONAL_WORDS = (
    *("e_?mail", "phone", "mobile", "tel", "telephone", "address", "street", "zip", "post_?code"),
    *("city", "surname", r"birth\w*", "dob", "ssn", "passport", "iban", "card(_?number)?", "ip"),
    *("e_?mail_?(adresse|address)", "telefon", "telefono", "adresse", "adres", "kundenavn"),
    *("vorname", "nachname", "nom_?client", "prenom", "apellidos?", "cognome"),
    *("latitude", "longitude", "(first|last|full|given|family|user|customer|shopper)_?name"),
)
PERSONAL = re.compile(rf"^name$|(^|_)({'|'.join(PERSONAL_WORDS)})($|_)", re.IGNORECASE)
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
PHONE = re.compile(  # international, national with a leading zero (nine digits or more), or 3-3-4
    r"(?<![\w./-])((?:\+|00)\d(?:[ ()./-]{0,2}\d){7,13}|\(?0\d(?:[ ()./-]{0,2}\d){7,10}|"
    r"\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4})(?!\w)"
)
WORD = re.compile(r"[^\W\d_]{3,}")
HOUSE_NUMBER = re.compile(r"\b\d+[a-z]?\b", re.IGNORECASE)  # also with a letter: 12b
BLANK = "[removed]"


def secret_key() -> bytes:
    """The key for real people's ids, from the environment.

    Raises
    ------
    KeyError
        If it is absent or short. The message says how to make one.
    """
    key = os.environ.get(KEY_VARIABLE, "").encode()
    if len(key) < SHORTEST_KEY:
        make_one = "python -c 'import secrets; print(secrets.token_hex(32))'"
        raise KeyError(
            f"{KEY_VARIABLE} must hold a key of at least {SHORTEST_KEY} characters for real "
            "shoppers' ids. Make one, and keep it out of the project:  "
            f"export {KEY_VARIABLE}=$({make_one})"
        )
    return key


def hash_ids(names: Iterable[object], key: bytes) -> np.ndarray:
    """Keyed pseudonyms, 16 hexadecimal digits each (BLAKE2b, RFC 7693).

    Without the key nobody can test a guess.
    """
    short_key = hashlib.blake2b(key).digest()
    base = hashlib.blake2b(key=short_key, digest_size=8)
    hashed = []
    for name in names:
        one = base.copy()
        one.update(str(name).encode())
        hashed.append(one.hexdigest())
    return np.array(hashed, dtype=object)


def admit(
    orders: pd.DataFrame, user: str = "user", item: str = "item", key: bytes | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Let an order history in without its people.

    The `user` column becomes a keyed hash. Personal columns are dropped. From any text that
    remains, e-mail addresses, telephone numbers, and the words and house numbers of the row's own
    personal columns (a name, a street) are blanked, except for the `item` column's product numbers.

    Returns
    -------
    table : DataFrame
    report : dict of str to int
        How many cells each rule changed.
    """
    if user not in orders:
        raise KeyError(f"no column {user!r} to hash among {list(orders.columns)}")
    if key is None:
        key = secret_key()
    others = [name for name in orders.columns if name not in (user, item)]
    personal = [name for name in others if is_personal(name)]
    report = {f"column {name} dropped": len(orders) for name in personal}
    kept = orders.drop(columns=personal)
    kept[user] = hash_ids(orders[user], key)
    own = [_own_words(row) for row in orders[[user, *personal]].itertuples(index=False)]
    for column in kept.columns.drop([user, item], errors="ignore"):
        if _is_text(kept[column]):
            report |= _blank_column(kept, column, own)
    return kept, report


def is_personal(column: str) -> bool:
    """Whether a column's name says that it holds names, addresses or other personal data."""
    return PERSONAL.search(_plain(column)) is not None


def _plain(name: str) -> str:
    """A column's name with underscores: customerEmail → customer_Email."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[\s-]+", "_", str(name))


def _is_text(column: pd.Series) -> bool:
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype)


def _blank_column(kept: pd.DataFrame, column: str, own_words: list[set[str]]) -> dict[str, int]:
    """Blank what is personal in a column of `kept`; how many cells each rule changed.

    `own_words` are those of each row, and its house numbers.
    """
    rules: dict[str, Callable[[str, set[str]], str]] = {
        "e-mail": lambda cell, own: EMAIL.sub(BLANK, cell),
        "phone": lambda cell, own: PHONE.sub(BLANK, cell),
        "own name or address": _without_own_words,
    }
    report = {}
    for kind, clean in rules.items():
        cells = kept[column].tolist()
        cleaned = []
        for cell, own in zip(cells, own_words, strict=True):
            cleaned.append(clean(cell, own) if isinstance(cell, str) else cell)
        n_changed = sum(
            isinstance(old, str) and old != new for old, new in zip(cells, cleaned, strict=True)
        )
        if n_changed:
            report[f"{kind} in {column} blanked"] = n_changed
            kept[column] = cleaned
    return report


def _without_own_words(cell: str, own: set[str]) -> str:
    def blank(match: re.Match[str]) -> str:
        return BLANK if match[0].lower() in own else match[0]

    return HOUSE_NUMBER.sub(blank, WORD.sub(blank, cell))


def _own_words(cells: Iterable[object]) -> set[str]:
    """Words and house numbers of a row's personal cells, in lower case.

    E-mail addresses are found by their form, and so are telephone numbers, which have no letters.
    """
    texts = [cell for cell in cells if isinstance(cell, str) and "@" not in cell]
    found = []
    for text in texts:
        words = WORD.findall(text)
        found += words
        if words:  # a street
            found += HOUSE_NUMBER.findall(text)
    return {word.lower() for word in found}


def suppress(counts: pd.DataFrame, n: str = "n_users", k: int = SMALLEST_GROUP) -> pd.DataFrame:
    """A table fit to publish (k-anonymity).

    Groups of fewer than `k` people keep their label and lose their numbers. If exactly one group
    would be hidden, the next smallest is hidden, too: totals would give the first away.
    """
    is_small = (counts[n] < k).to_numpy(copy=True)
    if is_small.sum() == 1 and len(counts) > 1:
        others = np.where(is_small, np.inf, counts[n])
        is_small[np.argsort(others, kind="stable")[0]] = True
    numbers = counts.select_dtypes("number").columns
    shown = counts.astype(dict.fromkeys(numbers, float))
    shown.loc[is_small, numbers] = np.nan
    return shown


def traces(folder: str | Path, words: Iterable[str]) -> list[tuple[str, str]]:
    """Where any of `words` (names, addresses, pseudonyms) occurs in the files under `folder`.

    Parquet files are searched as tables, so compression hides nothing.

    Returns
    -------
    list of (file, word)
    """
    words = list(words)
    found = []
    for path in sorted(Path(folder).rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if data.startswith(b"PAR1"):
            data = pd.read_parquet(path).to_csv(index=False).encode()
        name = str(path.relative_to(folder))
        found += [(name, word) for word in words if word.encode() in data]
    return found
