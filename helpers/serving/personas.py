"""The four personas of the course: what they like elsewhere, as lists that a service can read."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from helpers.artefacts import ROOT
from helpers.serving.history import LIKED_BY_DEFAULT, History

if TYPE_CHECKING:
    from helpers.serving.service import Filters

PERSONAS = ROOT / "data" / "personas.yaml"


@dataclass(frozen=True)
class Persona:
    """A made-up newcomer.

    Attributes
    ----------
    name, about : str
    gender : str or None
        Whose garments they buy; None lets a service read it from the list.
    history : History
        What they like elsewhere.
    shops : list of str
        Where each of these items is from; empty where the file doesn't say.
    wishes : dict
        What no title says: `style` (list of str) and `price_usd`.
    """

    name: str
    about: str
    gender: str | None
    history: History
    shops: list[str] = field(default_factory=list)
    wishes: dict[str, Any] = field(default_factory=dict)

    @property
    def titles(self) -> list[str]:
        """The title of each liked item."""
        return self.history.items["title"].tolist()

    @property
    def pictures(self) -> list[Path | None]:
        """The picture file of each liked item, None where it has none."""
        folder = self.history.folder or Path()
        names = self.history.items["image"]
        return [folder / name if name else None for name in names]

    def first(self, n: int) -> History:
        """Their first `n` liked items."""
        return History(self.history.items.head(n), self.history.folder)

    def filters(self, catalog: pd.DataFrame, platform: str | None = None) -> "Filters":
        """Products of `platform` for this person.

        A platform that is no shop of the catalogue, such as a department or a random half of one,
        filters nothing. Neither does a gender for which the shop sells nothing.
        """
        from helpers.serving.service import Filters  # the service brings torch and faiss along

        is_sold = pd.Series(True, index=catalog.index)
        if platform not in set(catalog["platform"]):
            platform = None
        else:
            is_sold = catalog["platform"] == platform
        gender = self.gender or None
        if gender not in {None, *catalog.loc[is_sold, "gender"]}:
            gender = "all"  # what the list's words tell would be another gender
        return Filters(platform=platform, gender=gender)


def load_personas(path: str | Path = PERSONAS) -> dict[str, Persona]:
    """The personas by name.

    Raises
    ------
    ValueError
        If one has no liked item with a title; the message names file and person.
    """
    path = Path(path)
    listed = yaml.safe_load(path.read_text(encoding="utf-8"))["personas"]
    return {entry["name"]: _persona(entry, path) for entry in listed}


def _persona(entry: dict, path: Path) -> Persona:
    liked = entry.get("liked") or []
    if not liked or not all(item.get("title") for item in liked):
        raise ValueError(
            f"{path.name}: {entry['name']} needs at least one liked item, each with a title"
        )
    titles = [item["title"] for item in liked]
    pictures = [item.get("image", "") for item in liked]
    items = pd.DataFrame(
        {"title": titles, "image": pictures, "rating": LIKED_BY_DEFAULT},
        index=range(1, len(liked) + 1),
    )
    history = History(items, path.parent)
    return Persona(
        name=entry["name"],
        about=entry.get("about", ""),
        gender=entry.get("gender"),
        history=history,
        shops=[item.get("shop", "") for item in liked],
        wishes=entry.get("wishes") or {},
    )
