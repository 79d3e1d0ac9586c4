"""`course data NAME`: published data that a profile needs, from its authors' own archive,
checked."""

import hashlib
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential
from tqdm.auto import tqdm

from helpers.artefacts import fashion_data, write_parquet, write_text
from helpers.sample.published import DOWNLOADED

ONLINE_RETAIL = "online-retail"
COLUMNS = ["Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
MAX_BYTES = 200_000_000  # the file has some 45 million; nothing that a server says is endless
TIMEOUT = httpx.Timeout(30.0)  # seconds without a byte
SECONDS = 900.0  # for all of it, however slowly it drips
ATTEMPTS = 3
TRANSIENT = (429, 500, 502, 503, 504)


class DownloadError(RuntimeError):
    """Data that could not be fetched, or are not what was published. Nothing was written."""


@dataclass(frozen=True)
class Published:
    """A published data set: where it is, what it holds, and whom to thank.

    Attributes
    ----------
    name : str
        As the command takes it.
    url : str
        A CSV file.
    sha256 : str
        Of `content_of` the table, not of the file: packing and column order may change.
    rows : int
    attribution : str
    place : Path
        The Parquet file that it becomes.
    beside : str
        The same file's name in `FASHION_DATA`.
    used_by : str
        A profile.
    """

    name: str
    url: str
    sha256: str
    rows: int
    attribution: str
    place: Path
    beside: str
    used_by: str


def known() -> dict[str, Published]:
    """All data that the command can fetch, by name."""
    online_retail = Published(
        name=ONLINE_RETAIL,
        url="https://archive.ics.uci.edu/static/public/352/data.csv",
        sha256="b393114da02fc7c7e8dafde5c37b21727ff81b89a46195e39efcfc62c1f0b739",
        rows=541_909,
        attribution=(
            "Chen, D. (2015). Online Retail [Dataset]. UCI Machine Learning Repository. "
            "https://doi.org/10.24432/C5BW33. License: CC BY 4.0, "
            "https://creativecommons.org/licenses/by/4.0/. Changed: without invoice numbers and "
            "stock codes, written as Parquet."
        ),
        place=DOWNLOADED,
        beside="orders/online_retail.parquet",
        used_by="orders",
    )
    return {online_retail.name: online_retail}


def get_data(name: str, say: Callable[[str], None], file: str = "") -> None:
    """Fetch published data, unless they are here already.

    Parameters
    ----------
    name : str
    say : callable(str)
        Receives a line of progress.
    file : str
        The archive's CSV, downloaded by hand where there is a network.

    Raises
    ------
    ValueError
        If there are no data of that name.
    DownloadError
        If they can't be fetched or aren't what was published. The message says what to do.
    """
    sets = known()
    if name not in sets:
        raise ValueError(f"no data {name!r}: there are {', '.join(sets)}")
    wanted = sets[name]
    here = where_it_is(wanted)
    if file:
        keep(_read(file), file, wanted)
        say(f"{wanted.rows:,} rows of {file} checked and written to {wanted.place}")
    elif here:
        say(f"{name} is here already: {here}")
    else:
        say(f"fetching {wanted.url}")
        content = download(wanted)
        keep(content, wanted.url, wanted)
        megabytes = len(content) / 1e6
        say(f"{wanted.rows:,} rows ({megabytes:.0f} MB) checked and written to {wanted.place}")
    say(wanted.attribution)
    say(f"next:  course run --profile {wanted.used_by}")


def where_it_is(wanted: Published) -> Path | None:
    """The file that a run would read: the downloaded one, or the one in `FASHION_DATA`."""
    places = [wanted.place]
    folder = fashion_data()
    if folder is not None:
        places.append(folder / wanted.beside)
    for place in places:
        if place.is_file():
            return place
    return None


def _read(file: str) -> bytes:
    try:
        return Path(file).expanduser().read_bytes()
    except OSError as error:
        raise DownloadError(f"--file {file} can't be read: {error.strerror}") from None


def keep(content: bytes, origin: str, wanted: Published) -> None:
    """Check a table's content and write it, with its attribution beside it.

    Raises
    ------
    DownloadError
        If it isn't what was published.
    """
    table = table_of(content, origin, wanted)
    found = content_of(table)
    if found != wanted.sha256:
        raise DownloadError(
            f"{origin} is not what was published: {len(table):,} rows of {wanted.rows:,}, "
            f"checksum {found[:12]}… instead of {wanted.sha256[:12]}…. Nothing was written: "
            f"it was cut on its way, or the archive has changed it. {_by_hand(wanted)}"
        )
    write_parquet(table, wanted.place)
    write_text(wanted.attribution + "\n", wanted.place.with_suffix(".txt"))


def download(wanted: Published) -> bytes:
    """The bytes behind an address; what passes by itself is tried again."""
    policy = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=1, max=8),
        retry=retry_if_exception(_may_pass),
        reraise=True,
    )
    try:
        return policy(_download_once, wanted.url)
    except httpx.HTTPError as error:
        why = _in_words(error)
    raise DownloadError(
        f"{wanted.name} can't be fetched from {wanted.url}: {why}. {_by_hand(wanted)}"
    )


