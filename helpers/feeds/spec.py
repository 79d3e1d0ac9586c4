"""A feed's YAML: how a retailer's file maps onto the catalogue. Errors name line and field."""

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import regex
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from helpers.artefacts import ROOT
from helpers.feeds.text import is_empty, printable

FEEDS = ROOT / "data" / "feeds"
WORDS = FEEDS / "words"  # vocabularies of other languages
LARGEST = 100_000  # characters of a YAML
_DEEPEST = 30  # lists within lists of a YAML
PATIENCE = 2.0  # seconds that one pattern may look at one cell

FieldName = Literal[
    "product_id", "parent_id", "title", "description", "brand", "category", "gender", "colour",
    "price",
    "list_price", "currency", "availability", "url", "rating", "n_reviews", "images", "sizes",
    "style",
]  # fmt: skip


class FeedError(ValueError):
    """A feed's YAML or file can't be used; the message names file, line or column and the
    remedy."""


# Python's codecs that turn text into other text.
_NO_ENCODINGS = {"unicode_escape", "raw_unicode_escape", "idna", "punycode", "utf-7"}


def _regex(text: str) -> str:
    try:
        regex.compile(text)
    except (regex.error, RecursionError) as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    return text


def _codec(name: str) -> str:
    if name == "auto":
        return name
    try:
        known = codecs.lookup(name).name
        "a".encode(known)
    except (LookupError, ValueError):
        known = ""
    if not known or known in _NO_ENCODINGS:
        raise ValueError(f"Python knows no encoding {name!r}")
    return known


def _like(pattern: str, what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r} is no {what}")
        return text

    return AfterValidator(check)


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


Regex = Annotated[str, AfterValidator(_regex)]


