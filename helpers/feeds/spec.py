"""A feed's YAML: how a retailer's file maps onto the catalogue, checked so that errors name line and field."""

import codecs
import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    model_validator,
)

from helpers.artefacts import ROOT

FEEDS = ROOT / "data" / "feeds"
FieldName = Literal[
    "product_id", "title", "description", "brand", "category", "gender", "colour", "price", "currency",
    "rating", "n_reviews", "images", "sizes", "style",
]  # fmt: skip


class FeedError(ValueError):
    """A feed's YAML or file can't be used; the message names the file, the line or column and the remedy."""


def _regex(text: str | None) -> str | None:
    try:
        re.compile(text or "")
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    return text


def _codec(name: str) -> str:
    try:
        return name if name == "auto" else codecs.lookup(name).name
    except LookupError:
        raise ValueError(f"Python knows no encoding {name!r}") from None


def _like(pattern: str, what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r} is no {what}")
        return text

    return AfterValidator(check)


Regex = Annotated[str, AfterValidator(_regex)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Model):
    """Where a value comes from: a column (several are joined by a new line) or a constant `value`.

    `pattern` keeps what its first group (or all of it) matches; `plus` appends another column, `template` puts the
    value in place of `{}`.
    """

    column: str | list[str] | None = None
    value: str | None = None
    pattern: Regex | None = None
    plus: str | None = None
    template: str = "{}"

    @model_validator(mode="before")
    @classmethod
    def _a_name_is_a_column(cls, value):
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_origin(self):
        if (self.column is None) == (self.value is None):
            raise ValueError("give either `column` or `value`")
        return self

    @property
    def columns(self) -> list[str]:
        """Columns it reads."""
        own = [self.column] if isinstance(self.column, str) else self.column or []
        return own + ([self.plus] if self.plus else [])

    def read(self, row: dict[str, str]) -> str:
        """Raw text for one row, "" if there is none."""
        if self.value is not None:
            return self.value
        text = "\n".join(
            row.get(name) or "" for name in self.columns[: len(self.columns) - bool(self.plus)]
        )
        if self.pattern:
            found = re.search(self.pattern, text)
            text = (found[1] if found.re.groups else found[0]) or "" if found else ""
        if not text.strip():
            return ""
        text += " " + row.get(self.plus, "").strip().lower() if self.plus else ""
        return self.template.replace("{}", text.strip())


class Owner(_Model):
    """Names the product an image belongs to, for feeds whose image column has slipped against the other columns."""

    product: Source
    image: Regex


class FeedSpec(_Model):
    """One retailer's feed; a YAML's keys. `fields` maps catalogue fields to sources: the first that is filled wins.

    Attributes
    ----------
    platform : str
        The shop's name in every `image_key`.
    format, encoding, separator : str
        "auto" looks at the file.
    currency : str
        ISO code, where cells and columns don't say.
    required : list of str
        Fields without which a row is rejected.
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
    image_files : bool
        Images are names of files, not addresses.
    split_sentences : bool
        Put full stops back into descriptions that lost their line ends.
    trust_category : bool
        The shop's category names the garment better than its title.
    extra_cells : str
        What becomes of a row with more cells than columns: "reject", or "join_last" if the last holds bare separators.
    """

    platform: Annotated[str, _like("[a-z0-9_]+", "name of small letters, digits and _")]
    format: Literal["auto", "csv", "json"] = "auto"
    encoding: Annotated[str, AfterValidator(_codec)] = "auto"
    separator: Annotated[str, _like('auto|[^\r\n"]', "single character, nor auto")] = "auto"
    currency: Annotated[str, _like("([A-Z]{3})?", "ISO code such as EUR")] = ""
    fields: dict[
        FieldName,
        Annotated[list[Source], BeforeValidator(lambda v: v if isinstance(v, list) else [v])],
    ]
    required: list[FieldName] = ["title"]
    max_price: float = 1e9
    keep: Source | None = None
    same_product: tuple[Source, Source] | None = None
    main_image: Regex | None = None
    image_owner: Owner | None = None
    image_files: bool = False
    split_sentences: bool = False
    trust_category: bool = False
    extra_cells: Literal["reject", "join_last"] = "reject"

    @model_validator(mode="after")
    def _has_title(self):
        if "title" not in self.fields:
            raise ValueError("`fields` must map `title`")
        return self


def load_spec(spec) -> FeedSpec:
    """FeedSpec from a YAML's path, from a shipped feed's name (`"asos"`), or as it is.

    Raises
    ------
    FeedError
        Naming file, line and field of everything that is wrong.
    """
    if isinstance(spec, FeedSpec):
        return spec
    path = Path(spec)
    path = FEEDS / f"{spec}.yaml" if not path.suffix and not path.is_file() else path
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in FEEDS.glob("*.yaml")))
        raise FeedError(f"{path}: no such file; shipped feeds are {known}")
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.compose(text, yaml.SafeLoader)
        if not isinstance(tree, yaml.MappingNode):
            raise FeedError(
                f"{path} holds no `platform:` and `fields:`; `course feed draft FILE` writes a first YAML"
            )
        _refuse_repeats(tree, path)
        return FeedSpec.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path} line {mark.line + 1}" if mark else path
        raise FeedError(
            f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}"
        ) from None
    except ValidationError as error:
        lines = [
            f"{path} line {_line(tree, e['loc'])}: {'.'.join(map(str, e['loc'])) or 'feed'}: "
            + e["msg"]
            .removeprefix("Value error, ")
            .replace("Extra inputs are not permitted", "there is no such key")
            for e in error.errors()
        ]
        raise FeedError("\n".join(lines)) from None


def _refuse_repeats(node, path: Path) -> None:
    """A key given twice would silently lose its first value: YAML takes the last."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if str(key.value) in seen:
                raise FeedError(
                    f"{path} line {key.start_mark.line + 1}: {key.value} is given twice; keep one"
                )
            seen.add(str(key.value))
            _refuse_repeats(value, path)


def _line(node, location) -> int:
    """Line (from 1) of the deepest node that `location` reaches."""
    line = node.start_mark.line if node else 0
    for step in location:
        if isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            if step not in pairs:
                break
            line, node = pairs[step][0].start_mark.line, pairs[step][1]
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value)
        ):
            node = node.value[step]
            line = node.start_mark.line
    return line + 1