def _download_once(url: str) -> bytes:
    end = time.monotonic() + SECONDS
    content = io.BytesIO()
    with httpx.stream("GET", url, timeout=TIMEOUT, follow_redirects=True) as answer:
        answer.raise_for_status()
        size = _announced(answer)
        with tqdm(total=size, unit="B", unit_scale=True, leave=False, disable=None) as bar:
            for block in answer.iter_bytes():
                content.write(block)
                bar.update(len(block))
                if content.tell() > MAX_BYTES:
                    raise httpx.DecodingError(f"more than {MAX_BYTES // 1_000_000} MB came")
                if time.monotonic() > end:
                    raise httpx.ReadTimeout(f"not done after {SECONDS / 60:.0f} minutes")
    return content.getvalue()


def _announced(answer: httpx.Response) -> int | None:
    """Bytes to come, where the server says so."""
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _may_pass(error: BaseException) -> bool:
    """Whether trying again may help."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in TRANSIENT
    return isinstance(error, httpx.TransportError)


def _in_words(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answers {error.response.status_code}"
    return f"{type(error).__name__} {error}".strip()


def _by_hand(wanted: Published) -> str:
    """What to do without the network."""
    return (
        f"Try again later; or download {wanted.url} where there is a network and run  "
        f"course data {wanted.name} --file data.csv  ; or set FASHION_DATA to a folder that holds "
        f"{wanted.beside}. The profile groceries needs no download:  course run --profile groceries"
    )


def table_of(content: bytes, origin: str, wanted: Published) -> pd.DataFrame:
    """The columns that the course reads, in their types.

    Raises
    ------
    DownloadError
        If the bytes are no such table: a page that asks to log in, for example.
    """
    try:
        table = pd.read_csv(io.StringIO(_decoded(content)), dtype=str, keep_default_na=False)
        table = table[COLUMNS]
        title = table["Description"].str.strip()
        return pd.DataFrame(
            {
                "Description": title.mask(title == ""),
                "Quantity": pd.to_numeric(table["Quantity"]).astype("int32"),
                "InvoiceDate": pd.to_datetime(table["InvoiceDate"], format="mixed"),
                "UnitPrice": pd.to_numeric(table["UnitPrice"]).astype("float64"),
                "CustomerID": pd.to_numeric(table["CustomerID"]).astype("float64"),
                "Country": table["Country"],
            }
        )
    except (ValueError, KeyError) as error:
        start = content[:60].decode("latin-1")
        reason = str(error).splitlines()[0]
        raise DownloadError(
            f"{origin} holds no such table ({reason}); it begins {start!r}. {_by_hand(wanted)}"
        ) from None


def _decoded(content: bytes) -> str:
    """UTF-8 if the bytes are, else what Western spreadsheets write."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def content_of(table: pd.DataFrame) -> str:
    """SHA-256 of what the rows say, whatever their order and the spacing of their titles."""
    title = table["Description"].fillna("").str.encode("ascii", "ignore").str.decode("ascii")
    said = pd.DataFrame(
        {
            "title": title.str.split().str.join(" "),
            "quantity": table["Quantity"],
            "minute": _minutes(table["InvoiceDate"]),
            "thousandths": np.rint(table["UnitPrice"] * 1000).astype(int),
            "customer": table["CustomerID"].fillna(0).astype(int),
        }
    )
    lines = said.to_csv(index=False, header=False, lineterminator="\n").splitlines()
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _minutes(time: pd.Series) -> pd.Series:
    """Whole minutes since 1970."""
    return time.dt.as_unit("s").astype("int64") // 60
