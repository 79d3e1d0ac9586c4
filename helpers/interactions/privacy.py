"""At the door: names become keyed hashes, personal columns stay out; small groups hide, and traces are looked for."""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

PUBLIC_KEY = (
    b"cold-start-course: simulated shoppers"  # for made-up people only, so that a profile repeats
)
KEY_VARIABLE = "COURSE_USER_KEY"
PERSONAL = re.compile(
    r"^name$|(^|_)(e_?mail|phone|mobile|tel|telephone|address|street|zip|post_?code|city|surname|birth\w*|dob|ssn|"
    r"passport|iban|card(_?number)?|ip|latitude|longitude|(first|last|full|given|family|user|customer|shopper)_?name)($|_)",
    re.I,
)
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
PHONE = re.compile(  # international, national with a leading zero (nine digits or more), or 3-3-4
    r"(?<![\w./-])((?:\+|00)\d(?:[ ()./-]{0,2}\d){7,13}|\(?0\d(?:[ ()./-]{0,2}\d){7,10}|"
    r"\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4})(?!\w)"
)

WORD, BLANK = re.compile(r"[^\W\d_]{3,}"), "[removed]"


def secret_key() -> bytes:
    """The key for real people's ids, from the environment.

    Raises
    ------
    KeyError
        If it is absent or short; the message says how to make one.
    """
    key = os.environ.get(KEY_VARIABLE, "").encode()
    if len(key) < 16:
        raise KeyError(
            f"{KEY_VARIABLE} must hold a key of at least 16 characters for real shoppers' ids. Make one, and keep it "
            f"out of the project:  export {KEY_VARIABLE}=$(python -c 'import secrets; print(secrets.token_hex(32))')"
        )
    return key


def hash_ids(names: Iterable, key: bytes) -> np.ndarray:
    """Keyed pseudonyms, 16 hexadecimal digits each (BLAKE2b, RFC 7693): without the key nobody can test a guess."""
    base = hashlib.blake2b(key=hashlib.blake2b(key).digest()[:64], digest_size=8)
    hashed = []
    for name in names:
        one = base.copy()
        one.update(str(name).encode())
        hashed.append(one.hexdigest())
    return np.array(hashed, dtype=object)


def admit(
    orders: pd.DataFrame, user: str = "user", item: str = "item", key: bytes | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Let an order history in without its people: (table, report).

    The `user` column becomes a keyed hash; personal columns are dropped; from any text that remains, e-mail addresses,
    telephone numbers, and words of the row's own personal columns (a name, a street) are blanked, but for the `item`
    column's product numbers. The report counts each.
    """
    if user not in orders:
        raise KeyError(f"no column {user!r} to hash among {list(orders.columns)}")
    key = secret_key() if key is None else key
    plain = {name: re.sub(r"(?<=[a-z])(?=[A-Z])|[\s-]+", "_", str(name)) for name in orders.columns}
    personal = [
        name for name in orders.columns if name not in (user, item) and PERSONAL.search(plain[name])
    ]
    report = {f"column {name} dropped": len(orders) for name in personal}
    kept = orders.drop(columns=personal).assign(**{user: hash_ids(orders[user], key)})
    theirs = [
        _words(row) for row in zip(*(orders[name] for name in (user, *personal)), strict=True)
    ]
    for column in kept.columns.difference([user, item], sort=False):
        if not (kept[column].dtype == object or isinstance(kept[column].dtype, pd.StringDtype)):
            continue
        blank = {
            "e-mail": lambda cell, _: EMAIL.sub(BLANK, cell),
            "phone": lambda cell, _: PHONE.sub(BLANK, cell),
            "own name or address": lambda cell, own: WORD.sub(
                lambda m: BLANK if m[0].lower() in own else m[0], cell
            ),
        }
        for kind, clean in blank.items():
            pairs = zip(kept[column], theirs, strict=True)
            cleaned = [clean(cell, own) if isinstance(cell, str) else cell for cell, own in pairs]
            changed = sum(
                new is not old and new != old
                for new, old in zip(cleaned, kept[column], strict=True)
            )
            if changed:
                report[f"{kind} in {column} blanked"] = changed
                kept[column] = cleaned
    return kept, report


def _words(cells) -> set[str]:
    """Words of a row's personal cells, in lower case; addresses of e-mails are found by their form."""
    text = " ".join(cell for cell in cells if isinstance(cell, str) and "@" not in cell)
    return {word.lower() for word in WORD.findall(text)}


def suppress(counts: pd.DataFrame, n: str = "n_users", k: int = 5) -> pd.DataFrame:
    """A table fit to publish: groups of fewer than `k` people keep their label and lose their figures (k-anonymity).

    If exactly one group would be hidden, the next smallest is hidden too: totals would tell it otherwise.
    """
    small = np.array(counts[n] < k)
    if small.sum() == 1 and len(counts) > 1:
        small[np.argsort(np.where(small, np.inf, counts[n]), kind="stable")[0]] = True
    shown = counts.astype(
        {
            column: float
            for column in counts.columns
            if pd.api.types.is_numeric_dtype(counts[column])
        }
    )
    numbers = shown.select_dtypes("number").columns
    shown.loc[small, numbers] = np.nan
    return shown


def traces(folder: str | Path, words: Iterable[str]) -> list[tuple[str, str]]:
    """Where any of `words` (names, addresses, pseudonyms) occurs in the files under `folder`: (file, word) pairs.

    Parquet and safetensors files are searched as tables and bytes, so compression hides nothing.
    """
    found, words = [], list(words)
    for path in sorted(file for file in Path(folder).rglob("*") if file.is_file()):
        text = path.read_bytes()
        if text.startswith(b"PAR1"):
            text = pd.read_parquet(path).to_csv(index=False).encode()
        found += [(str(path.relative_to(folder)), word) for word in words if word.encode() in text]
    return found
