"""A form to judge recommendations by hand, in JupyterLab; a sentence where nobody can answer it."""

from html import escape

import ipywidgets as widgets
from IPython.display import Markdown, display

from helpers.artefacts import data_dir
from helpers.interactions.loading import load_facts
from helpers.report import pickers
from helpers.serving import labels as store
from helpers.serving.page import embedded
from helpers.serving.personas import Persona, load_personas
from helpers.serving.service import Service

SHOWN = 5
PIXELS = 130
TITLE_PIXELS = 52
"""Of a title of three lines, so that the buttons below stand side by side."""
LIKE = "like"
DISLIKE = "dislike"
NOTE = (
    "*In JupyterLab, a form appears here. It shows a newcomer's list under a method, and you say "
    "of each item whether this person would like it. Your answers stay on your machine, under "
    "`data/{profile}/labels`, beside a random name.*"
)


def label_form(profile: str, methods: tuple[str, ...] = ("Hybrid", "Content")) -> None:
    """Show a form with a persona's recommendations and two buttons under each.

    Each click is stored at once (`helpers.serving.labels`). Under papermill, nbconvert and in the
    HTML reports, a sentence stands in the form's place.

    Parameters
    ----------
    profile : str
        Whose catalog and models.
    methods : tuple of str
        Saved recommenders among which the reader chooses.
    """
    if not pickers.has_front_end():
        display(Markdown(NOTE.format(profile=profile)))
        return
    display(LabelForm(profile, methods).box)


class LabelForm:
    """The form's parts and what its buttons do.

    Attributes
    ----------
    box : VBox
        What is displayed.
    """

    def __init__(self, profile: str, methods: tuple[str, ...]):
        self.profile = profile
        self.people = load_personas()
        self._target = load_facts(profile).target
        self._services: dict[str, Service] = {}
        self.persona = widgets.Dropdown(options=list(self.people), description="persona")
        self.method = widgets.Dropdown(options=list(methods), description="method")
        self.brings = widgets.HTML()
        self.liked = widgets.HBox()
        self.question = widgets.HTML()
        self.cards = widgets.HBox()
        self.status = widgets.HTML()
        menus = widgets.HBox([self.persona, self.method])
        parts = [menus, self.brings, self.liked, self.question, self.cards, self.status]
        self.box = widgets.VBox(parts)
        for menu in (self.persona, self.method):
            menu.observe(self._show, names="value")
        self._show()

    def _show(self, change: object = None) -> None:
        """The chosen person's history and list, with what was answered before."""
        person = self.people[self.persona.value]
        name = escape(person.name)
        self.brings.value = f"<b>{name} likes these, in other shops:</b>"
        self.question.value = (
            f"<b>{escape(self.method.value)} shows these. Would {name} like them?</b>"
        )
        self.liked.children = [widgets.HTML(_picture(*item)) for item in _history(person)]
        known = {}
        for label in store.read_labels(self.profile):
            if label.persona == person.name and label.judge == store.own_judge(self.profile):
                known[label.image_key] = LIKE if label.liked else DISLIKE
        cards = []
        for item in self._list_for(person).itertuples():
            uri = embedded(data_dir(self.profile), item.image_path)
            buttons = widgets.ToggleButtons(
                options=[LIKE, DISLIKE],
                value=known.get(item.image_key),
                style={"button_width": "62px"},
            )
            buttons.image_key = item.image_key
            buttons.observe(self._answered, names="value")
            cards.append(widgets.VBox([widgets.HTML(_picture(uri, item.title)), buttons]))
        self.cards.children = cards
        self._count()

    def _list_for(self, person: Persona):
        name = self.method.value
        if name not in self._services:
            self._services[name] = Service(self.profile, name)
        service = self._services[name]
        asked = person.filters(service.catalog, self._target)
        return service.recommend(person.history, SHOWN, asked).products

    def _answered(self, change) -> None:
        """Store the answer that a button gives."""
        if change["new"] is None:
            return
        label = store.Label(
            judge=store.own_judge(self.profile),
            persona=self.persona.value,
            method=self.method.value,
            image_key=change["owner"].image_key,
            liked=change["new"] == LIKE,
            at=store.now(),
        )
        store.save_label(self.profile, label)
        self._count()

    def _count(self) -> None:
        n_labels = len(store.read_labels(self.profile))
        noun = "answer" if n_labels == 1 else "answers"
        self.status.value = f"{n_labels} {noun} stored in data/{escape(self.profile)}/labels"


def _history(person: Persona) -> list[tuple[str, str]]:
    """(data URI, title) of what a persona likes elsewhere."""
    names = person.history.items["image"]
    pictures = [embedded(person.history.folder, name) for name in names]
    return list(zip(pictures, person.titles, strict=True))


def _picture(uri: str, title: str) -> str:
    """A picture above its title, which is data and never markup."""
    words = escape(title)
    size = f"width:{PIXELS}px;height:{PIXELS}px"
    shown = f'<div style="{size};background:#8882;display:grid;place-items:center">no picture</div>'
    if uri:
        shown = f'<img src="{uri}" alt="{words}" style="{size};object-fit:contain;display:block">'
    style = f"width:{PIXELS + 20}px;min-height:{PIXELS + TITLE_PIXELS}px;line-height:1.2"
    return f'<div style="{style}">{shown}{words}</div>'