def matches(pattern: str, text: str) -> Iterator[str]:
    """What a YAML's pattern finds in a text: its first group, or all of it.

    Raises
    ------
    FeedError
        If the pattern looks at one text for more than `PATIENCE` seconds.
    """
    try:
        for found in regex.finditer(pattern, text, timeout=PATIENCE):
            whole = found[1] if found.re.groups else found[0]
            yield whole or ""
    except TimeoutError:
        raise FeedError(
            f"the pattern {pattern!r} takes more than {PATIENCE:g} s on {printable(text[:40])!r}: "
            "it tries too many ways to match; write it without a repeat inside a repeat"
        ) from None


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Model):
    """Where a value comes from: a column (several are joined by a new line) or a constant `value`.

    `pattern` keeps what its first group (or all of it) matches; `plus` appends another column,
    `template` puts the value in place of `{}`.
    """

    column: str | list[str] | None = None
    value: str | None = None
    pattern: Regex | None = None
    plus: str | None = None
    template: str = "{}"

    @model_validator(mode="before")
    @classmethod
    def _a_name_is_a_column(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_origin(self) -> "Source":
        if (self.column is None) == (self.value is None):
            raise ValueError("give either `column` or `value`")
        return self

    @property
    def main_columns(self) -> list[str]:
        """Columns whose texts are joined, without `plus`."""
        if self.column is None:
            return []
        return [self.column] if isinstance(self.column, str) else self.column

    @property
    def columns(self) -> list[str]:
        """All columns it reads."""
        return [*self.main_columns, self.plus] if self.plus else self.main_columns

    def read(self, row: Mapping[str, str]) -> str:
        """Raw text for one row, "" if there is none."""
        if self.value is not None:
            return self.value
        text = "\n".join(row.get(name) or "" for name in self.main_columns)
        if self.pattern:
            text = next(matches(self.pattern, text), "")
        text = text.strip()
        if not text:
            return ""
        if self.plus:
            text = f"{text} {row.get(self.plus, '').strip().lower()}".strip()
        return self.template.replace("{}", text)


class Owner(_Model):
    """Names the product an image belongs to, where images have slipped against other columns."""

    product: Source
    image: Regex


class Option(_Model):
    """A column that holds an option's name ("Size") and one that holds its value ("M")."""

    name: str
    value: str


class Discount(_Model):
    """Columns of what is taken off the price: `mode` says PERCENT or AMOUNT."""

    mode: str
    value: str


class Reading(_Model):
    """How a file is read; see `FeedSpec`. `wanted` are columns that its header should name."""

    format: Literal["auto", "csv", "json", "xml"] = "auto"
    encoding: str = "auto"
    separator: str = "auto"
    header: Literal["auto", "none"] = "auto"
    extra_cells: Literal["reject", "join_last"] = "reject"
    rows: str | None = None
    wanted: frozenset[str] = frozenset()


class FeedSpec(_Model):
    """One retailer's feed; a YAML's keys. `fields` maps fields to sources: the first filled wins.

    Attributes
    ----------
    platform : str
        The shop's name in every `image_key`.
    format, encoding, separator : str
        "auto" looks at the file.
    header : str
        "none": no line names the columns; they are called `column 1`, `column 2` …
    rows : str
        Name of a JSON field that holds a list of objects: each becomes a row of its own, with
        columns such as `variants.price`.
    currency : str
        ISO code, where cells and columns don't say.
    required : list of str
        Fields without which a row is rejected.
    variants : bool
        A product has several rows (sizes, colours, pictures) of one `product_id`; a row that lacks
        a title takes it from the product's first row. A `parent_id` field implies it.
    children : Source
        In a product's row, the ids of the rows that are its variants; the pattern finds each.
    options : list of Option
        Columns of names and values; they give the columns `option.size`, `option.colour` …
    discount : Discount
        Columns of what is taken off the price.
    max_price : float
        Above it a price is a stand-in ("99999"), and its row is rejected.
    keep : Source
        Rows for which it finds nothing are rejected.
    same_product : two Sources
        A row is rejected if the second's text lacks more than half of the first's words.
    main_image : regular expression
        Addresses that match come first.
    image_owner : Owner
        For an image column that has slipped against the others.
    image_base : str
        Address that is put before a picture's bare file name.
    image_files : bool
        Images are names of files that are here already, not addresses.
    split_sentences : bool
        Put full stops back into descriptions that lost their line ends.
    trust_category, trust_colour : bool
        The shop's column comes before the title's words. False where a column holds a shelf's
        name, or colours that titles correct.
    vocabulary : str
        Words of another language: a name in data/feeds/words (`de`), or a YAML beside this one.
    extra_cells : str
        What becomes of a row with more cells than columns: "reject", or "join_last" if the last
        holds bare separators.
    """

    platform: Annotated[str, _like("[a-z0-9_]+", "name of small letters, digits and _")]
    format: Literal["auto", "csv", "json", "xml"] = "auto"
    encoding: Annotated[str, AfterValidator(_codec)] = "auto"
    separator: Annotated[str, _like('auto|[^\r\n"]', "single character, nor auto")] = "auto"
    header: Literal["auto", "none"] = "auto"
    rows: str | None = None
    currency: Annotated[str, _like("([A-Z]{3})?", "ISO code such as EUR")] = ""
    fields: dict[FieldName, Annotated[list[Source], BeforeValidator(_listed)]]
    required: list[FieldName] = ["title"]
    variants: bool = False
    children: Source | None = None
    options: list[Option] = []
    discount: Discount | None = None
    max_price: float = 1e9
    keep: Source | None = None
    same_product: tuple[Source, Source] | None = None
    main_image: Regex | None = None
    image_owner: Owner | None = None
    image_base: str = ""
    image_files: bool = False
    split_sentences: bool = False
    trust_category: bool = True
    trust_colour: bool = True
    vocabulary: str = ""
    extra_cells: Literal["reject", "join_last"] = "reject"

    @model_validator(mode="after")
    def _has_title(self) -> "FeedSpec":
        if "title" not in self.fields:
            raise ValueError("`fields` must map `title`")
        return self

    @property
    def grouped(self) -> bool:
        """Whether a product may have several rows."""
        return self.variants or self.children is not None or "parent_id" in self.fields

    @property
    def columns(self) -> list[str]:
        """All columns that its fields read, each once."""
        sources = [source for sources in self.fields.values() for source in sources]
        return list(dict.fromkeys(name for source in sources for name in source.columns))

    @property
    def reading(self) -> Reading:
        """How its file is read."""
        return Reading(
            format=self.format,
            encoding=self.encoding,
            separator=self.separator,
            header=self.header,
            extra_cells=self.extra_cells,
            rows=self.rows,
            wanted=frozenset(self.columns),
        )

    def first(
        self,
        field: FieldName,
        row: Mapping[str, str],
    ) -> str:
        """Raw text of the first source of a field that holds anything."""
        return next(self.texts(field, row), "")

    def texts(
        self,
        field: FieldName,
        row: Mapping[str, str],
    ) -> Iterator[str]:
        """Raw texts of a field's sources, in order, those that hold anything."""
        for source in self.fields.get(field, ()):
            text = source.read(row)
            if not is_empty(text):
                yield text


def load_spec(spec: str | Path | FeedSpec) -> FeedSpec:
    """FeedSpec from a YAML's path, from a shipped feed's name (`"asos"`), or as it is.

    Raises
    ------
    FeedError
        Naming file, line and field of everything that is wrong.
    """
    if isinstance(spec, FeedSpec):
        return spec
    path = Path(spec)
    if not path.suffix and not path.is_file():
        path = FEEDS / f"{spec}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(shipped.stem for shipped in FEEDS.glob("*.yaml")))
        raise FeedError(f"{path}: no such file; shipped feeds are {known}")
    tree, loaded = read_yaml(path)
    try:
        made = FeedSpec.model_validate(loaded)
    except ValidationError as error:
        lines = [_complaint(path, tree, problem) for problem in error.errors()]
        raise FeedError("\n".join(lines)) from None
    return made.model_copy(update={"vocabulary": _words_path(made.vocabulary, path)})


def read_yaml(path: Path) -> tuple[yaml.MappingNode, Any]:
    """A YAML file's mapping, as nodes with their lines and as values.

    Raises
    ------
    FeedError
        If it is no YAML of keys and values, gives a key twice, or uses aliases (`*name`), by which
        a small file may grow beyond any memory.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if len(text) > LARGEST:
            raise FeedError(
                f"{path} has more than {LARGEST:,} characters: no feed's YAML is so long"
            )
        _refuse_growth(text, path)
        tree = yaml.compose(text, yaml.SafeLoader)
        if not isinstance(tree, yaml.MappingNode):
            raise FeedError(
                f"{path} holds no `platform:` and `fields:`; "
                "`course feed draft FILE` writes a first YAML"
            )
        _refuse_repeats(tree, path)
        return tree, yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path} line {mark.line + 1}" if mark else str(path)
        raise FeedError(f"{where}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, FeedError):
            raise
        raise FeedError(f"{path}: not valid YAML: {error}") from None


def _words_path(vocabulary: str, beside: Path) -> str:
    """Where a vocabulary lies: among the shipped ones, or beside the YAML that names it."""
    if not vocabulary:
        return ""
    places = [WORDS / f"{vocabulary}.yaml", beside.parent / vocabulary, Path(vocabulary)]
    for place in places:
        if place.is_file():
            return str(place)
    known = ", ".join(sorted(shipped.stem for shipped in WORDS.glob("*.yaml")))
    raise FeedError(
        f"{beside}: vocabulary: no {printable(vocabulary)!r} among the shipped ones ({known}), "
        "nor a file of that name beside the YAML"
    )


def _complaint(
    path: Path,
    tree: yaml.Node,
    problem: ErrorDetails,
) -> str:
    field = ".".join(map(str, problem["loc"])) or "feed"
    said = problem["msg"].removeprefix("Value error, ")
    said = said.replace("Extra inputs are not permitted", "there is no such key")
    return f"{path} line {_line(tree, problem['loc'])}: {field}: {said}"


def _refuse_growth(text: str, path: Path) -> None:
    """By aliases, or by nesting, a small YAML takes for ever to read."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise FeedError(f"{path} line {line}: `*{event.anchor}`: write it out, not as an alias")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise FeedError(f"{path} line {line}: not valid YAML: lists within lists, too deep")


def _refuse_repeats(node: yaml.Node, path: Path) -> None:
    """A key given twice would silently lose its first value: YAML takes the last."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeats(item, path)
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for key, value in node.value:
        name = str(key.value)
        if name in seen:
            line = key.start_mark.line + 1
            raise FeedError(f"{path} line {line}: {name} is given twice; keep one")
        seen.add(name)
        _refuse_repeats(value, path)


def _line(
    node: yaml.Node,
    location: Sequence[int | str],
) -> int:
    """Line (from 1) of the deepest node that `location` reaches."""
    line = node.start_mark.line
    for step in location:
        found = _step(node, step)
        if found is None:
            break
        line, node = found
    return line + 1


def _step(
    node: yaml.Node,
    step: int | str,
) -> tuple[int, yaml.Node] | None:
    """The line and the node below `node` that a key or a position names."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item.start_mark.line, item
    return None
