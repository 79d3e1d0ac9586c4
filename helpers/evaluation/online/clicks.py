"""Clicks on a list: a shopper looks at few places, and clicks what attracts her there."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Visits(NamedTuple):
    """What happened on lists of k items.

    Attributes
    ----------
    clicks, purchases : (n, k) bool
        By place. Whatever was bought was clicked first.
    """

    clicks: np.ndarray
    purchases: np.ndarray


def examination(n_places: int, fade: float = 1.0) -> np.ndarray:
    """Chance that a shopper looks at each place, (n_places,): γ_k = (1 / k)^fade.

    The form of Joachims, Swaminathan and Schnabel (2017). 0 means that every place is seen.
    """
    places = np.arange(1.0, n_places + 1)
    return places**-fade


@dataclass(frozen=True)
class ClickModel:
    """The position-based model (Richardson, Dominowska and Ragno 2007).

        P(click on item i in place k by shopper u) = γ_k · α_ui

    where γ_k is the examination of the place and α_ui = idle + (keen - idle) · p_ui the attraction
    of the item; p_ui is the probability that u likes i. A click becomes a purchase with
    probability buys · p_ui.

    Attributes
    ----------
    fade : float
        How fast the examination falls; see `examination`.
    idle, keen : float
        Attraction of an item that is surely not liked, and of one that surely is.
    buys : float
        Share of clicks on a surely liked item that end in a purchase.

    Notes
    -----
    The defaults make a list of five collect about 0.6 clicks and 0.1 purchases per visit. They are
    chosen for legibility, not measured on a real shop.
    """

    fade: float = 1.0
    idle: float = 0.05
    keen: float = 0.45
    buys: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.idle <= self.keen <= 1:
            raise ValueError(
                f"idle {self.idle} and keen {self.keen} are probabilities, the first the smaller"
            )
        if not 0 <= self.buys <= 1:
            raise ValueError(f"buys {self.buys} must lie between 0 and 1")

    def attraction(self, p_liked: np.ndarray) -> np.ndarray:
        """Chance of a click on an item that is looked at, in the shape of `p_liked`."""
        return self.idle + (self.keen - self.idle) * p_liked

    def chance_of_click(self, p_shown: np.ndarray) -> np.ndarray:
        """Chance of a click on each place, (n, k), given P(liked) of what is shown there."""
        n_places = p_shown.shape[-1]
        looks = examination(n_places, self.fade)
        return looks * self.attraction(p_shown)

    def chance_of_purchase(self, p_shown: np.ndarray) -> np.ndarray:
        """Chance of a purchase on each place, (n, k)."""
        return self.chance_of_click(p_shown) * self.buys * p_shown

    def visit(self, p_shown: np.ndarray, rng: np.random.Generator) -> Visits:
        """Draw what shoppers do with their lists.

        Parameters
        ----------
        p_shown : (..., n, k) float
            P(liked) of the item in each place.
        """
        clicks = rng.random(p_shown.shape) < self.chance_of_click(p_shown)
        is_wanted = rng.random(p_shown.shape) < self.buys * p_shown
        return Visits(clicks, clicks & is_wanted)


def examination_from_shuffled(clicks: np.ndarray) -> np.ndarray:
    """Examination of each place relative to the first, (k,), from lists in *random* order.

    On such lists every place holds equally attractive items, so the click rates of two places
    differ by their examination alone (Joachims et al. 2017, section 5.3).

    Parameters
    ----------
    clicks : (n, k) bool

    Raises
    ------
    ValueError
        If nobody clicked the first place.
    """
    rate = np.mean(clicks, axis=0)
    if not rate[0] > 0:
        raise ValueError("nobody clicked the first place: collect more visits")
    return rate / rate[0]


def attraction_of_items(
    ids: np.ndarray,
    clicks: np.ndarray,
    n_items: int,
    examined: np.ndarray | None = None,
) -> np.ndarray:
    """Click rate of each item, (n_items,) float64; NaN where it was never shown.

        α̂_i = Σ clicks on i / Σ γ of the places where i was shown

    Parameters
    ----------
    ids : (n, k) int
        What was shown.
    clicks : (n, k) bool
    examined : (k,) float, optional
        Examination of each place. Without it every place counts as seen, and an item that was
        shown low looks unattractive.
    """
    if examined is None:
        examined = np.ones(ids.shape[1])
    looks = np.broadcast_to(examined, ids.shape)
    clicked = np.zeros(n_items)
    looked = np.zeros(n_items)
    np.add.at(clicked, ids, clicks)
    np.add.at(looked, ids, looks)
    attraction = np.full(n_items, np.nan)
    np.divide(clicked, looked, out=attraction, where=looked > 0)
    return attraction
