"""Menus under which a reader chooses what a figure shows; a static figure where nobody can choose.

In JupyterLab, VS Code and Colab a menu appears above the figure. Under papermill, nbconvert and in
the HTML reports no browser could answer a menu, so one figure is drawn and nothing else.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
from IPython import get_ipython
from IPython.display import display

LABEL_WIDTH = "initial"  # as wide as the label's text


def pick(
    show: Callable[..., Any], static: Callable[[], Any] | None = None, **options: Sequence
) -> None:
    """Let the reader choose what `show` draws.

    Parameters
    ----------
    show : function
        Takes one keyword argument per menu, and returns what is displayed: a figure or a table.
    static : function, optional
        Takes nothing, and returns what is displayed where nobody can choose. By default `show` is
        called with the first option of each menu.
    options
        The options of each menu under the name of the argument, the first one chosen.

    Raises
    ------
    ValueError
        If a menu has no options.

    Notes
    -----
    `pick(draw_list, persona=["Laura", "Matt"], n=[3, 2, 1])` shows two menus.
    """
    for name, values in options.items():
        if not len(values):
            raise ValueError(f"the menu {name!r} has no options: give at least one")
    if not has_front_end():
        if static is None:
            first = {name: values[0] for name, values in options.items()}
            _display(show(**first))
        else:
            _display(static())
        return
    menus = {name: _menu(name, values) for name, values in options.items()}

    def redraw(**chosen: Any) -> None:
        _display(show(**chosen))

    output = widgets.interactive_output(redraw, menus)
    display(widgets.VBox([widgets.HBox(list(menus.values())), output]))


def has_front_end() -> bool:
    """Whether a reader's browser shows this notebook while it runs."""
    shell = get_ipython()
    if shell is None:
        return False
    in_jupyter = "JPY_SESSION_NAME" in os.environ  # set by the server of a notebook that is open
    in_colab = "google.colab" in sys.modules
    in_vscode = "__vsc_ipynb_file__" in shell.user_ns
    return in_jupyter or in_colab or in_vscode


def _menu(name: str, values: Sequence) -> widgets.Dropdown:
    return widgets.Dropdown(
        options=list(values),
        value=values[0],
        description=name.replace("_", " "),
        style={"description_width": LABEL_WIDTH},
    )


def _display(shown: Any) -> None:
    """Display a figure once: the inline back end would show an open one again."""
    if shown is None:
        return
    display(shown)
    if isinstance(shown, plt.Figure):
        plt.close(shown)
